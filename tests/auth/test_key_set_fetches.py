"""When the key set is fetched, what a request waits for, and what it gets when a fetch fails."""

import time
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest

from support.key_server import Key, KeyServer, Start, ask, make_key, sign
from support.waiting import PATIENCE, eventually
from support.wire import connected, connection_to, head_of
from taskapi.auth import key_set


def refuse(auth: KeyServer, status: int, body: bytes = b"") -> None:
    """Let the server of keys answer this from now on."""
    auth.status, auth.body = status, body


FAILURES: dict[str, Callable[[KeyServer], None]] = {
    "status 500": lambda auth: refuse(auth, 500, auth.body),
    "a redirect": lambda auth: refuse(auth, 302, auth.body),
    "a page of HTML": lambda auth: refuse(auth, 200, b"<html>Sign in</html>"),
    "nothing": lambda auth: refuse(auth, 200),
    "a list": lambda auth: refuse(auth, 200, b"[]"),
    "no list of keys": lambda auth: refuse(auth, 200, b'{"keys": {}}'),
    "keys that are no objects": lambda auth: refuse(auth, 200, b'{"keys": [1, null, "x", {}]}'),
    "keys twice": lambda auth: refuse(auth, 200, b'{"keys": [], "keys": []}'),
    "deep nesting": lambda auth: refuse(auth, 200, b"[" * 100_000),
    "too many keys": lambda auth: refuse(auth, 200, b'{"keys": [' + b"{}," * 200 + b"{}]}"),
    "ten megabytes": lambda auth: refuse(auth, 200, b" " * 10_000_000 + auth.body),
    "silence": lambda auth: auth.gate.clear(),
}

EMPTY_SETS = {
    "no key": b'{"keys": []}',
    "no acceptable key": b'{"keys": [{}, {"kty": "oct", "kid": "1", "k": "AAAA"}]}',
}


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    """Every set is too old to be used before it is fetched again."""
    monkeypatch.setattr(key_set, "REFRESH_AGE", 0.0)
    monkeypatch.setattr(key_set, "FRESH_AGE", 0.0)


def known(auth: KeyServer, start: Start) -> tuple[httpx.Client, Key]:
    """A service that has fetched the set of this one key."""
    key = make_key()
    auth.publish(key)
    client = start()
    assert ask(client, sign(key, auth)).status_code == 200
    return client, key


def test_a_new_key_works_at_once_and_the_old_one_goes_on(auth: KeyServer, start: Start) -> None:
    """Also a moment after the last fetch: two first sign-ins at once make two keys."""
    old, new = make_key(kid="1"), make_key("ES256", kid="2")
    auth.publish(old)
    client = start()
    assert ask(client, sign(old, auth)).status_code == 200
    auth.publish(old, new)
    assert ask(client, sign(new, auth)).status_code == 200
    assert ask(client, sign(old, auth)).status_code == 200


def test_a_key_that_is_published_during_a_fetch_works_at_once(
    auth: KeyServer, start: Start
) -> None:
    old, new = make_key(kid="1"), make_key("ES256", kid="2")
    auth.publish(old)
    auth.gate.clear()
    client = start()
    eventually(lambda: auth.fetches == 1, "the fetch is under way")
    auth.publish(old, new)
    with connection_to(client) as connection:
        bearer = f"Authorization: Bearer {sign(new, auth)}"
        connection.sendall(head_of("GET", "/api/7/tasks", bearer))
        client.get("/livez")  # when this is answered, the request before it waits for that fetch
        auth.gate.set()
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("body", EMPTY_SETS.values(), ids=EMPTY_SETS)
def test_a_set_without_keys_withdraws_them_all(
    body: bytes, auth: KeyServer, start: Start, stale: None
) -> None:
    client, key = known(auth, start)
    auth.body = body
    assert ask(client, sign(key, auth)).status_code == 401
    auth.publish(key)
    assert ask(client, sign(key, auth)).status_code == 200


@pytest.mark.parametrize("body", EMPTY_SETS.values(), ids=EMPTY_SETS)
def test_a_first_set_without_keys_is_an_answer(body: bytes, auth: KeyServer, start: Start) -> None:
    auth.body = body
    assert ask(start(), sign(make_key(), auth)).status_code == 401


def test_a_key_withdrawn_in_a_quiet_night_verifies_no_request(
    auth: KeyServer, start: Start, stale: None
) -> None:
    client, key = known(auth, start)
    other = make_key("ES256", kid="2")
    auth.publish(other)
    assert ask(client, sign(key, auth)).status_code == 401
    assert ask(client, sign(other, auth)).status_code == 200


