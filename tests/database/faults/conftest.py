"""The stage of the faults: a database to be broken, and a service on it."""

from collections.abc import Iterator

import httpx
import pytest

from support.background import Background
from support.postgres import Postgres
from support.proxy import FaultProxy
from support.service import client_of, serving, settings_for
from support.waiting import PATIENCE, PATIENT
from taskapi.database.url import DatabaseUrl


@pytest.fixture
def proxy(background: Background, postgres: Postgres) -> Iterator[FaultProxy]:
    """A network between the service and the server."""
    with FaultProxy(background, postgres.sockets / ".s.PGSQL.5432").running() as proxy:
        yield proxy


@pytest.fixture
def database(postgres: Postgres) -> DatabaseUrl:
    """What the service connects to; a module may put something in between."""
    return postgres.address


@pytest.fixture
def limits() -> dict[str, float]:
    """How long the service waits; a test that has to see a limit pass asks for others."""
    return PATIENT


@pytest.fixture
def service(database: DatabaseUrl, limits: dict[str, float]) -> Iterator[str]:
    """A service for one test."""
    with serving(settings_for(database, **limits)) as address:
        yield address


@pytest.fixture
def http(service: str, limits: dict[str, float]) -> Iterator[httpx.Client]:
    """A client for which an answer is missing after ten times the service's limit."""
    with client_of(service, timeout=min(PATIENCE, 10 * limits["request_timeout"])) as client:
        yield client
