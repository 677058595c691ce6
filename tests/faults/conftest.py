"""The stage of the faults: a database to be broken, and a service with little patience on it."""

from collections.abc import Iterator

import httpx
import pytest

from faults.background import Background
from faults.postgres import Postgres
from faults.proxy import FaultProxy
from faults.stage import CLIENT_SECONDS, PATIENCE
from support import serving, settings_for
from taskapi.database.url import DatabaseUrl


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    """An event loop for the tests' own servers and connections."""
    with Background().running() as background:
        yield background


@pytest.fixture(scope="session")
def own_postgres(background: Background) -> Iterator[Postgres]:
    """A server for the faults of this test process alone."""
    with Postgres(background) as postgres:
        postgres.run("ALTER SYSTEM SET max_connections = 30")
        postgres.run("ALTER SYSTEM SET deadlock_timeout = '100ms'")
        postgres.start()
        yield postgres


@pytest.fixture
def postgres(own_postgres: Postgres) -> Iterator[Postgres]:
    """The server, which is well when the next test gets it."""
    yield own_postgres
    own_postgres.ensure_running()


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
def service(database: DatabaseUrl) -> Iterator[str]:
    """A service with little patience, for one test."""
    with serving(settings_for(database, **PATIENCE)) as address:
        yield address


@pytest.fixture
def http(service: str) -> Iterator[httpx.Client]:
    """A client that waits longer than the service may take, but not for ever."""
    with httpx.Client(base_url=service, timeout=CLIENT_SECONDS) as client:
        yield client
