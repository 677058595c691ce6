"""A repetition is no error in PostgreSQL's log, where each had been one of 1.5 kB."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from support.calls import REPEATABLE, at_once
from support.people import Person, token_for
from support.postgres import Postgres
from support.retries import BATCH, CREATE, Write, assert_same
from support.service import client_for, settings_for


class Log:
    """What PostgreSQL has written into its log since a moment."""

    def __init__(self, postgres: Postgres) -> None:
        self._file: Path = postgres.directory / "postgres.log"
        self._seen = len(self._file.read_bytes())

    @property
    def errors(self) -> list[str]:
        """Its errors; whatever came with them stands in other lines."""
        lines = self._file.read_bytes()[self._seen :].decode().splitlines()
        return [line for line in lines if "ERROR:" in line]


@pytest.fixture
def alice(postgres: Postgres) -> Iterator[Person]:
    with client_for(settings_for(postgres.address)) as http:
        user_id = str(secrets.randbelow(2**62))
        yield Person(user_id, token_for(user_id), http)


@pytest.mark.parametrize("operation", REPEATABLE)
def test_a_repetition_is_no_error_in_the_log_of_postgresql(
    postgres: Postgres, alice: Person, operation: str
) -> None:
    write = Write(alice, operation, alice.create()["id"])
    log = Log(postgres)
    first = write()
    for _ in range(3):
        assert_same(write(), first)
    assert Write(alice, CREATE if operation == BATCH else BATCH, 1)().status_code == 422
    postgres.run("UPDATE kept_answers SET kept_at = kept_at - interval '25 hours'")
    again = write()
    assert again.is_success
    assert "Idempotency-Replayed" not in again.headers
    assert log.errors == []
    with pytest.raises(asyncpg.DivisionByZeroError):
        postgres.run("SELECT 1 / 0")
    assert len(log.errors) == 1, "the log is where errors would be seen"


def test_concurrent_duplicates_of_a_batch_are_no_error_either(
    postgres: Postgres, alice: Person
) -> None:
    write = Write(alice, BATCH, alice.create()["id"])
    log = Log(postgres)
    answers = at_once([write] * 10)
    assert {answer.status_code for answer in answers} == {200}
    assert log.errors == []
