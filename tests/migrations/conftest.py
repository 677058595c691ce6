"""Databases for tests that change the schema."""

import secrets
from collections.abc import Iterator

import pytest

from support.own_database import OwnDatabase, own_database
from taskapi.database.url import DatabaseUrl


@pytest.fixture
def empty(database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """An empty database on the server that all tests share."""
    with own_database(database) as empty:
        yield empty


@pytest.fixture
def role(empty: OwnDatabase) -> Iterator[str]:
    """A role without rights, whose name needs quotation marks."""
    name = f'Sérvice "{secrets.token_hex(4)}"; --'
    quoted = '"' + name.replace('"', '""') + '"'
    empty.run_script(f"CREATE ROLE {quoted} LOGIN")
    yield name
    empty.run_script(f"DROP OWNED BY {quoted}", f"DROP ROLE {quoted}")
