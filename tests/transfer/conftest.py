"""A database of a module's own, for tests of what is in all of it, or who connects to it."""

from collections.abc import Iterator

import httpx
import pytest

from support.own_database import OwnDatabase, own_database
from support.service import client_for, prepare, settings_for
from taskapi.database.url import DatabaseUrl


@pytest.fixture(scope="module")
def own(database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """A database to which only the tests of one module connect, with a users table of ours."""
    with own_database(database) as own:
        prepare(own.address)
        yield own


@pytest.fixture(scope="module")
def alone(own: OwnDatabase) -> Iterator[httpx.Client]:
    """A client of the only service on it."""
    with client_for(settings_for(own.address)) as client:
        yield client
