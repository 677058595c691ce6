"""The keys that verify tokens, and one token: what it contains and whether it is accepted."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from taskapi.auth import token as tokens
from taskapi.auth.authorization import TASKS, ProtectedResource
from taskapi.auth.claims import User
from taskapi.auth.key_set import KeySet
from taskapi.auth.secret import secret_of
from taskapi.auth.token import Token
from taskapi.auth.verifier import Verifier
from taskapi.config import Settings
from taskapi.doctor.findings import Finding
from taskapi.errors import ApiError, InvalidToken, Refusal
from taskapi.scopes import SUPPORTED

OF_ACCESS_TOKENS: dict[Refusal, str] = {
    "issuer": "set OAUTH_ISSUER to the token's iss",
    "audience": "set PUBLIC_URL to the resource for which the token was requested, or request it "
    "with resource",
}
"""Instead of those of `REMEDIES`."""

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
    "kind": "for an OAuth access token, set PUBLIC_URL, and OAUTH_ISSUER or BETTER_AUTH_URL; send "
    "no ID token",
    "client": "have a user sign in and consent, by the authorization code flow",
    "binding": "request a token that is not bound to a key: without DPoP and client certificates",
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


async def examine_token(
    verifier: Verifier, compact: bytes, resources: Sequence[ProtectedResource]
) -> AsyncIterator[Finding]:
    """What a token contains, and then which of these resources accept it.

    Whoever wrote the token may be an attacker, so nothing of it is shown but as `repr` writes it:
    no escape, line break or change of direction reaches the terminal.
    """
    try:
        token = tokens.parse(compact)
    except InvalidToken as refusal:
        yield _refused(refusal)
        return
    kind = "OAuth access token" if token.is_access_token else "session token"
    key = "without a key id" if token.key_id is None else f"key {token.key_id!r}"
    yield Finding(
        "token's kind (typ)", f"{kind}, signed with {token.algorithm!r}, {key}", good=None
    )
    claims = token.claims
    for subject, text in {
        **_expected(verifier, token),
        "token's expiry (exp)": _expiry(claims.get("exp")),
        "token's user (sub)": repr(claims.get("sub")),
    }.items():
        yield Finding(subject, text, good=None)
    yield await _verdict(verifier, compact, token, resources)


def _expected(verifier: Verifier, token: Token) -> dict[str, str]:
    """The claims that depend on the kind of the token, each beside what is expected."""
    issuer, audience = token.claims.get("iss"), token.claims.get("aud")
    if not token.is_access_token:
        policy = verifier.policy
        return {
            "token's issuer (iss)": _compared(issuer, policy.issuer),
            "token's audience (aud)": _compared(audience, policy.audience),
        }
    issuers = dict.fromkeys(repr(policy.issuer) for policy in verifier.access.values())
    resources = [repr(policy.resource) for policy in verifier.access.values()]
    return {
        "token's issuer (iss)": f"{issuer!r}; expected: {' or '.join(issuers) or 'none'}",
        "token's audience (aud)": f"{audience!r}; expected: {' or '.join(resources) or 'none'}",
        "token's client (client_id)": repr(token.claims.get("client_id")),
        "token's scopes (scope)": repr(token.claims.get("scope")),
    }


async def _verdict(
    verifier: Verifier, compact: bytes, token: Token, resources: Sequence[ProtectedResource]
) -> Finding:
    """Whether the token is accepted, and where; if nowhere, why not."""
    accepted: dict[str, User] = {}
    refusals: list[ApiError] = []
    for resource in resources:
        try:
            user = await verifier.user_of(compact, resource.path)
        except ApiError as refusal:
            refusals.append(refusal)
        else:
            path = f"/api/{user.subject}/tasks" if resource is TASKS else resource.prefix
            accepted[path] = user
    if not accepted:
        return _refused(refusals[0], OF_ACCESS_TOKENS if token.is_access_token else {})
    granted = sorted(next(iter(accepted.values())).scopes)
    paths = " and ".join(map(repr, accepted))
    if not granted:
        text = f"accepted, for {paths}, but without a scope of this service: every request is 403"
        remedy = f"request it with the scopes {' '.join(SUPPORTED)}"
        return Finding("token", text, good=False, remedy=remedy)
    return Finding("token", f"accepted, for {paths} and no other path ({', '.join(granted)})")


def _refused(refusal: ApiError, remedies: Mapping[Refusal, str] = REMEDIES) -> Finding:
    reason = refusal.reason if isinstance(refusal, InvalidToken) else None
    remedy = reason and (remedies.get(reason) or REMEDIES.get(reason))
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
