"""Keys: each bound to the one algorithm that it answers to. joserfc does the cryptography."""

from typing import NamedTuple

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from taskapi.auth.token import Token
from taskapi.errors import InvalidToken

SECRET_ALGORITHM = "HS256"  # noqa: S105 - the name of an algorithm


class VerificationKey(NamedTuple):
    """A key and its algorithm (RFC 8725, 3.1): no token can ask it for another one."""

    algorithm: str
    key: OctKey | OKPKey | ECKey | RSAKey

    def verify(self, token: Token) -> None:
        """Check a token's signature.

        Raises:
            InvalidToken: it was not made with this key, or names another algorithm.
        """
        if token.algorithm != self.algorithm:
            raise InvalidToken("The token's algorithm is not that of its key.", "algorithm")
        # Not joserfc's deserialize_compact: it would read again what the syntax gate has read more
        # strictly, and it warns about EdDSA, the name under which Better Auth signs (RFC 9864).
        algorithm = JWSRegistry.algorithms[self.algorithm]
        if not algorithm.verify(token.signed, token.signature, self.key):
            raise InvalidToken("The token's signature is wrong.", "signature")


def shared_secret(secret: str) -> VerificationKey:
    """The key of a secret shared with the auth server: the UTF-8 bytes of the text."""
    return VerificationKey(SECRET_ALGORITHM, OctKey.import_key(secret.encode()))
