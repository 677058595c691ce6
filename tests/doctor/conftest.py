"""Databases of their own, for a doctor to find something wrong with."""

from collections.abc import Iterator

import pytest

from support.own_database import OwnDatabase, own_database
from taskapi.database.url import DatabaseUrl


@pytest.fixture
def own(database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """An empty database on the server that all tests share."""
    with own_database(database) as own:
        yield own
