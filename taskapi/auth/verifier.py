"""From a token to its user: syntax, then signature, then the claims of its kind."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from taskapi.auth import access_token
from taskapi.auth import token as tokens
from taskapi.auth.access_token import AccessTokenPolicy
from taskapi.auth.claims import ClaimsPolicy, User
from taskapi.auth.key_set import ALGORITHMS, KeySet
from taskapi.auth.keys import SECRET_ALGORITHM, VerificationKey, shared_secret
from taskapi.auth.proofs import Proof, Proofs
from taskapi.auth.secret import secret_of
from taskapi.auth.token import Token
from taskapi.config import Settings
from taskapi.errors import InvalidToken

KEY_SET_ALGORITHMS = {name for names in ALGORITHMS.values() for name in names}


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies tokens, and remembers what each has proven.

    A key is chosen by the algorithm of the token alone. Secret and key set never stand in for each
    other, so nobody can use a public key as the secret.

    Attributes:
        policy: what the claims of a session token must be.
        secret: verifies HS256, where a secret is shared with the auth server.
        key_set: verifies every other algorithm, where the auth server publishes keys.
        access: what the claims of an OAuth access token must be, by the path of the protected
            resource that it is sent to; empty where none is accepted.
        proofs: of tokens that were verified before.
    """

    policy: ClaimsPolicy
    secret: VerificationKey | None = None
    key_set: KeySet | None = None
    access: Mapping[str, AccessTokenPolicy] = field(default_factory=dict)
    proofs: Proofs = field(default_factory=Proofs)

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
        proof = self.proofs.of(compact, resource)
        if proof is not None and await self._still_holds(proof):
            return proof.user
        token = tokens.parse(compact)
        policy = self._policy_for(token, resource)
        key = await self._key(token.algorithm, token.key_id)
        key.verify(token)
        user = policy.user_of(token.claims)
        self.proofs.keep(compact, resource, Proof(token.algorithm, token.key_id, key, user))
        return user

    async def _still_holds(self, proof: Proof) -> bool:
        """Whether the token has not expired, and its key is neither withdrawn nor replaced."""
        key = await self._key(proof.algorithm, proof.key_id)  # which may wait for a fetch
        return key is proof.key and time.time() < proof.user.expires_at

    async def _key(self, algorithm: str, key_id: str | None) -> VerificationKey:
        """The key for tokens with this header.

        Raises:
            InvalidToken: there is none.
            KeysUnavailable: the auth server's keys are needed and cannot be fetched.
        """
        if algorithm == SECRET_ALGORITHM and self.secret is not None:
            return self.secret
        if algorithm in KEY_SET_ALGORITHMS and self.key_set is not None:
            return await self.key_set.key(key_id)
        raise InvalidToken("The token's algorithm is not accepted here.", "algorithm")

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
