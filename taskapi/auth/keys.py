"""Keys, each bound to one algorithm. joserfc does the cryptography."""

from typing import NamedTuple

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from taskapi.auth.token import Token
from taskapi.errors import InvalidToken

SECRET_ALGORITHM = "HS256"  # noqa: S105 - the name of an algorithm


ONE_ALGORITHM = {"Ed25519": "EdDSA"}
"""Two names of one algorithm (RFC 9864, 2.2): every `EdDSA` key here is of Ed25519. Better Auth
says `EdDSA`, and newer libraries say `Ed25519`; a key set and a token may come from both."""


class VerificationKey(NamedTuple):
    """A key and the one algorithm that it verifies, whatever a token names (RFC 8725, 3.1)."""

    algorithm: str
    key: OctKey | OKPKey | ECKey | RSAKey

    def verify(self, token: Token) -> None:
        """Check a token's signature.

        Raises:
            InvalidToken: the signature is wrong, or the token names another algorithm.
        """
        if _canonical(token.algorithm) != _canonical(self.algorithm):
            raise InvalidToken("The token's algorithm is not that of its key.", "algorithm")
        # Not joserfc's deserialize_compact: it would parse again what `token.parse` has parsed more
        # strictly, and it warns about EdDSA (RFC 9864), which is the name that Better Auth uses.
        algorithm = JWSRegistry.algorithms[self.algorithm]
        if not algorithm.verify(token.signed, token.signature, self.key):
            raise InvalidToken("The token's signature is wrong.", "signature")


def _canonical(algorithm: str) -> str:
    return ONE_ALGORITHM.get(algorithm, algorithm)


def shared_secret(secret: str) -> VerificationKey:
    """The key of the secret shared with the auth server: the UTF-8 bytes of its text."""
    return VerificationKey(SECRET_ALGORITHM, OctKey.import_key(secret.encode()))
