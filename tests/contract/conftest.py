"""Services that differ from the usual one, for what only they show."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from support import SECRET, client_of, serving, serving_app, settings_for
from taskapi.app import create_app
from taskapi.config import Settings
from taskapi.database.url import DatabaseUrl
from taskapi.edge.route import Route


@pytest.fixture(scope="session")
def strict(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service that knows no users but those of the users table."""
    with (
        serving(settings_for(database, create_unknown_users=False)) as address,
        client_of(address) as client,
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
        with serving(settings) as address, client_of(address) as client:
            yield client


@pytest.fixture(scope="session")
def broken(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service with bugs: two routes that raise what nobody expects."""

    async def raise_something() -> dict[str, str]:
        raise RuntimeError("a bug, whose words are nobody's business")

    app = create_app(settings_for(database, log_level="error"))
    for path in ("/bug", "/api/{user_id}/bug"):
        app.router.routes.append(Route(path, raise_something, method="GET"))
    with serving_app(app) as address, client_of(address) as client:
        yield client
