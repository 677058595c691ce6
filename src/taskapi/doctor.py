"""The doctor: looks at settings, database, keys and a token, and says in words what it finds."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from taskapi.app import secret_of, verifier_for
from taskapi.auth import token as tokens
from taskapi.auth.verifier import Verifier
from taskapi.config import Settings
from taskapi.database.address import Address
from taskapi.database.pool import Database
from taskapi.database.schema import check_schema
from taskapi.errors import ApiError, InvalidToken


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what it is.
        text: how it is; never a secret.
        good: False where it stops the service or the token, None where it only informs.
    """

    subject: str
    text: str
    good: bool | None = True


async def examine(
    settings: Settings, address: Address, token: str | None
) -> AsyncIterator[Finding]:
    """Look at everything in the order in which a request would need it."""
    verifier = verifier_for(settings)
    yield _secret(settings)
    if verifier.key_set is not None:
        yield await _key_set(verifier, settings)
    yield await _database(settings, address)
    if token is not None:
        async for finding in _token(verifier, token.encode()):
            yield finding
    if verifier.key_set is not None:
        await verifier.key_set.close()


def _secret(settings: Settings) -> Finding:
    secret = secret_of(settings)
    if secret is None:
        return Finding("secret", "none: tokens with HS256 are refused")
    origin = "BETTER_AUTH_SECRET" if settings.better_auth_secret else "made here, for development"
    return Finding("secret", f"{len(secret.encode())} bytes ({origin}): verifies HS256")


async def _key_set(verifier: Verifier, settings: Settings) -> Finding:
    assert verifier.key_set is not None  # noqa: S101 - for the types; the caller looked
    subject = f"key set of {settings.key_set_url}"
    try:
        keys = await verifier.key_set.known()
    except ApiError:
        return Finding(subject, "cannot be fetched: the log line above says why", good=False)
    listed = ", ".join(f"{key.algorithm} ({key_id})" for key_id, key in keys.items())
    return Finding(subject, f"{len(keys)} usable: {listed}")


async def _database(settings: Settings, address: Address) -> Finding:
    database = Database(address, pool_size=1, connect_timeout=settings.database_connect_timeout)
    await database.open()
    try:
        await check_schema(database, settings.user_id_type)
    except ApiError as error:
        return Finding(f"database at {address}", error.detail, good=False)
    finally:
        await database.close()
    return Finding(f"database at {address}", "answers, and its schema is current")


async def _token(verifier: Verifier, compact: bytes) -> AsyncIterator[Finding]:
    """What a token says of itself, and then whether that is believed."""
    try:
        token = tokens.parse(compact)
    except InvalidToken as refusal:
        yield Finding("token", f"refused: {refusal.detail}", good=False)
        return
    claims = token.claims
    key = "no key id" if token.key_id is None else f"key {token.key_id}"
    yield Finding("token's signature", f"{token.algorithm}, {key}", good=None)
    yield Finding(
        "token's issuer (iss)", _compared(claims.get("iss"), verifier.claims.issuer), good=None
    )
    yield Finding(
        "token's audience (aud)", _compared(claims.get("aud"), verifier.claims.audience), good=None
    )
    yield Finding("token's expiry (exp)", _expiry(claims.get("exp")), good=None)
    yield Finding("token's user (sub)", repr(claims.get("sub")), good=None)
    try:
        user = await verifier.user_of(compact)
    except ApiError as refusal:
        yield Finding("token", f"refused: {refusal.detail}", good=False)
    else:
        yield Finding("token", f"accepted, for /api/{user.subject}/tasks and no other path")


def _compared(said: Any, expected: str | None) -> str:
    return f"{said!r}; " + ("any is accepted" if expected is None else f"expected: {expected!r}")


def _expiry(moment: Any) -> str:
    try:
        when = datetime.fromtimestamp(moment, UTC).isoformat(" ", "seconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return f"{moment!r} is not a time"
    seconds = round(moment - time.time())
    return f"{when}, in {seconds} s" if seconds >= 0 else f"{when}, {-seconds} s ago"
