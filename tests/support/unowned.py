"""A plugin of pytest: the service forgets whose rows it asks for, and only declares the owner.

`pytest -p support.unowned tests/tasks/test_isolation.py` shows that row security alone isolates the
users; with `--without-row-security`, that nothing else does.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.rows import execute
from taskapi.database.connection import Connection
from taskapi.database.tables import own_tables
from taskapi.database.url import DatabaseUrl

OWNED = re.compile(rf"\b({'|'.join(own_tables())})\.user_id = (\$\d+)")

ALWAYS_TRUE = r"(\2 = (SELECT \1.user_id FROM \1 LIMIT 0)) IS NULL"
"""Leaves the parameter its type, which PostgreSQL takes from the column."""


def without_owner(text: str) -> str:
    """A statement without its conditions on the owner."""
    return OWNED.sub(ALWAYS_TRUE, text)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that leaves nothing to isolate the users."""
    parser.addoption("--without-row-security", action="store_true")


@pytest.fixture(scope="session", autouse=True)
def unowned(request: pytest.FixtureRequest, database: DatabaseUrl) -> Iterator[None]:
    """Have every service of this process forget the owner."""
    if request.config.getoption("--without-row-security"):
        for table in own_tables():
            execute(database, f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    fetch_row = Connection.fetch_row

    async def fetch_unowned(self: Connection, text: str, arguments: list[object]) -> Any:
        return await fetch_row(self, without_owner(text), arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "fetch_row", fetch_unowned)
        yield
