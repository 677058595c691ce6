"""The syntax of a token, parsed before any key is used.

RFC 7515 (JWS compact serialization), RFC 7519 (JWT) and RFC 8725 (best practices), each applied
strictly: every token has exactly one spelling, so that no other verifier can read one differently.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NoReturn

from taskapi.errors import InvalidToken
from taskapi.strict_json import decode

MAX_TOKEN_BYTES = 8 * 1024
"""Better Auth's default tokens have about 600 bytes, and up to 8 kB with long profile fields."""

LAST_CHARACTERS = {2: b"AQgw", 3: b"AEIMQUYcgkosw048"}
"""The last characters of an incomplete group of two or three whose unused bits are zero."""

PADDING = {0: b"", 2: b"==", 3: b"="}

THREE_PARTS = re.compile(rb"\A([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")

# Better Auth's session token is pasted by mistake. It is no JWT: a word, or two with a dot between
# them where it is signed. The signature may be URL-encoded: `%3D` is in its class, as a second
# repeat beside it (`%3D` again) would make the work quadratic.
SESSION_TOKEN = re.compile(rb"[A-Za-z0-9]{32}(\.[A-Za-z0-9+/_%-]+={0,2})?")

OR_OPAQUE = (
    " Or it is an OAuth access token that was requested without resource, which only its own "
    "server can read: request it with resource."
)
"""Better Auth's have the same form as its session tokens without a signature."""

SESSION_COOKIE_TYPE = "better-auth.session-cache+jwt"

KNOWN_HEADERS = {"alg", "typ", "kid", "cty"}
"""Any other member requests an extension (crit, b64, zip) or supplies the sender's own key (jwk,
jku, x5c, x5u)."""

SESSION_TYPE = "jwt"

ACCESS_TYPES = {"at+jwt", "application/at+jwt"}
"""Of OAuth access tokens (RFC 9068, 4)."""

TYPES = {SESSION_TYPE} | ACCESS_TYPES


@dataclass(frozen=True, slots=True)
class Token:
    """A well-formed token. Nothing in it is proven yet.

    Attributes:
        signed: the bytes that were signed.
        signature: decoded.
        algorithm: `alg` of the header.
        key_id: `kid` of the header.
        is_access_token: whether it says that it is an OAuth access token, not a session token.
        claims: the payload, a JSON object without duplicate members.
    """

    signed: bytes
    signature: bytes
    algorithm: str
    key_id: str | None
    is_access_token: bool
    claims: dict[str, Any]


def parse(compact: bytes) -> Token:
    """Parse a token's three parts.

    Raises:
        InvalidToken: it is malformed; the detail says how.
    """
    if len(compact) > MAX_TOKEN_BYTES:
        raise InvalidToken(
            f"The token is longer than {MAX_TOKEN_BYTES} bytes; sign fewer claims: Better Auth's "
            "definePayload of the plugin jwt() chooses them."
        )
    parts = THREE_PARTS.fullmatch(compact)
    if parts is None:
        _explain(compact)
    header = _header(parts[1])
    claims = _json_object(parts[2], "payload")
    if _is_session_cookie(header, claims):
        raise InvalidToken(
            "This is a Better Auth session cookie; send the JWT that authClient.token() gives.",
            "session",
        )
    _check_header(header)
    return Token(
        signed=compact[: parts.end(2)],
        signature=_decoded(parts[3], "signature"),
        algorithm=header["alg"],
        key_id=header.get("kid"),
        is_access_token=_type(header) in ACCESS_TYPES,
        claims=claims,
    )


def _explain(compact: bytes) -> NoReturn:
    if SESSION_TOKEN.fullmatch(compact):
        opaque = "." not in compact.decode("ascii")
        raise InvalidToken(
            "This is a Better Auth session token; send the JWT that authClient.token() gives."
            + (OR_OPAQUE if opaque else ""),
            "session",
        )
    raise InvalidToken("The token is not a JWT: three base64url parts with dots between them.")


@lru_cache(maxsize=64)  # all tokens of one key have the same header
def _header(part: bytes) -> Mapping[str, Any]:
    return MappingProxyType(_json_object(part, "header"))


def _is_session_cookie(header: Mapping[str, Any], claims: dict[str, Any]) -> bool:
    """Whether this is the cookie of Better Auth's `cookieCache: {strategy: "jwt"}`.

    It is signed with the secret, or with a key of the set and then with a type of its own. It
    contains the raw session token and is meant for the auth server alone, so it is no token for
    this API although its signature is right.
    """
    unnamed = isinstance(claims.get("session"), dict) and "sub" not in claims
    return unnamed or header.get("typ") == SESSION_COOKIE_TYPE


def _check_header(header: Mapping[str, Any]) -> None:
    if not isinstance(header.get("alg"), str):
        raise InvalidToken("The token's header names no algorithm.")
    if not isinstance(header.get("kid", ""), str):
        raise InvalidToken("The token's key id is not a string.")
    if _type(header) not in TYPES:
        raise InvalidToken("The token is of another type than JWT.")
    if not header.keys() <= KNOWN_HEADERS:
        raise InvalidToken("The token's header has members that are not accepted here.")


def _type(header: Mapping[str, Any]) -> str:
    return str(header.get("typ", SESSION_TYPE)).lower()


def _decoded(part: bytes, name: str) -> bytes:
    """Base64url without padding, and with the unused bits of the last character at zero."""
    length = len(part) % 4
    if length == 1:
        raise InvalidToken(f"The token's {name} is not base64url.")
    if length and part[-1] not in LAST_CHARACTERS[length]:
        raise InvalidToken(f"The token's {name} is not canonical base64url.")
    return urlsafe_b64decode(part + PADDING[length])


def _json_object(part: bytes, name: str) -> dict[str, Any]:
    try:
        value = decode(_decoded(part, name))
    except ValueError:
        raise InvalidToken(f"The token's {name} is not well-formed JSON.") from None
    if not isinstance(value, dict):
        raise InvalidToken(f"The token's {name} is not a JSON object.")
    return value
