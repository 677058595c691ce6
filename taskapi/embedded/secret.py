"""The secret of a service with the embedded database: it signs tokens for development."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path


def local_secret(directory: Path) -> str:
    """The secret in this directory, mode 0600. The first call makes it.

    Raises:
        OSError: it can be neither read nor written.
    """
    path = directory / "secret"
    directory.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Written to another name and then linked: no process ever reads half of it, and of several
        # that start at once, the first one to link decides.
        file, written = tempfile.mkstemp(dir=directory)
        os.write(file, secrets.token_urlsafe(32).encode())
        os.close(file)
        with suppress(FileExistsError):
            os.link(written, path)
        Path(written).unlink()
    return path.read_text()
