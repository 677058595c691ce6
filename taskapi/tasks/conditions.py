"""What a request may ask beside its body: conditions on a version, and to be done only once."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Header

from taskapi.edge.body import BoundedRequest, invalid
from taskapi.edge.conditional import TAGS_PATTERN, InvalidTags, versions_of
from taskapi.tasks.models import KEY_LENGTH
from taskapi.tasks.store import Once

Parsed = TypeVar("Parsed")

LONGEST_TAGS = 4096
"""Some 200 versions of a task: nobody has so many, and each one costs."""

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description=(
            "Only if the task still has this `ETag`, or one of several; otherwise 412. `*` for any."
        ),
        examples=['"63f4a1c2b7d40"'],
        max_length=LONGEST_TAGS,
        json_schema_extra={"pattern": TAGS_PATTERN},
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        description="Only if it has another `ETag` by now; otherwise 304.",
        examples=['"63f4a1c2b7d40"'],
        max_length=LONGEST_TAGS,
        json_schema_extra={"pattern": TAGS_PATTERN},
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=KEY_LENGTH,
        pattern=r"^[!-~]+$",
        description=(
            "Makes the request safe to repeat for 24 hours: the first answer comes again, with "
            "`Idempotency-Replayed: true`."
        ),
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]


def tags(parse: Callable[..., Parsed], header: str, *arguments: object) -> Parsed:
    """Parse a header of entity tags, with a 422 that names the header where it is none."""
    try:
        return parse(*arguments)
    except InvalidTags:
        raise invalid(("header", header), "tags_invalid", 'Should be * or "tag", "tag"') from None


async def expected_versions(if_match: IfMatch = None) -> list[datetime] | None:
    """The versions that the client is willing to change; None for any."""
    return tags(versions_of, "If-Match", if_match)


async def once(request: BoundedRequest, idempotency_key: IdempotencyKey = None) -> Once | None:
    """The key that makes the request safe to repeat, with a digest of what is asked."""
    if idempotency_key is None:
        return None
    if_match = request.headers.get("if-match")
    asked = [request.method, request.scope["path"], if_match, request.value]
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()
    return Once(idempotency_key, digest)


ExpectedVersions = Annotated[list[datetime] | None, Depends(expected_versions)]
OnlyOnce = Annotated[Once | None, Depends(once)]
