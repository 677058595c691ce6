"""Behind HAProxy, refused tokens are counted by the address of the client."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from support.haproxy import Balancer
from support.people import Person
from support.service import serving, settings_for
from support.waiting import PATIENCE
from taskapi.auth import refusals
from taskapi.database.url import DatabaseUrl

MANY = 20


@pytest.fixture
def balanced(
    database: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of HAProxy in front of a service that trusts it and allows three refusals."""
    monkeypatch.setattr(refusals, "MAX_REFUSALS", 3)
    with (
        serving(settings_for(database, trusted_proxies="127.0.0.1")) as service,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        port = urlsplit(service).port
        assert port is not None
        with Balancer(tmp_path, [port], listener).running():
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def client(balanced: str, address: str) -> httpx.Client:
    """A client that has this address, of the machine's own network."""
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(transport=transport, base_url=balanced, timeout=PATIENCE)


def test_who_sends_many_bad_tokens_is_429_and_their_neighbours_are_not(
    balanced: str, alice: Person
) -> None:
    with client(balanced, "127.0.0.66") as attacker, client(balanced, "127.0.0.2") as neighbour:
        assert {attacker.get(alice.tasks).status_code for _ in range(MANY)} == {401, 429}
        assert neighbour.get(alice.tasks).status_code == 401
        assert Person(alice.id, alice.token, attacker).get().status_code == 200


def test_a_forged_header_does_not_get_past_haproxy(balanced: str, alice: Person) -> None:
    with client(balanced, "127.0.0.66") as attacker:
        answers = [
            attacker.get(alice.tasks, headers={"X-Forwarded-For": f"203.0.113.{number}"})
            for number in range(MANY)
        ]
    assert {answer.status_code for answer in answers} == {401, 429}
