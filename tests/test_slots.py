"""Slots: none is lost, none is made up, and none stays free while somebody waits."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from support.waiting import PATIENCE
from taskapi.slots import Slots


async def turn() -> None:
    """Let every task do what it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def waiting(slots: Slots, count: int) -> list[asyncio.Task[None]]:
    """Requests that wait for a slot."""
    tasks = [asyncio.create_task(slots.wait()) for _ in range(count)]
    await turn()
    assert slots.waiting == count
    return tasks


async def taken(slots: Slots) -> None:
    while slots.take():
        pass


async def a_slot_that_comes_free_beside_another(slots: Slots) -> None:
    """The first one goes to who waits, and the second to who comes in the same turn of the loop."""
    [first] = await waiting(slots, 1)
    slots.give_back()
    slots.give_back()
    assert slots.take()
    await first


async def a_slot_that_comes_free_as_its_waiter_leaves(slots: Slots) -> None:
    [leaver] = await waiting(slots, 1)
    leaver.cancel()
    slots.give_back()
    assert slots.take()
    await turn()
    assert leaver.cancelled()
    slots.give_back()


async def a_slot_that_its_waiter_does_not_live_to_use(slots: Slots) -> None:
    first, second = await waiting(slots, 2)
    slots.give_back()
    first.cancel()
    await second
    slots.give_back()


async def slots_for_those_who_wait_in_their_order(slots: Slots) -> None:
    tasks = await waiting(slots, 3)
    for number in range(3):
        slots.give_back()
        await turn()
        assert [task.done() for task in tasks] == [True] * (number + 1) + [False] * (2 - number)
    slots.give_back()
    slots.give_back()
    slots.give_back()


@pytest.mark.parametrize(
    "case",
    [
        a_slot_that_comes_free_beside_another,
        a_slot_that_comes_free_as_its_waiter_leaves,
        a_slot_that_its_waiter_does_not_live_to_use,
        slots_for_those_who_wait_in_their_order,
    ],
    ids=lambda case: case.__name__,
)
def test_nobody_waits_beside_a_free_slot(case: Callable[[Slots], Awaitable[None]]) -> None:
    slots = Slots(3)

    async def run() -> None:
        await taken(slots)
        await asyncio.wait_for(case(slots), PATIENCE)
        assert slots.waiting == 0
        assert 0 <= slots.taken <= 3

    asyncio.run(run())
