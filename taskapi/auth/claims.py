"""The claims of a token: is it valid now, is it meant for this service, and whose is it?"""

import math
import re
import time
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from taskapi import scopes
from taskapi.config import MAX_ID, Settings, UserIdType
from taskapi.errors import InvalidToken, TokenExpired

LEEWAY = 30.0
"""Seconds by which the clocks of the auth server and of this machine may differ."""

POSITIVE_INTEGER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)

CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
"""As PostgreSQL, Better Auth and RFC 9562 write it. Other spellings of the same id are no other
paths."""

MAX_SUBJECT_BYTES = 255
"""In UTF-8: Better Auth's ids have 32, uuids 36. A row of an index has at most 2,704 bytes in
PostgreSQL, and that of titles has the id beside a title of 2,000."""

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\ufffd]")
"""U+FFFD too, because a path that is not UTF-8 is read with it: `%FF` would be a user's path."""

KINDS = {
    bool: "true or false",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
"""What a claim is instead; anything else is a number."""


OF_OTHER_TOKENS = {"acr", "amr", "at_hash", "auth_time", "azp", "c_hash", "nonce"}
"""Of ID tokens (OpenID Connect Core, 2)."""

OF_OTHER_TOKENS |= {"client_id", "cnf"}
"""Of access tokens (RFC 9068, 2.2), and of tokens that are bound to a key (RFC 7800). The auth
server signs all of them with the same keys, and gives them to programs."""


@dataclass(frozen=True, slots=True)
class User:
    """The user of a token, and what the token grants.

    Attributes:
        subject: `sub` of the token, as it is written in the path.
        id: the same in the type of the database's column.
        expires_at: when the token is not accepted any more, as seconds since 1970. If it has
            expired already, that is `LEEWAY` later.
        scopes: what the token grants.
        client_id: the program that sends an OAuth access token; None for a session token, which
            the user's own application sends.
    """

    subject: str
    id: int | str | UUID
    expires_at: float = math.inf
    scopes: frozenset[str] = scopes.ALL
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimsPolicy:
    """What the claims of an acceptable session token are.

    Attributes:
        user_id_type: the type of `sub` in the database.
        issuer: what `iss` must be; None accepts any.
        audience: what `aud` must be or contain; None accepts any.
        access_token_issuer: what `iss` must not be: the auth server writes it into access tokens
            and ID tokens. None if it is the same as in session tokens, or not known.
    """

    user_id_type: UserIdType
    issuer: str | None
    audience: str | None
    access_token_issuer: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy of these settings."""
        other = settings.access_token_issuer
        other = None if other == settings.issuer else other
        return cls(settings.user_id_type, settings.issuer, settings.audience, other)

    def user_of(self, claims: dict[str, Any]) -> User:
        """The user of a token with these claims.

        Raises:
            TokenExpired: its expiry has passed.
            InvalidToken: any other reason, which the detail names.
        """
        # The expiry first: a client that fetches a new token may get rid of the other mistakes too.
        check_times(claims)
        if self.issuer is not None and claims.get("iss") != self.issuer:
            raise InvalidToken("The token is from another issuer.", "issuer")
        if self.audience is not None and not contains(claims.get("aud"), self.audience):
            raise InvalidToken("The token is for another audience.", "audience")
        foreign = OF_OTHER_TOKENS & claims.keys()
        if self.access_token_issuer is not None and claims.get("iss") == self.access_token_issuer:
            foreign |= {"iss"}
        if foreign:
            raise InvalidToken(
                f"This is no session token ({min(foreign)}), and has not the type of an OAuth "
                "access token: an ID token is for its own client alone.",
                "kind",
            )
        return self.identified(claims)

    def identified(self, claims: dict[str, Any]) -> User:
        """The user whom these claims name, whatever else they say, with every scope.

        Raises:
            InvalidToken: they name none.
        """
        if "sub" not in claims:
            raise InvalidToken("The token names no user (sub).", "user")
        user = self.user(claims["sub"])
        return User(user.subject, user.id, _end(float(claims["exp"])))

    def user(self, subject: object) -> User:
        """The user with this `sub`.

        Raises:
            InvalidToken: it is no user id of the configured type.
        """
        if not isinstance(subject, str):
            raise InvalidToken(
                f"The token's user (sub) is {KINDS.get(type(subject), 'a number')} and must be a "
                "string: sign String(user.id), in Better Auth by getSubject of the plugin jwt().",
                "user",
            )
        if not subject:
            raise InvalidToken("The token's user (sub) is empty.", "user")
        if self.user_id_type == "integer":
            if not POSITIVE_INTEGER.fullmatch(subject) or int(subject) > MAX_ID:
                raise InvalidToken(
                    "The token's user (sub) is not an integer id; see USER_ID_TYPE.", "user"
                )
            return User(subject, int(subject))
        if self.user_id_type == "uuid":
            if not CANONICAL_UUID.fullmatch(subject):
                raise InvalidToken(
                    "The token's user (sub) is not a UUID in lower case; see USER_ID_TYPE.", "user"
                )
            return User(subject, UUID(subject))
        if UNPRINTABLE.search(subject):
            raise InvalidToken(
                "The token's user (sub) has characters that no id has, such as line breaks.", "user"
            )
        if len(subject.encode()) > MAX_SUBJECT_BYTES:
            raise InvalidToken(
                f"The token's user (sub) is longer than {MAX_SUBJECT_BYTES} bytes.", "user"
            )
        return User(subject, subject)


def check_times(claims: dict[str, Any]) -> None:
    """Check that a token is valid now.

    Raises:
        TokenExpired: its expiry has passed.
        InvalidToken: it has none, or is not valid yet.
    """
    now = time.time()
    if "exp" not in claims:
        raise InvalidToken("The token has no expiry (exp).")
    if _timestamp(claims, "exp") <= now - LEEWAY:
        raise TokenExpired
    for name in ("nbf", "iat"):
        if name in claims and _timestamp(claims, name) > now + LEEWAY:
            raise InvalidToken(f"The token is not valid yet ({name}).", "not_yet")


def _end(expiry: float) -> float:
    return expiry if expiry > time.time() else expiry + LEEWAY


def _timestamp(claims: dict[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519, 2): seconds since 1970, as a finite JSON number."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken(f"The token's {name} is not a number.")
    try:
        timestamp = float(value)
    except OverflowError:
        timestamp = math.inf
    if not math.isfinite(timestamp):
        raise InvalidToken(f"The token's {name} is not a time.")
    return timestamp


def contains(audience: object, expected: str) -> bool:
    """Whether the claim `aud` is this audience, or a list with it (RFC 7519, 4.1.3)."""
    return audience == expected or (isinstance(audience, list) and expected in audience)
