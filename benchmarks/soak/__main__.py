"""People use a fleet of two for as long as asked, while everything under it is broken.

One service reaches its PostgreSQL through a network that can be told to misbehave, the other one
through PgBouncer in transaction mode; a balancer stands before both. Everybody keeps a ledger of
what was acknowledged. Now and then all pause, and what the database holds is held against the
ledgers: what is missing, different, or written by nobody is counted, and every count must be 0. So
must what the changes feed has told differently from what is there.
"""

import argparse
import asyncio
import ssl
import sys
import time
from contextlib import AsyncExitStack, ExitStack
from itertools import groupby

import httpx

from benchmarks.soak.people import CHANCE, Person, Tally, Task
from benchmarks.soak.stage import Stage
from support.background import Background

PEOPLE = range(1000, 1016)
CLIENT_SECONDS = 10
ROUND_SECONDS = 30.0
"""Between two comparisons."""


def main() -> None:
    """Soak, report, and fail where something happened that must not."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=2.0)
    seconds = 60 * arguments.parse_args().minutes
    tally = Tally()
    with Background().running() as background, ExitStack() as stack:
        stage = Stage(background, stack)
        begun = time.monotonic()
        before, after = asyncio.run(_soak(seconds, stage, tally))
    if tracebacks := stage.tracebacks():
        tally.blame("tracebacks in the logs", tracebacks)
    _report(stage, tally, time.monotonic() - begun)
    _say(f"memory of the service       {before:.1f} MB at the start, {after:.1f} MB at the end")
    sys.exit(1 if tally.wrong else 0)


async def _soak(seconds: float, stage: Stage, tally: Tally) -> tuple[float, float]:
    """Memory before and after, in megabytes."""
    tls = ssl.create_default_context()  # which nobody uses, and each client would make for itself
    begun = time.monotonic()
    async with AsyncExitStack() as stack:
        people = []
        for user_id in PEOPLE:
            http = httpx.AsyncClient(
                base_url=stage.balancer.address, timeout=CLIENT_SECONDS, verify=tls
            )
            people.append(Person(user_id, await stack.enter_async_context(http), tally))
        await asyncio.gather(*(_live(person, time.monotonic() + 5) for person in people))
        before = stage.megabytes()
        while (left := begun + seconds - time.monotonic()) > 0:
            await _round(min(left, ROUND_SECONDS), people, stage)
            await asyncio.to_thread(stage.heal)
            for person, is_told in zip(
                people, await asyncio.gather(*(person.follow() for person in people)), strict=True
            ):
                if not is_told:
                    tally.blame("feeds that end early", person.user_id)
            await asyncio.to_thread(_compare, people, stage, tally)
            _progress(stage, tally, time.monotonic() - begun)
        return before, stage.megabytes()


async def _round(seconds: float, people: list[Person], stage: Stage) -> None:
    until = time.monotonic() + seconds
    lives = [asyncio.create_task(_live(person, until)) for person in people]
    while time.monotonic() < until:
        await asyncio.sleep(CHANCE.uniform(0.2, 2))
        await asyncio.to_thread(stage.break_something)
    await asyncio.gather(*lives)


async def _live(person: Person, until: float) -> None:
    while time.monotonic() < until:
        await person.act()
        await asyncio.sleep(CHANCE.uniform(0, 0.02))


def _compare(people: list[Person], stage: Stage, tally: Tally) -> None:
    found = stage.postgres.run(
        "SELECT user_id, id, title, description, is_completed FROM tasks ORDER BY user_id"
    )
    rows = {
        user_id: {row["id"]: Task(*list(row)[2:]) for row in group}
        for user_id, group in groupby(found, key=lambda row: row["user_id"])
    }
    for person in people:
        person.compare(rows.pop(person.user_id, {}))
    for user_id in rows:
        tally.blame("rows that nobody wrote", f"of {user_id}, who is not there")


def _progress(stage: Stage, tally: Tally, seconds: float) -> None:
    wrong = ", ".join(f"{what} {times}" for what, times in tally.wrong.items()) or "nothing wrong"
    _say(
        f"{seconds:6.0f} s  {tally.operations:8} operations  {stage.broken.total():5} faults  "
        f"{tally.statuses['503']:6} times 503  {stage.megabytes():6.1f} MB  {wrong}"
    )


def _report(stage: Stage, tally: Tally, seconds: float) -> None:
    _say(f"\nsoaked for                  {seconds:.0f} seconds, {len(PEOPLE)} people at once")
    _say(f"operations                  {tally.operations}")
    _say(f"writes acknowledged         {tally.acknowledged}")
    _say(f"writes in doubt             {tally.doubts}, each found done once or not at all")
    _say(f"responses by status         {dict(tally.statuses.most_common())}")
    _say(f"faults                      {stage.broken.total()}: {dict(stage.broken.most_common())}")
    for what in (
        "lost writes",
        "different rows",
        "half-done writes",
        "rows that nobody wrote",
        "foreign rows",
        "copies out of step",
        "feeds that end early",
        "wrong answers",
        "500s",
        "unexpected answers",
        "tracebacks in the logs",
    ):
        _say(f"{what:27} {tally.wrong[what]}")
    for example in tally.examples:
        _say(f"  {example}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a program that reports


main()
