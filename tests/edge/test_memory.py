"""The memory of responses under way: who gets a share of it, who waits, and who is refused."""

import asyncio
import select
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from support.metrics import figures, value
from support.people import Person
from support.rows import execute
from support.service import client_for, settings_for
from support.waiting import PATIENCE, eventually
from support.wire import request
from taskapi.database.url import DatabaseUrl
from taskapi.edge.memory import (
    MAX_RESPONSE_BYTES,
    MAX_RESPONSE_BYTES_OF_OWNER,
    MEBIBYTE,
    SHORT_BYTES,
    ResponseMemory,
    Share,
)
from taskapi.errors import Overloaded

PAGE = 4 * MEBIBYTE


def run(check: Callable[[ResponseMemory], Awaitable[None]], wait: float = PATIENCE) -> None:
    asyncio.run(asyncio.wait_for(check(ResponseMemory(wait)), 2 * PATIENCE))


def held(memory: ResponseMemory, owner: str, size: int) -> list[Share]:
    """As many shares as there are."""
    shares = []
    while share := memory.try_hold(owner, size):
        shares.append(share)
    return shares


def test_one_user_holds_a_part_and_all_together_no_more_than_there_is() -> None:
    async def check(memory: ResponseMemory) -> None:
        assert len(held(memory, "alice", PAGE)) == 2
        assert len(held(memory, "alice", SHORT_BYTES)) == 8
        assert memory.held == MAX_RESPONSE_BYTES_OF_OWNER
        for number in range(20):
            held(memory, str(number), PAGE)
        assert memory.held < MAX_RESPONSE_BYTES, "room is left for short responses"
        for number in range(100):
            held(memory, f"short {number}", SHORT_BYTES)
        assert memory.held == MAX_RESPONSE_BYTES

    run(check)


def test_who_waits_gets_what_is_freed() -> None:
    async def check(memory: ResponseMemory) -> None:
        shares = held(memory, "alice", PAGE)
        waiting = asyncio.create_task(memory.hold("alice", PAGE))
        await asyncio.sleep(0)
        shares[0].shrink(PAGE // 2)
        await asyncio.sleep(0)
        assert not waiting.done(), "half of it is free"
        shares[0].release()
        shares[0].release()
        (await waiting).release()
        shares[1].release()
        assert memory.held == 0

    run(check)


def test_who_waits_too_long_or_leaves_holds_nothing() -> None:
    async def check(memory: ResponseMemory) -> None:
        shares = held(memory, "alice", PAGE)
        with pytest.raises(Overloaded):
            await memory.hold("alice", PAGE)
        leaving = asyncio.create_task(memory.hold("alice", PAGE))
        await asyncio.sleep(0)
        shares[0].release()
        leaving.cancel()  # at the moment at which it would get its share
        await asyncio.gather(leaving, return_exceptions=True)
        shares[1].release()
        assert memory.held == 0

    run(check, wait=0.05)


def test_a_share_is_released_by_an_error() -> None:
    async def check(memory: ResponseMemory) -> None:
        with pytest.raises(ValueError, match="its own"), await memory.hold("alice", PAGE):
            raise ValueError("its own")
        assert memory.held == 0

    run(check)


# Over real HTTP

FILL = """INSERT INTO tasks (user_id, title, description)
    SELECT $1, 'x', repeat('🎂', 5000) FROM generate_series(1, 300)"""


@pytest.fixture(scope="module")
def quick(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service that does not let anybody wait for long."""
    with client_for(settings_for(database, database_connect_timeout=1.0)) as client:
        yield client


@pytest.fixture
def wordy(someone: Callable[[], Person], database: DatabaseUrl) -> Callable[[], Person]:
    """Makes a person whose list is longer than a page."""

    def make() -> Person:
        person = someone()
        execute(database, "INSERT INTO users (id) VALUES ($1)", int(person.id))
        execute(database, FILL, int(person.id))
        return person

    return make


def bytes_held(http: httpx.Client) -> float:
    return value(figures(http), "taskapi_response_bytes")


def slow_reader(http: httpx.Client, person: Person) -> socket.socket:
    """A connection that has asked for a list, and takes nothing of it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(PATIENCE)
    connection.connect((http.base_url.host, http.base_url.port))
    token = f"Authorization: Bearer {person.token}"
    connection.sendall(request("GET", person.tasks, token))
    return connection


def get(http: httpx.Client, person: Person, **query: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {person.token}"}
    return http.get(person.tasks, headers=headers, params=query)  # type: ignore[arg-type]


def test_slow_readers_hold_back_their_own_long_lists_and_nobody_elses(
    quick: httpx.Client, wordy: Callable[[], Person], bob: Person
) -> None:
    alice, other = wordy(), wordy()
    with ExitStack() as stack:
        readers = [stack.enter_context(slow_reader(quick, alice)) for _ in range(4)]
        eventually(lambda: bytes_held(quick) > 6 * MEBIBYTE, "two pages are under way")
        refused = get(quick, alice)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) >= 1
        assert get(quick, alice, limit=10).status_code == 200, "a short one of hers"
        assert get(quick, other).status_code == 200
        assert get(quick, bob).status_code == 200
        assert 0 < bytes_held(quick) <= MAX_RESPONSE_BYTES_OF_OWNER
        for reader in readers:
            reader.close()
    eventually(lambda: bytes_held(quick) == 0, "who has left holds nothing")
    assert get(quick, alice).status_code == 200


def test_what_is_taken_is_held_no_longer(quick: httpx.Client, wordy: Callable[[], Person]) -> None:
    alice = wordy()
    for method in ("GET", "HEAD"):
        headers = {"Authorization": f"Bearer {alice.token}"}
        response = quick.request(method, alice.tasks, headers=headers)
        assert response.status_code == 200
        tag = {"If-None-Match": response.headers["ETag"]}
        assert quick.get(alice.tasks, headers=headers | tag).status_code == 304
    assert get(quick, alice, cursor="none").status_code == 422
    eventually(lambda: bytes_held(quick) == 0, "nothing is under way")


def test_a_slow_reader_is_cut_though_it_takes_a_little_all_the_time(
    database: DatabaseUrl, wordy: Callable[[], Person]
) -> None:
    """It acknowledges something whenever that is looked at, so the stall of a reader is none."""
    alice = wordy()
    with (
        client_for(settings_for(database, request_timeout=1.0)) as http,
        slow_reader(http, alice) as reader,
    ):
        hung_up = select.poll()
        hung_up.register(reader, 0)  # reports errors and the end only
        end = time.monotonic() + PATIENCE
        while not hung_up.poll(50):
            reader.recv(4096)
            assert time.monotonic() < end, "served for ever"
        eventually(lambda: bytes_held(http) == 0, "it holds nothing")
        assert value(figures(http), "taskapi_client_connections_cut_total", reason="slow") >= 1
