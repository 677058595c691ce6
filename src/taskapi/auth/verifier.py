"""From a token to its user: syntax, then the signature, then the claims."""

from dataclasses import dataclass

from taskapi.auth import token as tokens
from taskapi.auth.claims import ClaimsCheck, User
from taskapi.auth.keys import SECRET_ALGORITHM, SharedSecret
from taskapi.errors import InvalidToken


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies tokens, every one from the start: no verdict is kept."""

    claims: ClaimsCheck
    secret: SharedSecret | None = None

    async def user_of(self, compact: bytes) -> User:
        """The user that a token proves.

        Raises:
            InvalidToken: or one of its kinds, with the reason.
        """
        token = tokens.parse(compact)
        if token.algorithm == SECRET_ALGORITHM and self.secret is not None:
            self.secret.verify(token)
        else:
            raise InvalidToken("The token's algorithm is not accepted here.")
        return self.claims.user_of(token.claims)
