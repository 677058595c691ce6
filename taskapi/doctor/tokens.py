"""The keys that verify tokens, and one token: what it contains and whether it is accepted."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from taskapi.auth import token as tokens
from taskapi.auth.key_set import KeySet
from taskapi.auth.secret import secret_of
from taskapi.auth.verifier import Verifier
from taskapi.config import Settings
from taskapi.doctor.findings import Finding
from taskapi.errors import ApiError, InvalidToken, Refusal

REMEDIES: dict[Refusal, str] = {
    "malformed": "send the JWT that authClient.token() gives, unchanged, as Authorization: Bearer",
    "session": "send the JWT that authClient.token() gives, not the session",
    "algorithm": "set BETTER_AUTH_SECRET for HS256, or BETTER_AUTH_URL for any other algorithm",
    "key": "set BETTER_AUTH_URL to the auth server that signed the token",
    "signature": "set BETTER_AUTH_SECRET to the value with which the auth server signs",
    "expired": "fetch a new token; if this one is new, synchronize the clocks of both machines",
    "not_yet": "synchronize the clocks of this machine and of the auth server's (NTP)",
    "issuer": "set BETTER_AUTH_URL to the auth server's base URL, or JWT_ISSUER to the token's iss",
    "audience": "set JWT_AUDIENCE to what the auth server writes into aud",
    "user": "set USER_ID_TYPE=text if the auth server's user ids are text, or USER_ID_TYPE=uuid if "
    "they are uuids, which are written in lower case; sign sub as a string",
}


def examine_secret(settings: Settings) -> Finding:
    """The secret, if there is one."""
    secret = secret_of(settings)
    if secret is None:
        return Finding("secret", "none, so tokens with HS256 are refused", good=None)
    source = "BETTER_AUTH_SECRET" if settings.better_auth_secret else ".taskapi/secret"
    return Finding("secret", f"{len(secret.encode())} bytes from {source}, for tokens with HS256")


async def examine_key_set(key_set: KeySet, settings: Settings) -> Finding:
    """The auth server's keys, fetched now."""
    subject = f"key set of {settings.key_set_url}"
    try:
        keys = await key_set.known()
    except ApiError:
        return Finding(
            subject,
            "cannot be fetched; the log line above has the reason",
            good=False,
            remedy="start the auth server with the plugin jwt(), make it reachable from here, and "
            "correct BETTER_AUTH_URL or BETTER_AUTH_JWKS_URL",
        )
    listed = ", ".join(f"{key.algorithm} ({key_id!r})" for key_id, key in keys.items())
    return Finding(
        subject,
        f"{len(keys)} usable: {listed}" if keys else "none usable, so every token is refused",
        good=bool(keys),
        remedy="sign in once: Better Auth makes its first key then; or correct "
        "BETTER_AUTH_JWKS_URL",
    )


async def examine_token(verifier: Verifier, compact: bytes) -> AsyncIterator[Finding]:
    """What a token contains, and then whether it is accepted.

    Whoever wrote the token may be an attacker, so nothing of it is shown but as `repr` writes it:
    no escape, line break or change of direction reaches the terminal.
    """
    try:
        token = tokens.parse(compact)
    except InvalidToken as refusal:
        yield _refused(refusal)
        return
    claims, policy = token.claims, verifier.policy
    key = "without a key id" if token.key_id is None else f"key {token.key_id!r}"
    for subject, text in {
        "token's signature": f"{token.algorithm!r}, {key}",
        "token's issuer (iss)": _compared(claims.get("iss"), policy.issuer),
        "token's audience (aud)": _compared(claims.get("aud"), policy.audience),
        "token's expiry (exp)": _expiry(claims.get("exp")),
        "token's user (sub)": repr(claims.get("sub")),
    }.items():
        yield Finding(subject, text, good=None)
    try:
        user = await verifier.user_of(compact)
    except ApiError as refusal:
        yield _refused(refusal)
    else:
        path = f"/api/{user.subject}/tasks"
        yield Finding("token", f"accepted, for {path!r} and no other path")


def _refused(refusal: ApiError) -> Finding:
    remedy = REMEDIES.get(refusal.reason) if isinstance(refusal, InvalidToken) else None
    return Finding("token", f"refused: {refusal.detail}", good=False, remedy=remedy)


def _compared(claim: Any, expected: str | None) -> str:
    return f"{claim!r}; " + ("any is accepted" if expected is None else f"expected: {expected!r}")


def _expiry(claim: Any) -> str:
    try:
        when = datetime.fromtimestamp(claim, UTC).isoformat(" ", "seconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return f"{claim!r} is not a timestamp"
    seconds = round(claim - time.time())
    return f"{when}, in {seconds} s" if seconds >= 0 else f"{when}, {-seconds} s ago"
