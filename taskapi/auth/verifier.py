"""From a token to its user: syntax, then signature, then the claims of its kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from taskapi.auth import access_token
from taskapi.auth import token as tokens
from taskapi.auth.access_token import AccessTokenPolicy
from taskapi.auth.claims import ClaimsPolicy, User
from taskapi.auth.key_set import ALGORITHMS, KeySet
from taskapi.auth.keys import SECRET_ALGORITHM, VerificationKey, shared_secret
from taskapi.auth.secret import secret_of
from taskapi.auth.token import Token
from taskapi.config import Settings
from taskapi.errors import InvalidToken

KEY_SET_ALGORITHMS = {name for names in ALGORITHMS.values() for name in names}


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies tokens, each one anew: no result is kept.

    A key is chosen by the algorithm of the token alone. Secret and key set never stand in for each
    other, so nobody can use a public key as the secret.

    Attributes:
        policy: what the claims of a session token must be.
        secret: verifies HS256, where a secret is shared with the auth server.
        key_set: verifies every other algorithm, where the auth server publishes keys.
        access: what the claims of an OAuth access token must be, by the path of the protected
            resource that it is sent to; empty where none is accepted.
    """

    policy: ClaimsPolicy
    secret: VerificationKey | None = None
    key_set: KeySet | None = None
    access: Mapping[str, AccessTokenPolicy] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The verifier of these settings. The embedded service's secret is made here if missing.

        Raises:
            SettingsError: that secret can be neither read nor written.
        """
        secret = secret_of(settings)
        return cls(
            ClaimsPolicy.of(settings),
            secret=shared_secret(secret) if secret else None,
            key_set=KeySet(settings.key_set_url) if settings.key_set_url else None,
            access=access_token.policies(settings),
        )

    async def user_of(self, compact: bytes, resource: str = "") -> User:
        """The user whom a token proves, with what it grants.

        Args:
            compact: the token.
            resource: the path of the protected resource that it is sent to.

        Raises:
            InvalidToken: the token proves nothing; the detail says why.
            KeysUnavailable: the auth server's keys are needed and cannot be fetched.
        """
        token = tokens.parse(compact)
        policy = self._policy_for(token, resource)
        if token.algorithm == SECRET_ALGORITHM and self.secret is not None:
            self.secret.verify(token)
        elif token.algorithm in KEY_SET_ALGORITHMS and self.key_set is not None:
            await self.key_set.verify(token)
        else:
            raise InvalidToken("The token's algorithm is not accepted here.", "algorithm")
        return policy.user_of(token.claims)

    def _policy_for(self, token: Token, resource: str) -> ClaimsPolicy | AccessTokenPolicy:
        """The policy of a token's kind, so that no kind passes as the other (RFC 8725, 3.12).

        Raises:
            InvalidToken: it is an access token, and none is accepted.
        """
        if not token.is_access_token:
            return self.policy
        if resource not in self.access:
            raise InvalidToken(
                "OAuth access tokens are not accepted here: the service has no PUBLIC_URL, or no "
                "OAUTH_ISSUER.",
                "kind",
            )
        return self.access[resource]
