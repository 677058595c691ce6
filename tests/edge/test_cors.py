"""Which origins a browser may call from."""

import re

import httpx
import pytest

from support.calls import assert_refused
from support.people import Person

ORIGIN = "http://localhost:3000"


def allowed(response: httpx.Response) -> set[str]:
    """The headers that say anything about origins."""
    return {name for name in response.headers if name.startswith("access-control-")}


def test_a_listed_origin_may_read_every_answer(alice: Person) -> None:
    for response in (
        alice.get(headers={"Origin": ORIGIN}),
        alice.post(json={}, headers={"Origin": ORIGIN}),
        alice.http.get(alice.tasks, headers={"Origin": ORIGIN}),
    ):
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Origin" in response.headers["Vary"]
        exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"Location", "X-Request-ID", "WWW-Authenticate", "Retry-After"} <= set(exposed)
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_listed_origin_may_ask_before_it_calls_without_a_token(
    alice: Person, method: str
) -> None:
    response = alice.http.options(
        alice.tasks,
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert response.is_success
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert method in response.headers["Access-Control-Allow-Methods"].split(", ")
    named = response.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type"} <= set(re.split(r", *", named))


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "*",
        "null",
        "http://localhost",
        "http://localhost:3001",
        "https://localhost:3000",
        "HTTP://LOCALHOST:3000",
        "http://localhost:3000.evil.example",
        "http://evil.example",
    ],
)
def test_no_other_origin_is_told_anything(alice: Person, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    assert allowed(alice.get(headers={"Origin": origin})) == set()
    assert allowed(alice.http.get(alice.tasks, headers={"Origin": origin})) == set()
    preflight = alice.http.options(alice.tasks, headers=asked)
    assert allowed(preflight) == set()
    assert_refused(preflight, 401, "not_authenticated")
