"""A process that may open few files: idle connections make room, and nobody is cut off unheard."""

import json
import re
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from support.metrics import figures, value
from support.people import SECRET
from support.programs import ADDRESS, READY, Service, run, started
from support.service import client_for, client_of, settings_for
from support.waiting import eventually
from support.wire import Wire, assert_refused, connected, connection_to, exchange, request
from taskapi.config import SettingsError
from taskapi.database.url import DatabaseUrl
from taskapi.server.connections import RESERVED_CONNECTIONS, max_connections

FEW_FILES = 256


@contextmanager
def service_with_few_files(folder: Path, database: DatabaseUrl) -> Iterator[Service]:
    """`taskapi serve` in a process that may open 256 files."""
    settings = {
        "DATABASE_URL": database.dsn,
        "BETTER_AUTH_SECRET": SECRET,
        "LOG_FORMAT": "json",
        "API_HOST": "127.0.0.1",
    }
    limited = ("prlimit", f"--nofile={FEW_FILES}:{FEW_FILES}")
    with started(
        "taskapi", "serve", "--port", 0, folder=folder, prefix=limited, settings=settings
    ) as service:
        yield service


def test_400_idle_connections_with_256_files_keep_nobody_out(
    tmp_path: Path, database: DatabaseUrl
) -> None:
    with service_with_few_files(tmp_path, database) as service, ExitStack() as stack:
        http = stack.enter_context(client_of(service.wait_for(ADDRESS)["url"]))
        service.wait_for(READY)
        first = [stack.enter_context(connection_to(http)) for _ in range(100)]
        for connection in first[:50]:
            connection.sendall(request("GET", "/livez"))
            assert Wire(connection).answer().status == 200, "idle between two requests"
        for _ in range(300):
            stack.enter_context(connection_to(http))
        for _ in range(20):
            with client_of(str(http.base_url)) as newcomer:
                assert newcomer.get("/livez").status_code == 200
                assert newcomer.get("/readyz").status_code == 200
        most = value(figures(http), "taskapi_client_connections_max")
        assert 100 < most < FEW_FILES
        assert value(figures(http), "taskapi_client_connections") <= most
        assert value(figures(http), "taskapi_client_connections_cut_total", reason="idle") >= 200
        assert first[0].recv(1) == b"", "the ones that were idle for longest are closed"
        service.end()
        told = [json.loads(line) for line in service.lines if "connections_full" in line]
        assert [(line["level"], line["max_connections"]) for line in told] == [("warning", most)]


PAGE = "http://localhost:3000"
"""An origin whose pages may call."""


@pytest.fixture(scope="module")
def narrow(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client, without a kept connection, of a service that has four."""
    with client_for(settings_for(database, max_connections=4, cors_origins=PAGE)) as client:
        client.headers["Connection"] = "close"
        yield client


@contextmanager
def busy(http: httpx.Client, count: int) -> Iterator[None]:
    """So many connections with a head that is not complete: they are not idle."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(connected(http)).send(b"GET / HTTP/1.1\r\n")
        yield


def test_when_all_connections_are_in_use_probes_are_answered_and_others_refused(
    narrow: httpx.Client,
) -> None:
    assert narrow.get("/readyz").status_code == 200
    before = value(figures(narrow), "taskapi_client_connections_cut_total", reason="full")
    with busy(narrow, 4):
        eventually(lambda: narrow.get("/readyz").status_code == 503, "it is not ready")
        refused = narrow.get("/readyz").json()
        assert (refused["code"], refused["detail"]) == ("overloaded", "All connections are in use.")
        assert narrow.get("/livez").status_code == 200
        after = value(figures(narrow), "taskapi_client_connections_cut_total", reason="full")
        assert after > before
        for path in ("/", "/api/1/tasks", "/readyz?x", "//readyz"):
            [answer] = exchange(narrow, request("GET", path, f"Origin: {PAGE}"))
            assert_refused(answer, 503, "overloaded")
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
    eventually(lambda: narrow.get("/readyz").status_code == 200, "it is ready again")


def test_places_above_the_bound_are_for_one_request_and_not_for_long(narrow: httpx.Client) -> None:
    with busy(narrow, 4 + RESERVED_CONNECTIONS):
        eventually(lambda: _status(narrow, "/livez") == 200, "those that ask nothing are closed")
    eventually(lambda: narrow.get("/").status_code == 200, "all places are free again")


def _status(http: httpx.Client, path: str) -> int:
    try:
        return http.get(path).status_code
    except (httpx.RemoteProtocolError, httpx.ReadError):  # closed at once: there is no place
        return 0


# The bound itself


def test_the_bound_leaves_files_for_everything_else(database: DatabaseUrl) -> None:
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert max_connections(settings_for(database)) == min(2000, most_files - 69)
    assert max_connections(settings_for(database, max_connections=50)) == 50
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft > 2000
    with pytest.raises(SettingsError, match="MAX_CONNECTIONS must be at most"):
        max_connections(settings_for(database, max_connections=1_000_000))


def test_a_bound_that_cannot_be_kept_is_no_start(tmp_path: Path, database: DatabaseUrl) -> None:
    settings = {
        "DATABASE_URL": database.dsn,
        "BETTER_AUTH_SECRET": SECRET,
        "MAX_CONNECTIONS": "300",
        "API_PORT": "0",
    }
    limited = ("prlimit", f"--nofile={FEW_FILES}:{FEW_FILES}")
    done = run("taskapi", "serve", folder=tmp_path, prefix=limited, settings=settings)
    assert done.returncode == 1
    assert re.search(r"MAX_CONNECTIONS must be at most 172: .*256 files", done.stderr), done.stderr
