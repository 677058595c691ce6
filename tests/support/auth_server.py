"""Better Auth itself, in a process of its own, and its users as their browsers know them."""

import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx

from support.machine import ROOT, cannot
from support.people import SECRET
from support.service import client_of
from support.waiting import PATIENCE
from taskapi.database.url import DatabaseUrl

SERVER = ROOT / "tests" / "better_auth" / "server"
INSTALL = "npm ci --prefix tests/better_auth/server --no-audit --no-fund"
PASSWORD = "correct horse battery staple"

_numbers = itertools.count(1)


def node() -> str:
    """The path of Node, where it and the packages are there; the test is skipped otherwise.

    In CI (`CI=true`) nothing may be left out, so there a missing part is a failure.
    """
    found = shutil.which("node")
    if found is None or not (SERVER / "node_modules" / "better-auth").is_dir():
        cannot(f"these tests need Node 20 or later, and its packages: {INSTALL}")
    return found


class AuthServer:
    """A running Better Auth server.

    Attributes:
        url: its address, which is also what it signs as issuer and audience.
    """

    def __init__(self, process: subprocess.Popen[str], browsers: ExitStack) -> None:
        self._process = process
        self._browsers = browsers
        self.url = self.told("ready")

    def told(self, subject: str) -> str:
        """The next thing that it says about a subject; waits until it does."""
        assert self._process.stdout is not None
        hung = threading.Timer(PATIENCE, self._process.kill)
        hung.start()
        try:
            for line in self._process.stdout:
                first, _, rest = line.strip().partition(" ")
                if first == subject:
                    return rest
        finally:
            hung.cancel()
        raise RuntimeError(f"Better Auth ended before it said {subject!r}")

    def sign_up(self, name: str = "Alice", email: str | None = None) -> "Account":
        """Make a user, who is then signed in."""
        browser = self.browser()
        email = email or f"{name.lower()}-{next(_numbers)}@example.com"
        response = browser.post(
            "/api/auth/sign-up/email",
            json={"name": name, "email": email, "password": PASSWORD},
        )
        assert response.status_code == 200, response.text
        return Account(response, browser)

    def browser(self) -> httpx.Client:
        """A client that sends what a browser does from a page of this server, and keeps cookies."""
        return self._browsers.enter_context(client_of(self.url, headers={"Origin": self.url}))


class Account:
    """A user of Better Auth who is signed in.

    Attributes:
        id: as Better Auth writes it, always a string.
        email: what the user signs in with, beside `PASSWORD`.
        session_token: what `signUp` and `signIn` return, and what people take for a JWT.
        bearer_token: the same, signed, as the bearer plugin hands it out.
        browser: a client that holds the session's cookies.
    """

    def __init__(self, signed_up: httpx.Response, browser: httpx.Client) -> None:
        answer = signed_up.json()
        self.id: str = answer["user"]["id"]
        self.email: str = answer["user"]["email"]
        self.session_token: str = answer["token"]
        self.bearer_token: str = signed_up.headers["set-auth-token"]
        self.browser = browser

    def token(self) -> str:
        """A JWT, as `authClient.token()` fetches it."""
        response = self.browser.get("/api/auth/token")
        assert response.status_code == 200, response.text
        token: str = response.json()["token"]
        return token

    def move(self, server: "AuthServer") -> None:
        """Go on with the same session at another server, which has the same database and secret."""
        self.browser.base_url = httpx.URL(server.url)

    def cookie(self, name: str) -> str:
        """The value of one of the session's cookies."""
        return self.browser.cookies[f"better-auth.{name}"]

    def delete(self) -> None:
        """Delete the user through Better Auth."""
        response = self.browser.post("/api/auth/delete-user", json={"password": PASSWORD})
        assert response.status_code == 200, response.text


@contextmanager
def running(configuration: str, database: DatabaseUrl, **environment: str) -> Iterator[AuthServer]:
    """Run Better Auth in a configuration of `server/configurations`, with tables of its own making.

    Args:
        configuration: the folder's name.
        database: where its tables are, or are made.
        environment: what else the configuration reads.
    """
    process = subprocess.Popen(
        [node(), "server.mjs", configuration],
        cwd=SERVER,
        env=os.environ
        | {"DATABASE_URL": database.dsn, "BETTER_AUTH_SECRET": SECRET}
        | {"BETTER_AUTH_TELEMETRY": "0", "NODE_ENV": "development"}
        | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # On leaving, its standard input is closed, which ends it.
    with process, ExitStack() as browsers:
        yield AuthServer(process, browsers)
