"""What is counted, and what a client cannot do to it."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support.metrics import figures, figures_after, figures_at_rest, value
from support.people import Person, sign, token_for
from support.service import client_of, serving, settings_for
from taskapi.database.url import DatabaseUrl

TASKS = "/api/{user_id}/tasks"


def test_a_request_is_counted_by_route_method_and_status(alice: Person) -> None:
    before = figures_at_rest(alice.http)
    alice.create()
    alice.get()
    alice.get()
    after = figures_after(alice.http, before, 3)
    for method, status, count in (("POST", "201", 1), ("GET", "200", 2)):
        asked = {"method": method, "route": TASKS}
        name = "taskapi_requests_total"
        counted = [value(seen, name, status=status, **asked) for seen in (before, after)]
        assert counted[1] - counted[0] == count
        name = "taskapi_request_seconds_count"
        timed = [value(seen, name, **asked) for seen in (before, after)]
        assert timed[1] - timed[0] == count


def test_no_client_can_multiply_the_series(http: httpx.Client) -> None:
    """300 users, invented methods, paths, queries and tokens: the second 200 add no series."""

    def ask(numbers: range) -> int:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: _invent(http, number), numbers))
        return sum(len(rows) for rows in figures_at_rest(http).values())

    assert ask(range(100)) == ask(range(100, 300))


def _invent(http: httpx.Client, number: int) -> None:
    token = token_for(str(number + 1))
    bearer = {"Authorization": f"Bearer {token}", "X-Request-ID": f"id-{number}"}
    http.request(f"VERB{number}", f"/invented/{number}")
    http.get(f"/api/{number + 1}/tasks/{number + 1}", headers=bearer)
    http.get(f"/api/{number + 2}/tasks", headers=bearer | {"User-Agent": f"agent {number}"})
    http.get(f"/livez?invented={number}", headers={"Authorization": f"Scheme{number} x"})


NOW = 1_700_000_000
REFUSED = {
    "missing": None,
    "malformed": "rubbish",
    "session": "a" * 32,
    "algorithm": "eyJhbGciOiJFUzI1NiJ9.e30.AAAA",  # ES256, and no claims
    "signature": sign({"sub": "1", "exp": NOW}, "another secret, long enough for HS256"),
    "expired": token_for("1", exp=NOW),
    "not_yet": token_for("1", nbf=4_000_000_000),
    "user": token_for("nobody"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refused_token_is_counted_by_its_reason(reason: str, http: httpx.Client) -> None:
    before = figures_at_rest(http)
    token = REFUSED[reason]
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    assert http.get("/api/1/tasks", headers=headers).status_code == 401
    after = figures(http)
    for name in ({"reason": reason}, {}):
        refusals = [value(seen, "taskapi_token_refusals_total", **name) for seen in (before, after)]
        assert refusals[1] - refusals[0] == 1


@pytest.mark.parametrize("claim", ["iss", "aud"])
def test_a_token_for_others_is_counted_as_that(claim: str, database: DatabaseUrl) -> None:
    reason = {"iss": "issuer", "aud": "audience"}[claim]
    claims = {"iss": "here", "aud": "here", claim: "elsewhere"}
    settings = settings_for(database, jwt_issuer="here", jwt_audience="here")
    with serving(settings) as address, client_of(address) as http:
        before = value(figures_at_rest(http), "taskapi_token_refusals_total", reason=reason)
        bearer = {"Authorization": f"Bearer {token_for('1', **claims)}"}
        assert http.get("/api/1/tasks", headers=bearer).status_code == 401
        assert value(figures(http), "taskapi_token_refusals_total", reason=reason) == before + 1


def test_the_connections_are_shown(database: DatabaseUrl) -> None:
    settings = settings_for(database, database_pool_size=3)
    with serving(settings) as address, client_of(address) as http:
        assert Person("7", token_for("7"), http).get().status_code == 200
        seen = figures(http)
    assert value(seen, "taskapi_database_connections_max") == 3
    assert value(seen, "taskapi_database_connections_open") == 1
    assert value(seen, "taskapi_database_connections_in_use") == 0
    assert value(seen, "taskapi_database_waiting") == 0


def test_every_counter_of_events_begins_at_zero(http: httpx.Client) -> None:
    """Prometheus sees no increase between nothing and 1, so an alert would miss the first one."""
    seen = figures(http)
    for name, kinds in {
        "taskapi_database_faults_total": {"unreachable", "schema_outdated", "connection_lost"},
        "taskapi_database_retries_total": {"conflict"},
        "taskapi_database_no_connection_total": {"queue_full", "timed_out"},
        "taskapi_key_set_fetches_total": {"ok", "failed"},
        "taskapi_token_refusals_total": {"key"},
        "taskapi_unavailable_total": {"unavailable", "schema_outdated", "timed_out", "overloaded"},
    }.items():
        assert kinds <= {value for held in seen[name] for _, value in held}
    assert "taskapi_unhandled_errors_total" in seen


def test_the_build_and_the_process_are_shown(http: httpx.Client) -> None:
    seen = figures(http)
    [build] = seen["taskapi_build_info"]
    assert {label for label, _ in build} == {"version", "python"}
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"):
        assert value(seen, name) > 0
