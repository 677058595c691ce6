"""The claims: whether a token whose signature is right is meant for us, now, and for whom."""

import math
import re
import time
from dataclasses import dataclass
from typing import Any, Self

from taskapi.config import LARGEST_ID, Settings, UserIdType
from taskapi.errors import InvalidToken, TokenExpired

LEEWAY = 30.0
"""Seconds by which clocks may differ."""

POSITIVE_INTEGER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)

LONGEST_SUBJECT = 255
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class User:
    """Who is asking.

    Attributes:
        subject: `sub` of the token, as it stands in the path.
        id: the same in the type of the database's column.
    """

    subject: str
    id: int | str


@dataclass(frozen=True, slots=True)
class ClaimsPolicy:
    """What the claims of an acceptable token say.

    Attributes:
        user_id_type: what `sub` is in the database.
        issuer: what `iss` must be; None where nothing is known.
        audience: what `aud` must be, or hold; likewise.
    """

    user_id_type: UserIdType
    issuer: str | None
    audience: str | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy of these settings."""
        return cls(settings.user_id_type, settings.issuer, settings.audience)

    def user_of(self, claims: dict[str, Any]) -> User:
        """The user that a token's claims name.

        Raises:
            TokenExpired: it was valid until some time ago.
            InvalidToken: any other reason, which the detail says.
        """
        self._check_times(claims)
        if self.issuer is not None and claims.get("iss") != self.issuer:
            raise InvalidToken("The token is from another issuer.", "issuer")
        if self.audience is not None and not _names(claims.get("aud"), self.audience):
            raise InvalidToken("The token is for another audience.", "audience")
        return self._user(claims.get("sub"))

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = time.time()
        if "exp" not in claims:
            raise InvalidToken("The token has no expiry (exp).")
        if _moment(claims, "exp") <= now - LEEWAY:
            raise TokenExpired
        for name in ("nbf", "iat"):
            if name in claims and _moment(claims, name) > now + LEEWAY:
                raise InvalidToken(f"The token is not valid yet ({name}).", "not_yet")

    def _user(self, subject: object) -> User:
        if not isinstance(subject, str):
            raise InvalidToken("The token names no user (sub).", "user")
        if self.user_id_type == "integer":
            if not POSITIVE_INTEGER.fullmatch(subject) or int(subject) > LARGEST_ID:
                raise InvalidToken(
                    "The token's user (sub) is not an integer id; see USER_ID_TYPE.", "user"
                )
            return User(subject, int(subject))
        if not 0 < len(subject) <= LONGEST_SUBJECT or UNPRINTABLE.search(subject):
            raise InvalidToken("The token's user (sub) is not an id.", "user")
        return User(subject, subject)


def _moment(claims: dict[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519, 2): seconds since 1970, as a finite JSON number."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken(f"The token's {name} is not a number.")
    try:
        moment = float(value)
    except OverflowError:
        moment = math.inf
    if not math.isfinite(moment):
        raise InvalidToken(f"The token's {name} is not a time.")
    return moment


def _names(audience: object, expected: str) -> bool:
    return audience == expected or (isinstance(audience, list) and expected in audience)
