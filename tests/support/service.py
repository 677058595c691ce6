"""The service that tests call: in a thread of this process, over real HTTP."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn

from support.people import SECRET
from support.waiting import PATIENCE, eventually
from taskapi.app import Service, create_app
from taskapi.config import Settings
from taskapi.database.schema import migrate
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.database import SERVICE_ROLE
from taskapi.embedded.server import ROLE
from taskapi.migrations.grants import grant_rights
from taskapi.server.process import uvicorn_options

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that use no TLS: each would read all certificates of the system otherwise."""


def as_service(database: DatabaseUrl) -> DatabaseUrl:
    """This database for the service's role; the tests' own look at it is the operator's."""
    is_operators = urlsplit(database.dsn).username == ROLE
    return database.as_role(SERVICE_ROLE) if is_operators else database


def prepare(database: DatabaseUrl, **changed: object) -> None:
    """Migrate a database, and give the service's role its rights, as an operator does."""
    settings = settings_for(database, **changed)
    migrate(settings, database)
    # For services of both kinds: those that insert users, and those that do not.
    settings = settings.model_copy(update={"create_unknown_users": True})
    grant_rights(settings, database, SERVICE_ROLE, create_role=True)


def settings_for(database: DatabaseUrl, **changed: object) -> Settings:
    """Settings of a service on this database, as the tests want it unless told otherwise.

    It connects as a role that owns nothing, so all tests run under row security.
    """
    usual: dict[str, object] = {
        "database_url": as_service(database).dsn,
        "better_auth_secret": SECRET,
        "create_unknown_users": True,
        "cors_origins": "http://localhost:3000",
        "database_pool_size": 5,
        "log_level": "warning",
    }
    return Settings.model_validate(usual | changed)


@contextmanager
def serving(settings: Settings, listener: socket.socket | None = None) -> Iterator[str]:
    """Run a service for these settings in a thread; gives its base address.

    Args:
        settings: the service's.
        listener: where it listens, if its address must be known before it starts.
    """
    with serving_app(create_app(settings), listener) as address:
        yield address


@contextmanager
def serving_app(app: Service, listener: socket.socket | None = None) -> Iterator[str]:
    """The same for an application that a test has changed."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, **uvicorn_options(app.settings))
    server = uvicorn.Server(config)
    # A daemon, so that one which hangs cannot keep the test process from ending.
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started or not thread.is_alive(), "the service starts")
        assert server.started, "the service ended at its start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the service stops"
        listener.close()


def client_of(address: str, *, timeout: float = PATIENCE, **options: Any) -> httpx.Client:
    """A client that gives up idle connections before the service does.

    The service closes them after `KEEP_ALIVE_TIMEOUT`, of which hasty ones have little: a request
    that is sent at that moment is lost.

    Args:
        address: the service's base address.
        timeout: seconds.
        options: httpx's own.
    """
    limits = httpx.Limits(keepalive_expiry=1.0)
    return httpx.Client(base_url=address, timeout=timeout, limits=limits, verify=PLAIN, **options)


@contextmanager
def client_for(
    settings: Settings, *, timeout: float = PATIENCE, listener: socket.socket | None = None
) -> Iterator[httpx.Client]:
    """A client of a service that runs for these settings."""
    with serving(settings, listener) as address, client_of(address, timeout=timeout) as client:
        yield client
