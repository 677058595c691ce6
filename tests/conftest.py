"""What every test may have: a real PostgreSQL, a running service, and the known cast.

One embedded server serves all test processes; each process runs one service against it, over real
HTTP; each test gets users of its own, so nothing has to be cleaned up between tests.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from hypothesis import settings

from support import SECRET, Person, client_of, serving, settings_for, token_for
from taskapi.config import Settings
from taskapi.database.schema import migrate
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.server import EmbeddedServer

# How long an example takes is the machine's affair: Hypothesis would end it after 0.2 seconds.
settings.register_profile("suite", settings(), deadline=None)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseUrl]:
    """A migrated PostgreSQL, shared by all test processes of this run."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    server = EmbeddedServer(root / "database")
    address = server.start()
    migrate(Settings(database_url=address.dsn, better_auth_secret=SECRET), address)
    yield address
    server.stop()


@pytest.fixture(scope="session")
def service(database: DatabaseUrl) -> Iterator[str]:
    """The base address of a running service."""
    with serving(settings_for(database)) as address:
        yield address


@pytest.fixture(scope="session")
def http(service: str) -> Iterator[httpx.Client]:
    """A client of the running service, without a token."""
    with client_of(service) as client:
        yield client


_numbers = itertools.count(int(time.time_ns()) // 1000)


@pytest.fixture
def someone(http: httpx.Client) -> Callable[[], Person]:
    """Makes a person whom no other test knows."""

    def make() -> Person:
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
        user_id = str(next(_numbers) * 100 + worker)
        return Person(user_id, token_for(user_id), http)

    return make


@pytest.fixture
def alice(someone: Callable[[], Person]) -> Person:
    """A user."""
    return someone()


@pytest.fixture
def bob(someone: Callable[[], Person]) -> Person:
    """Another user, who must never see what is Alice's."""
    return someone()
