"""The cast and the stage of the tests: people with tokens, and a service in a thread."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import httpx
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey

from taskapi.app import Service, create_app
from taskapi.config import Settings
from taskapi.database.url import DatabaseUrl
from taskapi.server.process import uvicorn_options

SECRET = "a secret of the tests, long enough for HS256"

PATIENCE = 120.0
"""Seconds after which something that should have happened never will.

Many times what a slow machine with other work needs: it is the end of a wait that fails, and one
that succeeds takes no longer for it."""


def eventually(holds: Callable[[], object], what: str, within: float = PATIENCE) -> None:
    """Return when something holds that must come about by itself.

    Args:
        holds: asked again and again.
        what: a clause for the failure.
        within: seconds.
    """
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(0.02)


@dataclass
class Person:
    """A user with a token, and a client that sends it to the service."""

    id: str
    token: str
    http: httpx.Client
    tasks: str = field(init=False)

    def __post_init__(self) -> None:
        self.tasks = f"/api/{self.id}/tasks"

    def get(self, path: str = "", **options: object) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str = "", **options: object) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: object) -> httpx.Response:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: object) -> httpx.Response:
        return self.request("PATCH", path, **options)

    def delete(self, path: str) -> httpx.Response:
        return self.request("DELETE", path)

    def request(self, method: str, path: str = "", **options: object) -> httpx.Response:
        """Send a request with this person's token; the path starts behind their tasks."""
        url = path if path.startswith("/api") else self.tasks + path
        headers = {"Authorization": f"Bearer {self.token}"} | dict(options.pop("headers", {}))  # type: ignore[call-overload]
        return self.http.request(method, url, headers=headers, **options)  # type: ignore[arg-type]

    def create(self, title: str = "Buy milk", description: str = "") -> dict[str, object]:
        """Create a task and return it."""
        response = self.post(json={"title": title, "description": description})
        assert response.status_code == 201, response.text
        task: dict[str, object] = response.json()
        return task


def sign(claims: dict[str, object], secret: str = SECRET, **header: object) -> str:
    """A token with exactly these claims."""
    return jwt.encode({"alg": "HS256", **header}, claims, OctKey.import_key(secret))


def token_for(user_id: str, **claims: object) -> str:
    """A token that names this user for an hour, unless its claims say otherwise."""
    return sign({"sub": user_id, "exp": int(time.time()) + 3600, **claims})


def settings_for(database: DatabaseUrl, **changed: object) -> Settings:
    """Settings of a service on this database, as the tests want it unless told otherwise."""
    usual: dict[str, object] = {
        "database_url": database.dsn,
        "better_auth_secret": SECRET,
        "create_unknown_users": True,
        "database_pool_size": 5,
        "log_level": "warning",
    }
    return Settings.model_validate(usual | changed)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Run a service for these settings in a thread; gives its base address."""
    with serving_app(create_app(settings)) as address:
        yield address


@contextmanager
def serving_app(app: Service) -> Iterator[str]:
    """The same for an application that a test has changed."""
    listener = socket.create_server(("127.0.0.1", 0))
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

    The service closes them after `REQUEST_TIMEOUT`, and after 5 seconds at most: at that moment, a
    request on one would be lost.

    Args:
        address: the service's base address.
        timeout: seconds.
        options: httpx's own.
    """
    limits = httpx.Limits(keepalive_expiry=1.0)
    return httpx.Client(base_url=address, timeout=timeout, limits=limits, **options)


def cannot(reason: str) -> NoReturn:
    """Skip a test that this machine cannot do; in CI, where everything must be tested, fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
