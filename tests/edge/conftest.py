"""A service in a hurry, for what only time shows."""

from collections.abc import Iterator

import httpx
import pytest

from edge.wire import PATIENCE
from support import serving, settings_for
from taskapi.database.url import DatabaseUrl


@pytest.fixture(scope="session")
def hasty(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service that waits a second for everything."""
    with (
        serving(settings_for(database, request_timeout=1, keep_alive_timeout=1)) as address,
        httpx.Client(base_url=address, timeout=PATIENCE) as client,
    ):
        yield client
