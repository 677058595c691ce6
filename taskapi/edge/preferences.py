"""Preferences of the client (RFC 7240). One that the service does not know is ignored."""

import re
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from typing import Annotated

from fastapi import Header

from taskapi.edge.body import BoundedRequest
from taskapi.edge.invalid import MAX_NAME_CHARACTERS, invalid

PREFERENCE = re.compile(r'(?:[^",]|"[^"\\]*(?:\\.[^"\\]*)*"?)+')
"""One of a header: a comma in quotation marks is part of a value."""

STRICT = {"Preference-Applied": "handling=strict"}
"""The header that says that the preference was met."""

Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description="`handling=strict`: a member with an unknown name is 422 instead of ignored.",
        examples=["handling=strict"],
    ),
]


def handling(known: AbstractSet[str]) -> Callable[..., Awaitable[dict[str, str]]]:
    """A dependency: refuses unknown members of the body where the client prefers that.

    It gives the headers that say so; none where the client prefers nothing.

    Args:
        known: names of members.
    """

    async def applied(request: BoundedRequest, prefer: Prefer = None) -> dict[str, str]:
        if (preference("handling", prefer) or "").lower() != "strict":
            return {}
        for name in request.value or ():
            if name not in known:
                place = ("body", name[:MAX_NAME_CHARACTERS])
                raise invalid(place, "extra_forbidden", "Extra inputs are not permitted")
        return STRICT

    return applied


def preference(name: str, prefer: str | None) -> str | None:
    """The value of a preference; of two with this name, the first one counts (RFC 7240, 2)."""
    parts: list[str] = PREFERENCE.findall(prefer or "")
    for part in parts:
        token, _, value = part.partition(";")[0].partition("=")
        if token.strip().lower() == name:
            return value.strip().strip('"')
    return None
