"""The claims of an OAuth access token (RFC 9068): whose is it, for what, and who sends it?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from taskapi.auth.authorization import served
from taskapi.auth.claims import ClaimsPolicy, User, check_times, contains
from taskapi.config import Settings
from taskapi.errors import InvalidToken
from taskapi.scopes import granted

MAX_CLIENT_BYTES = 2048
"""Some clients are named by the URL of their metadata (client id metadata documents)."""


@dataclass(frozen=True, slots=True)
class AccessTokenPolicy:
    """What the claims of an acceptable access token are.

    Attributes:
        issuer: what `iss` must be.
        resource: what `aud` must be or contain (RFC 8707): the URL of what is asked for.
        users: says which `sub` is a user.
    """

    issuer: str
    resource: str
    users: ClaimsPolicy

    def user_of(self, claims: dict[str, Any]) -> User:
        """The user of a token with these claims, and what they have granted to its client.

        Raises:
            TokenExpired: its expiry has passed.
            InvalidToken: any other reason, which the detail names.
        """
        check_times(claims)
        if claims.get("iss") != self.issuer:
            raise InvalidToken("The access token is from another issuer.", "issuer")
        audience = claims.get("aud")
        # Clients that parse the URL of an origin write it with a slash at the end.
        if not contains(audience, self.resource) and not contains(audience, f"{self.resource}/"):
            raise InvalidToken(
                f"The access token is for another audience: request it with resource="
                f"{self.resource}.",
                "audience",
            )
        if "cnf" in claims:
            raise InvalidToken(
                "The access token is bound to a key (cnf), which nothing here checks: request one "
                "that is not.",
                "binding",
            )
        client_id = _client_id(claims)
        user = self.users.identified(claims)
        return replace(user, scopes=granted(claims.get("scope")), client_id=client_id)


def _client_id(claims: dict[str, Any]) -> str:
    """The program that sends the token; the request log has it, so it is short and printable."""
    client_id = claims.get("client_id")
    if not isinstance(client_id, str) or not client_id:
        raise InvalidToken("The access token names no client (client_id).", "client")
    if not client_id.isprintable():
        raise InvalidToken("The access token's client_id has characters that no id has.", "client")
    if len(client_id.encode()) > MAX_CLIENT_BYTES:
        raise InvalidToken(
            f"The access token's client_id is longer than {MAX_CLIENT_BYTES} bytes.", "client"
        )
    if client_id == claims.get("sub"):
        raise InvalidToken(
            "The access token is of a program (sub is client_id) and of no user: use the "
            "authorization code flow.",
            "client",
        )
    return client_id


def policies(settings: Settings) -> Mapping[str, AccessTokenPolicy]:
    """The policy for each protected resource, by its path; none if no access token is accepted."""
    issuer, users = settings.access_token_issuer, ClaimsPolicy.of(settings)
    if issuer is None:
        return {}
    return {
        each.path: AccessTokenPolicy(issuer, f"{settings.public_url}{each.path}", users)
        for each in served(settings)
    }
