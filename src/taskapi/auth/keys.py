"""Keys: where they come from, and which algorithm each of them answers to."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from taskapi.auth.token import Token
from taskapi.errors import InvalidToken

SECRET_ALGORITHM = "HS256"  # noqa: S105 - the name of an algorithm


class SharedSecret:
    """The secret shared with the auth server. It verifies HS256 and nothing else.

    Args:
        secret: the text of `BETTER_AUTH_SECRET`, whose UTF-8 bytes are the key.
    """

    def __init__(self, secret: str) -> None:
        self._key = OctKey.import_key(secret.encode())

    def verify(self, token: Token) -> None:
        """Check a token's signature.

        Raises:
            InvalidToken: it was not made with this secret.
        """
        try:
            jws.deserialize_compact(token.compact, self._key, algorithms=[SECRET_ALGORITHM])
        except (JoseError, ValueError):
            raise InvalidToken("The token's signature is wrong.") from None


def local_secret(directory: Path) -> str:
    """The secret of a service without `DATABASE_URL`: made once and kept there, mode 0600."""
    path = directory / "secret"
    directory.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Written aside and linked into place, so that nobody ever reads half of it, and the first
        # of several processes wins.
        file, written = tempfile.mkstemp(dir=directory)
        os.write(file, secrets.token_urlsafe(32).encode())
        os.close(file)
        with suppress(FileExistsError):
            os.link(written, path)
        Path(written).unlink()
    return path.read_text()
