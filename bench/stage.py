"""The stage: one embedded PostgreSQL with its users and tokens, that every peer but one shares."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.dataset import Tasks
from taskapi.auth.claims import ClaimsPolicy
from taskapi.auth.development import mint
from taskapi.config import LOCAL_DIRECTORY, Settings
from taskapi.database.schema import migrate
from taskapi.embedded.secret import local_secret
from taskapi.embedded.server import EmbeddedServer

DAY = 24 * 60 * 60

CONNECTIONS = 300
"""For all peers at once, of which the textbook application needs a hundred."""


@dataclass(frozen=True)
class Stage:
    """What servers under test need to know.

    Attributes:
        directory: where a service starts, with its `.taskapi` in it.
        dsn: the database.
        secret: what signs tokens.
        tasks: the table.
    """

    directory: Path
    dsn: str
    secret: str
    tasks: Tasks

    @property
    def postmaster(self) -> int:
        """The database server's first process."""
        file = self.directory / LOCAL_DIRECTORY / "postgres" / "postmaster.pid"
        return int(file.read_text().split()[0])

    def token(self, user: int) -> str:
        """A token of this user for a day."""
        return _token(self.secret, user)


@cache
def _token(secret: str, user: int) -> str:
    return mint(secret, str(user), ClaimsPolicy("integer", None, None), DAY)


@contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """Hold an embedded server with the service's schema."""
    server = EmbeddedServer(directory / LOCAL_DIRECTORY)
    address = server.start()
    try:
        Tasks(address.dsn).rows(f"ALTER SYSTEM SET max_connections = {CONNECTIONS}")
        server.stop()
        server.start()
        secret = local_secret(directory / LOCAL_DIRECTORY)
        settings = Settings.model_validate(
            {"database_url": address.dsn, "better_auth_secret": secret}
        )
        migrate(settings, address)
        yield Stage(directory, address.dsn, secret, Tasks(address.dsn))
    finally:
        server.stop()
