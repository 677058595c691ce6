"""A service with bugs, for what becomes of them."""

from collections.abc import Iterator

import httpx
import pytest

from support.service import client_of, serving_app, settings_for
from taskapi.app import create_app
from taskapi.database.url import DatabaseUrl
from taskapi.edge.route import Route
from taskapi.scopes import READ


@pytest.fixture(scope="session")
def broken(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service with bugs: two routes that raise what nobody expects."""

    async def raise_something() -> dict[str, str]:
        raise RuntimeError("a bug, whose words are nobody's business")

    app = create_app(settings_for(database, log_level="error"))
    for path, scope in {"/bug": None, "/api/{user_id}/bug": READ}.items():
        app.router.routes.append(Route(path, raise_something, method="GET", requires=scope))
    with serving_app(app) as address, client_of(address) as client:
        yield client
