"""The TypeScript client: its tests with Node, and what is packed."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.machine import PROGRAMS, ROOT
from support.own_database import own_database
from support.people import SECRET
from support.service import as_service, prepare
from support.typescript_client import PACKAGE, built, run, tool
from taskapi.database.url import DatabaseUrl

TESTS = sorted((PACKAGE / "test").glob("*.test.mjs"))
QUIET = {"PATH": os.environ["PATH"], "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def own(database: DatabaseUrl) -> Iterator[DatabaseUrl]:
    """A database whose epoch may end."""
    with own_database(database) as own:
        prepare(own.address)
        yield as_service(own.address)


def test_it_does_what_its_tests_say(service: str, own: DatabaseUrl) -> None:
    """One line for each test is in clients/typescript/test. Most of the time is pauses."""
    given = {
        "TASKAPI": str(PROGRAMS / "taskapi"),
        "TASKAPI_URL": service,
        "TASKAPI_SECRET": SECRET,
        "DATABASE_URL": own.dsn,
    }
    folder = built()
    files = [file.relative_to(folder) for file in TESTS]
    run("--test", "--test-concurrency=8", "--test-reporter=tap", *files, **QUIET, **given)
