"""Services that differ from the usual one, for what only they show."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from support import SECRET, serving, settings_for
from taskapi.config import Settings
from taskapi.database.address import Address


@pytest.fixture(scope="session")
def strict(database: Address) -> Iterator[httpx.Client]:
    """A client of a service that knows no users but those of the users table."""
    with (
        serving(settings_for(database, create_unknown_users=False)) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        yield client


@pytest.fixture(scope="session")
def stranded() -> Iterator[httpx.Client]:
    """A client of a service whose database refuses every connection."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # held, and never listening: nobody else can take the port
        settings = Settings.model_validate(
            {
                "database_url": f"postgresql://nobody@127.0.0.1:{closed.getsockname()[1]}/nothing",
                "better_auth_secret": SECRET,
                "log_level": "error",
            }
        )
        with serving(settings) as address, httpx.Client(base_url=address, timeout=30) as client:
            yield client
