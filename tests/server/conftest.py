"""A service in a hurry, for what only time shows."""

from collections.abc import Iterator

import httpx
import pytest

from support.service import client_for, settings_for
from support.waiting import HASTY_SECONDS
from taskapi.database.url import DatabaseUrl

HASTE = {"request_timeout": HASTY_SECONDS, "keep_alive_timeout": HASTY_SECONDS}


@pytest.fixture(scope="session")
def hasty(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service that waits for nothing longer than `HASTY_SECONDS`."""
    with client_for(settings_for(database, **HASTE)) as client:
        yield client
