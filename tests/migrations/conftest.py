"""Databases for tests that change the schema."""

from collections.abc import Iterator

import pytest

from support.own_database import OwnDatabase, own_database
from taskapi.database.url import DatabaseUrl


@pytest.fixture
def empty(database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """An empty database on the server that all tests share."""
    with own_database(database) as empty:
        yield empty
