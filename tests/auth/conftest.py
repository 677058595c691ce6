"""A server of keys, and services that trust it."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from support.key_server import KeyServer, Start
from support.service import client_of, serving, settings_for
from taskapi.auth import key_set
from taskapi.database.url import DatabaseUrl


@pytest.fixture
def auth() -> Iterator[KeyServer]:
    """A key server with no keys yet."""
    server = KeyServer()
    yield server
    server.stop()


@pytest.fixture
def start(database: DatabaseUrl, auth: KeyServer) -> Iterator[Start]:
    """Starts a service that trusts the key server, and nothing else unless told."""
    with ExitStack() as stack:

        def run(**changed: object) -> httpx.Client:
            told = {"better_auth_url": auth.origin, "better_auth_secret": None} | changed
            base = stack.enter_context(serving(settings_for(database, **told)))
            return stack.enter_context(client_of(base))

        yield run


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two fetches, so that a test need not wait for it."""
    monkeypatch.setattr(key_set, "FETCH_INTERVAL", 0.0)
