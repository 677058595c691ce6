"""A stage: Better Auth and a service that trusts it, set as the page for users says."""

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from support.auth_server import SERVER, Account, AuthServer, running
from support.people import SECRET, Person
from support.rows import execute
from support.service import client_for, prepare, settings_for
from taskapi.database.url import DatabaseUrl

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Mode:
    """One way to run the two together.

    Attributes:
        configuration: of Better Auth, a folder of `server/configurations`.
        environment: what else that reads.
        ours_first: whether the service's migrations run before Better Auth's.
    """

    configuration: str
    environment: dict[str, str] = field(default_factory=dict)
    ours_first: bool = False


MODES = {
    "default": Mode("default"),
    "default, our tables first": Mode("default", ours_first=True),
    "serial ids": Mode("serial"),
    "serial ids, our tables first": Mode("serial", ours_first=True),
    "uuids": Mode("uuid"),
    "uuids, our tables first": Mode("uuid", ours_first=True),
    "ES256": Mode("algorithm", {"JWT_ALGORITHM": "ES256"}),
    "ES512": Mode("algorithm", {"JWT_ALGORITHM": "ES512"}),
    "PS256": Mode("algorithm", {"JWT_ALGORITHM": "PS256"}),
    "RS256": Mode("algorithm", {"JWT_ALGORITHM": "RS256"}),
    "shared secret": Mode("shared-secret"),
}
"""In which everything that a user can do must work."""

SHORT_TOKENS = {"short tokens": Mode("short-tokens")}
"""In which a token lives for seconds."""

BY_PRODUCTS = {
    "session cookies": Mode("session-cookies"),
    "signed session cookies": Mode("signed-session-cookies"),
}
"""In which Better Auth also makes JWTs that are no tokens for an API."""

OPERATOR = "operator@example.com"

AGENTS = Mode("agents", {"OPERATOR_EMAIL": OPERATOR})
"""In which Better Auth gives access tokens to programs, too."""


def in_mode(name: str) -> pytest.MarkDecorator:
    """Marks a test that needs no more than one mode."""
    return pytest.mark.parametrize("stage", [name], indirect=True)


@dataclass(frozen=True)
class Stage:
    """A running Better Auth, and a running service on the same database.

    Attributes:
        auth: the auth server.
        database: where both have their tables.
        http: a client of the service.
        settings: the service's, as `settings_for` takes them.
    """

    auth: AuthServer
    database: DatabaseUrl
    http: httpx.Client
    settings: dict[str, object]

    def person(self, account: Account, http: httpx.Client | None = None) -> Person:
        """This user, with a fresh token, as somebody who calls the service."""
        return Person(account.id, account.token(), http or self.http)

    def sign_up(self, name: str = "Alice") -> Person:
        """A new user, with a token, as somebody who calls the service."""
        return self.person(self.auth.sign_up(name))

    @contextmanager
    def service(
        self, database: DatabaseUrl | None = None, **changed: object
    ) -> Iterator[httpx.Client]:
        """Another service, with some settings changed; gives a client of it."""
        with client_for(
            settings_for(database or self.database, **(self.settings | changed))
        ) as http:
            yield http


@contextmanager
def staged(mode: Mode, server: DatabaseUrl) -> Iterator[Stage]:
    """Both programs in a mode, on a new database.

    Args:
        mode: how they are configured.
        server: the PostgreSQL server for the database.
    """
    database = create_database(server)
    if mode.ours_first:
        prepare(database, **settings_of(mode, "http://127.0.0.1", "http://127.0.0.1"))
    # Each of the two knows the other's address when it starts.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with running(mode.configuration, database, TASKS_URL=url, **mode.environment) as auth:
            told = settings_of(mode, auth.url, url)
            settings = settings_for(database, **told)
            if not mode.ours_first:
                prepare(database, **told)
            with client_for(settings, listener=listener) as http:
                yield Stage(auth, database, http, told)


def settings_of(mode: Mode, auth_url: str, url: str) -> dict[str, object]:
    """What `taskapi.env` beside the configuration sets, with the addresses of this run.

    Nothing that it leaves out has another value than a user would have.

    Args:
        mode: whose file it is.
        auth_url: Better Auth's address.
        url: the service's.
    """
    lines = (SERVER / "configurations" / mode.configuration / "taskapi.env").read_text().split()
    told = dict(line.split("=", 1) for line in lines)
    told = {name: auth_url if value.startswith("http") else value for name, value in told.items()}
    if "PUBLIC_URL" in told:
        told["PUBLIC_URL"] = url
    if "BETTER_AUTH_SECRET" in told:
        told["BETTER_AUTH_SECRET"] = SECRET
    unset: dict[str, object] = {"better_auth_secret": None, "create_unknown_users": None}
    return unset | {name.lower(): value for name, value in told.items()}


def create_database(server: DatabaseUrl) -> DatabaseUrl:
    """A new database on this server, which nobody else uses."""
    name = f"better_auth_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}_{next(_numbers)}"
    fetch(server, f"CREATE DATABASE {name}")
    return DatabaseUrl(urlunsplit(urlsplit(server.dsn)._replace(path=f"/{name}")), server.pooler)


def fetch(database: DatabaseUrl, statement: str, *arguments: object) -> list[Any]:
    """What a statement gives, past the service: tests see through it what the API hides."""
    return [tuple(row) for row in execute(database, statement, *arguments)]
