"""What every test may have: a real PostgreSQL, a running service, and the known cast.

One embedded server serves all test processes; each process runs one service against it, over real
HTTP; each test gets users of its own, so nothing has to be cleaned up between tests.
"""

import gc
import itertools
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import httpx
import pytest
from hypothesis import settings
from selenium.webdriver import Chrome

from support.background import Background
from support.browser import chromium
from support.oauth import ACCEPTED
from support.partitions import partition
from support.people import SECRET, Person, token_for
from support.postgres import Postgres
from support.programs import Service, development_service
from support.service import client_for, client_of, prepare, serving_app, settings_for
from taskapi import app as application
from taskapi.app import create_app
from taskapi.auth import refusals
from taskapi.config import Settings
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.server import EmbeddedServer

# How long an example takes is the machine's affair: Hypothesis would end it after 0.2 seconds.
settings.register_profile("suite", settings(), deadline=None)
settings.load_profile("suite")

if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    # `nohup make test`: programs inherit that a signal is ignored, and no handler.
    signal.signal(signal.SIGHUP, lambda *_: None)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # `make test &` of a script: shells have what runs in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three processes for two cores, because the tests wait for a third of their time."""
    cores = os.cpu_count() or 1
    return cores + cores // 2


@pytest.fixture(scope="session", autouse=True)
def rare_garbage_collections() -> Iterator[None]:
    """Leave the objects of all tests out of every collection, once for all services.

    There are half a million. A service looks for garbage among all objects when it starts, which
    takes 0.3 seconds of CPU then, and at its end takes back those that any service left out.
    """
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "_rare_garbage_collections", nullcontext)
        yield


_numbers = itertools.count(int(time.time_ns()) // 1000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The contract on a database that is divided (docs/decisions/0044)."""
    parser.addoption(
        "--partitions",
        action="store_true",
        help="run the tests that share one database, and divide it into hash partitions",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --partitions, leave out what does not use the database that all tests share."""
    if not config.getoption("partitions"):
        return
    shared = [item for item in items if "database" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in shared])
    items[:] = shared


@pytest.fixture(scope="session")
def database(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[DatabaseUrl]:
    """A migrated PostgreSQL, shared by all test processes of this run, as its operator sees it.

    With TEST_DATABASE_URL, which its superuser `taskapi` needs no password for, it is that one.
    """
    if (given := os.environ.get("TEST_DATABASE_URL")) is not None:
        other = DatabaseUrl(given, pooler=False)
        prepare(other)
        yield other
        return
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    server = EmbeddedServer(root / "database")
    address = server.start()
    prepare(address)
    if pytestconfig.getoption("partitions"):
        partition(address)
    yield address
    server.stop()


@pytest.fixture(scope="session")
def service(database: DatabaseUrl) -> Iterator[str]:
    """The base address of a running service.

    It takes more refused tokens from one address than others do, because all tests send them.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusals, "MAX_REFUSALS", 1_000_000)
        app = create_app(settings_for(database))
        app.middleware_stack = app.build_middleware_stack()
    with serving_app(app) as address:
        yield address


@pytest.fixture(scope="session")
def http(service: str) -> Iterator[httpx.Client]:
    """A client of the running service, without a token."""
    with client_of(service) as client:
        yield client


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


# Services that differ from the usual one, for what only they show


@pytest.fixture(scope="session")
def strict(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service that knows no users but those of the users table."""
    with client_for(settings_for(database, create_unknown_users=False)) as client:
        yield client


@pytest.fixture(scope="session")
def oauth(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service that accepts access tokens of OAuth."""
    with client_for(settings_for(database, **ACCEPTED)) as client:
        yield client


@pytest.fixture(scope="session")
def stranded() -> Iterator[httpx.Client]:
    """A client of a service whose database refuses every connection."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # held, and never listening: nobody else can take the port
        settings = Settings.model_validate(
            {
                "database_url": f"postgresql://nobody@127.0.0.1:{closed.getsockname()[1]}/nothing",
                "better_auth_secret": SECRET,
                "cors_origins": "http://localhost:3000",
                "log_level": "error",
            }
        )
        with client_for(settings) as client:
            yield client


@pytest.fixture(scope="session")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Person]]:
    """`taskapi serve` with no settings at all, and the person whose token it prints."""
    with development_service(tmp_path_factory.mktemp("development")) as both:
        yield both


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A Chromium."""
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


# A PostgreSQL to be broken


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
