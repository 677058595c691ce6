"""An address that sends many requests without a valid token gets 429, and harms nobody else."""

from collections.abc import Iterator

import httpx
import pytest

from support.metrics import figures, value
from support.people import Person, sign, token_for
from support.service import client_for, client_of, serving, settings_for
from taskapi.auth import refusals
from taskapi.database.url import DatabaseUrl

NOW = 1_700_000_000

FORGED = sign({"sub": "1", "exp": 4_000_000_000}, "another secret, long enough for HS256")

MANY = 30
"""Refusals, of which the services of these tests allow three in 10 seconds."""


@pytest.fixture(autouse=True)
def few_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MAX_REFUSALS", 3)


@pytest.fixture
def limiting(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service that nobody has sent a bad token to."""
    with client_for(settings_for(database, trusted_proxies="127.0.0.1")) as client:
        yield client


def ask(http: httpx.Client, token: str | None = FORGED, address: str = "") -> httpx.Response:
    """A request of user 1, from an address behind the trusted proxy if one is given."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    headers |= {"X-Forwarded-For": address} if address else {}
    return http.get("/api/1/tasks", headers=headers)


def statuses(http: httpx.Client, token: str | None = FORGED, address: str = "") -> set[int]:
    return {ask(http, token, address).status_code for _ in range(MANY)}


@pytest.mark.parametrize("token", [None, "rubbish", FORGED], ids=["none", "rubbish", "forged"])
def test_many_refusals_are_429_and_say_why(limiting: httpx.Client, token: str | None) -> None:
    first = ask(limiting, token)
    assert statuses(limiting, token) == {401, 429}
    problem = {"Accept": "application/problem+json"}
    headers = problem | ({"Authorization": f"Bearer {token}"} if token else {})
    answers = [limiting.get("/api/1/tasks", headers=headers) for _ in range(MANY)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "too_many_refusals"
    assert refused.json()["violated-policies"] == ["refusals"]
    assert refused.json()["type"].endswith("#abnormal-usage-detected")
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert refused.headers["RateLimit-Policy"] == '"refusals";q=3;w=10'
    assert refused.headers["WWW-Authenticate"] == first.headers["WWW-Authenticate"]
    assert value(figures(limiting), "taskapi_limited_total", reason="refusals") >= 1


def test_a_valid_token_is_served_from_an_address_that_had_too_many(
    limiting: httpx.Client, alice: Person
) -> None:
    alice = Person(alice.id, alice.token, limiting)
    assert statuses(limiting) == {401, 429}
    assert {alice.get().status_code for _ in range(MANY)} == {200}


def test_a_client_whose_token_has_expired_is_always_told_so(limiting: httpx.Client) -> None:
    """It would not fetch a new one otherwise; and its refusals count for nobody."""
    expired = token_for("1", exp=NOW)
    assert statuses(limiting, expired) == {401}
    assert ask(limiting).status_code == 401
    assert statuses(limiting) == {401, 429}
    answers = [ask(limiting, expired) for _ in range(MANY)]
    assert {answer.json()["code"] for answer in answers} == {"token_expired"}


def test_addresses_are_counted_apart(limiting: httpx.Client) -> None:
    assert statuses(limiting, address="203.0.113.1") == {401, 429}
    assert ask(limiting, address="203.0.113.2").status_code == 401
    assert ask(limiting, address="2001:db8::1").status_code == 401


def test_the_addresses_of_one_ipv6_network_are_one(limiting: httpx.Client) -> None:
    answers = [ask(limiting, address=f"2001:db8::{number:x}") for number in range(1, MANY)]
    assert {answer.status_code for answer in answers} == {401, 429}


def test_an_address_that_the_client_made_up_does_not_count(database: DatabaseUrl) -> None:
    """Neither where no proxy is trusted, nor in front of what a trusted one has appended."""
    with client_for(settings_for(database)) as http:
        answers = [ask(http, address=f"203.0.113.{number}") for number in range(MANY)]
        assert {answer.status_code for answer in answers} == {401, 429}
    with serving(settings_for(database, trusted_proxies="127.0.0.1")) as address:
        with client_of(address) as http:
            forged = [f"203.0.113.{number}, 198.51.100.7" for number in range(MANY)]
            answers = [ask(http, address=each) for each in forged]
        assert {answer.status_code for answer in answers} == {401, 429}
