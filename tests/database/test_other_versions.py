"""PostgreSQL of other versions than the wheel's: row security, search and order hold there, too."""

from pathlib import Path

import pytest

from support.inner_tests import run_tests
from support.machine import cannot
from support.other_postgres import installed, running

TESTS = [
    "tests/tasks/test_row_security.py",
    "tests/tasks/test_isolation.py",
    "tests/resource/test_search.py",
    "tests/resource/test_sort.py",
]


@pytest.mark.parametrize("programs", installed() or [None], ids=str)
def test_users_are_isolated_and_titles_are_in_order_on_another_version(
    programs: Path | None,
) -> None:
    """Of the other test of row security, all but the two that run this one's second file.

    With one type of user ids: how a plan applies a policy does not depend on it.
    """
    if programs is None:
        cannot("no other PostgreSQL is installed: apt-get install postgresql")
    with running(programs) as server:
        chosen = "not statement_forgets and not such_statements and not text- and not uuid-"
        done = run_tests(*TESTS, "-k", chosen, TEST_DATABASE_URL=server.dsn)
    assert done.returncode == 0, done.stdout
