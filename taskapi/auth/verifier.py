"""From a token to its user: syntax, then signature, then claims."""

from dataclasses import dataclass
from typing import Self

from taskapi.auth import token as tokens
from taskapi.auth.claims import ClaimsPolicy, User
from taskapi.auth.key_set import ALGORITHMS, KeySet
from taskapi.auth.keys import SECRET_ALGORITHM, VerificationKey, shared_secret
from taskapi.auth.secret import secret_of
from taskapi.config import Settings
from taskapi.errors import InvalidToken

KEY_SET_ALGORITHMS = {name for names in ALGORITHMS.values() for name in names}


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies tokens, each one anew: no result is kept.

    A key is chosen by the algorithm of the token alone. Secret and key set never stand in for each
    other, so nobody can use a public key as the secret.

    Attributes:
        policy: what the claims of a token must be.
        secret: verifies HS256, where a secret is shared with the auth server.
        key_set: verifies every other algorithm, where the auth server publishes keys.
    """

    policy: ClaimsPolicy
    secret: VerificationKey | None = None
    key_set: KeySet | None = None

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
        )

    async def user_of(self, compact: bytes) -> User:
        """The user whom a token proves.

        Raises:
            InvalidToken: the token proves nothing; the detail says why.
            KeysUnavailable: the auth server's keys are needed and cannot be fetched.
        """
        token = tokens.parse(compact)
        if token.algorithm == SECRET_ALGORITHM and self.secret is not None:
            self.secret.verify(token)
        elif token.algorithm in KEY_SET_ALGORITHMS and self.key_set is not None:
            await self.key_set.verify(token)
        else:
            raise InvalidToken("The token's algorithm is not accepted here.", "algorithm")
        return self.policy.user_of(token.claims)