@pytest.mark.parametrize("failure", FAILURES)
def test_an_old_set_is_used_while_the_key_server_fails(
    failure: str, auth: KeyServer, start: Start, stale: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, key = known(auth, start)
    monkeypatch.setattr(key_set, "FETCH_TIMEOUT", 0.5)
    FAILURES[failure](auth)
    before = auth.fetches
    assert ask(client, sign(key, auth)).status_code == 200
    assert auth.fetches > before


def test_after_a_failed_fetch_nobody_with_a_key_waits_for_the_next(
    auth: KeyServer, start: Start, stale: None
) -> None:
    client, key = known(auth, start)
    auth.status = 500
    assert ask(client, sign(key, auth)).status_code == 200
    auth.gate.clear()
    before = auth.fetches
    assert ask(client, sign(key, auth)).status_code == 200
    eventually(lambda: auth.fetches > before, "it is fetched all the same")


@pytest.mark.parametrize("failure", FAILURES)
def test_an_unknown_key_is_503_while_the_key_server_fails_and_then_works(
    failure: str, auth: KeyServer, start: Start, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not 401: a client would sign its user out."""
    client, _ = known(auth, start)
    new = make_key(kid="2")
    monkeypatch.setattr(key_set, "FETCH_TIMEOUT", 0.5)
    FAILURES[failure](auth)
    refused = ask(client, sign(new, auth))
    assert (refused.status_code, refused.json()["code"]) == (503, "keys_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    monkeypatch.setattr(key_set, "FETCH_TIMEOUT", PATIENCE)
    auth.status = 200
    auth.gate.set()
    auth.publish(new)
    assert ask(client, sign(new, auth)).status_code == 200


@pytest.mark.parametrize("failure", FAILURES)
def test_without_ever_a_key_the_answer_is_503(
    failure: str, auth: KeyServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_set, "FETCH_TIMEOUT", 0.5)
    FAILURES[failure](auth)
    refused = ask(start(), sign(make_key(), auth))
    assert (refused.status_code, refused.json()["code"]) == (503, "keys_unavailable")


def test_kept_keys_end_when_the_key_server_stays_down_too_long(
    auth: KeyServer, start: Start, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    key = make_key()
    auth.publish(key)
    client = start()
    assert ask(client, sign(key, auth)).status_code == 200
    auth.status = 500
    monkeypatch.setattr(key_set, "MAX_AGE", 0.0)
    assert ask(client, sign(key, auth)).status_code == 503


def test_without_ever_a_key_the_answer_is_503_and_heals(
    auth: KeyServer, start: Start, impatient: None
) -> None:
    key = make_key()
    auth.status = 500
    client = start()
    refused = ask(client, sign(key, auth))
    assert (refused.status_code, refused.json()["code"]) == (503, "keys_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    auth.status = 200
    auth.publish(key)
    assert ask(client, sign(key, auth)).status_code == 200


def test_a_slow_key_server_is_given_up_within_the_deadline(auth: KeyServer, start: Start) -> None:
    key = make_key()
    auth.publish(key)
    auth.gate.clear()
    assert ask(start(request_timeout=0.3), sign(key, auth)).status_code == 503


def ask_all(client: httpx.Client, tokens: list[str]) -> list[int]:
    """The statuses of requests with these tokens, all under way at once."""
    with ExitStack() as stack:
        # Not a client's pool, whose work grows with the square of its connections.
        wires = [stack.enter_context(connected(client)) for _ in tokens]
        for wire, token in zip(wires, tokens, strict=True):
            wire.send(head_of("GET", "/api/7/tasks", f"Authorization: Bearer {token}"))
        return [wire.answer().status for wire in wires]


def test_invented_key_ids_do_not_use_up_the_fetch_that_a_new_key_needs(
    auth: KeyServer, start: Start
) -> None:
    client, _ = known(auth, start)
    new = make_key(kid="new")
    began, fetched = time.monotonic(), auth.fetches
    invented = [sign(make_key(kid=f"invented {number}"), auth) for number in range(300)]
    statuses = ask_all(client, invented)
    assert set(statuses) == {401}
    auth.publish(new)
    statuses = ask_all(client, [*invented, sign(new, auth)])
    assert statuses == [401] * 300 + [200]
    allowed = 1 + key_set.FETCH_BURST + (time.monotonic() - began) / key_set.FETCH_INTERVAL
    assert auth.fetches - fetched <= allowed


def test_a_request_that_comes_when_the_rate_allows_no_fetch_waits_for_the_next(
    auth: KeyServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_set, "FETCH_BURST", 0)
    monkeypatch.setattr(key_set, "FETCH_INTERVAL", 1.0)
    client, _ = known(auth, start)
    for number in range(2):  # the first of them needs the fetch that is allowed by then, if any is
        key = make_key(kid=f"new {number}")
        auth.publish(key)
        assert ask(client, sign(key, auth)).status_code == 200


def test_only_so_many_requests_wait_for_an_unknown_key(
    auth: KeyServer, start: Start, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, key = known(auth, start)
    monkeypatch.setattr(key_set, "MAX_WAITING", 1)
    auth.gate.clear()
    fetched = auth.fetches
    with connection_to(client) as connection:
        bearer = f"Authorization: Bearer {sign(make_key(kid='invented'), auth)}"
        connection.sendall(head_of("GET", "/api/7/tasks", bearer))
        eventually(lambda: auth.fetches > fetched, "that request waits")
        refused = ask(client, sign(make_key(kid="another"), auth))
        assert (refused.status_code, refused.json()["code"]) == (503, "keys_unavailable")
        assert ask(client, sign(key, auth)).status_code == 200
        auth.gate.set()
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
    assert ask(client, sign(make_key(kid="another"), auth)).status_code == 401
