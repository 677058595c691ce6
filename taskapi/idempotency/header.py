"""The header `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header)."""

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Header

from taskapi.edge.body import BoundedRequest
from taskapi.idempotency.models import MAX_KEY_CHARACTERS
from taskapi.idempotency.store import IdempotencyKey

IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY_CHARACTERS,
        pattern=r"^[!-~]+$",
        description=(
            "Makes the request safe to repeat for 24 hours: a repetition changes nothing. It gets "
            "the status of the first response, and the task as it is now, with "
            "`Idempotency-Replayed: true`; 410 where the task has been deleted since."
        ),
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]

REPLAYED = {"Idempotency-Replayed": "true"}
"""The header of the response to a repetition."""


async def idempotency_key(
    request: BoundedRequest, header: IdempotencyKeyHeader = None
) -> IdempotencyKey | None:
    """The key of a request that carries one, with the fingerprint of the request."""
    if header is None:
        return None
    parts = [
        request.method,
        request.scope["path"],
        request.headers.get("if-match"),
        request.value,
    ]
    return IdempotencyKey(header, fingerprint_of(parts))


def fingerprint_of(parts: Sequence[object]) -> bytes:
    """What tells a request from every other one: a digest of parts that are JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


OptionalIdempotencyKey = Annotated[IdempotencyKey | None, Depends(idempotency_key)]
