"""A service in a hurry, for what only time shows."""

from collections.abc import Iterator

import httpx
import pytest

from edge.wire import HASTY_SECONDS
from support import client_of, serving, settings_for
from taskapi.database.url import DatabaseUrl

HASTE = {"request_timeout": HASTY_SECONDS, "keep_alive_timeout": HASTY_SECONDS}


@pytest.fixture(scope="session")
def hasty(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service that waits for nothing longer than `HASTY_SECONDS`."""
    with (
        serving(settings_for(database, **HASTE)) as address,
        client_of(address) as client,
    ):
        yield client
