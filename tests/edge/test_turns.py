"""Turns, alone: whatever happens to those who wait, no turn is lost and none is made up."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.waiting import PATIENCE
from taskapi.edge.turns import MAX_WAITING, Turns
from taskapi.errors import ConcurrencyLimited

SOON = 0.01
"""Seconds until a request that waits is refused, where a test wants to see that."""


class Requests:
    """Requests of users: each waits for its turn, and keeps it until it is told to end."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.started: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._ends: list[asyncio.Event] = []
        self.working: dict[str, int] = {}

    def send(self, user: str, name: str = "") -> None:
        end = asyncio.Event()
        self._ends.append(end)
        self.tasks.append(asyncio.create_task(self._run(user, name, end)))

    async def _run(self, user: str, name: str, end: asyncio.Event) -> None:
        async with self.turns.of(user):
            self.started.append(name)
            self.working[user] = self.working.get(user, 0) + 1
            assert self.working[user] <= self.turns.limit
            try:
                await end.wait()
            finally:
                self.working[user] -= 1

    def end(self, number: int) -> None:
        self._ends[number].set()

    async def all_ended(self) -> list[BaseException | None]:
        for end in self._ends:
            end.set()
        return await asyncio.gather(*self.tasks, return_exceptions=True)


async def settled() -> None:
    """Return when every task has done what it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def held(turns: Turns) -> tuple[int, int]:
    """What is left of users: entries, and requests that wait."""
    return len(turns.users), turns.waiting


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, PATIENCE))


def test_requests_of_one_user_wait_in_their_order_and_those_of_others_do_not() -> None:
    async def test() -> None:
        requests = Requests(Turns(2, PATIENCE))
        for name in "abcd":
            requests.send("alice", name)
        requests.send("bob", "B")
        await settled()
        assert requests.started == ["a", "b", "B"]
        assert requests.turns.waiting == 2
        requests.end(1)
        await settled()
        requests.send("alice", "e")
        requests.end(0)
        await settled()
        assert requests.started == ["a", "b", "B", "c", "d"]
        assert await requests.all_ended() == [None] * 6
        assert requests.started[-1] == "e"
        assert held(requests.turns) == (0, 0)

    run(test())


def test_who_waits_too_long_is_refused_and_leaves_the_queue() -> None:
    async def test() -> None:
        requests = Requests(Turns(1, SOON))
        for _ in range(3):
            requests.send("alice")
        for late in requests.tasks[1:]:
            with pytest.raises(ConcurrencyLimited) as refused:
                await late
            assert refused.value.reason == "timed_out"
        assert held(requests.turns) == (1, 0)
        await requests.all_ended()
        assert held(requests.turns) == (0, 0)

    run(test())


def test_the_queue_of_a_user_is_bounded_and_only_theirs() -> None:
    async def test() -> None:
        requests = Requests(Turns(1, PATIENCE))
        for _ in range(1 + MAX_WAITING + 1):
            requests.send("alice")
        requests.send("bob", "B")
        await settled()
        assert requests.turns.waiting == MAX_WAITING
        assert "B" in requests.started
        refused = requests.tasks[-2].exception()
        assert isinstance(refused, ConcurrencyLimited)
        assert (refused.reason, refused.headers["Retry-After"]) == ("queue_full", "1")
        ended = await requests.all_ended()
        assert [each for each in ended if each is not None] == [refused]
        assert held(requests.turns) == (0, 0)

    run(test())


def test_a_turn_handed_to_a_request_that_is_cancelled_in_the_same_moment_goes_on() -> None:
    async def test() -> None:
        requests = Requests(Turns(1, PATIENCE))
        for name in "abc":
            requests.send("alice", name)
        await settled()
        requests.end(0)
        await asyncio.sleep(0)  # a has handed its turn to b, whose task has not run yet
        requests.tasks[1].cancel()
        await settled()
        assert requests.started == ["a", "c"]
        await requests.all_ended()
        assert held(requests.turns) == (0, 0)

    run(test())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "end", "cancel", "settle"]),
        st.sampled_from(["alice", "bob"]),
        st.integers(0, 30),
    ),
    max_size=60,
)


def test_a_request_that_leaves_as_its_turn_comes_takes_nothing_from_the_next() -> None:
    """In one round of the loop: a turn is given back, its waiter leaves, and another one comes."""

    async def test() -> None:
        requests = Requests(Turns(1, PATIENCE))
        requests.send("alice")
        requests.send("alice")
        await settled()
        requests.end(0)
        requests.tasks[1].cancel()
        await asyncio.sleep(0)
        requests.send("alice")
        await settled()
        assert isinstance((await requests.all_ended())[1], asyncio.CancelledError)
        assert held(requests.turns) == (0, 0)

    run(test())


@given(STEPS, st.integers(1, 3))
def test_no_turn_is_ever_lost(steps: list[tuple[str, str, int]], limit: int) -> None:
    """Whatever is sent, ended and cancelled, in whatever order and within one round of the loop."""

    async def test() -> None:
        requests = Requests(Turns(limit, PATIENCE))
        for step, user, number in steps:
            match step:
                case "send":
                    requests.send(user)
                case "settle":
                    await settled()
                    _nobody_waits_in_vain(requests)
                case "end" if number < len(requests.tasks):
                    requests.end(number)
                case "cancel" if number < len(requests.tasks):
                    requests.tasks[number].cancel()
        await settled()
        _nobody_waits_in_vain(requests)
        ended = await requests.all_ended()
        assert all(e is None or isinstance(e, asyncio.CancelledError) for e in ended)
        assert held(requests.turns) == (0, 0)

    run(test())


def _nobody_waits_in_vain(requests: Requests) -> None:
    turns = requests.turns
    for user, of_user in turns.users.items():
        assert requests.working[user] == (turns.limit if of_user.waiting else of_user.taken)
    assert {user for user, count in requests.working.items() if count} == turns.users.keys()
