"""Two workers and one, on cores of their own, where the machine has so many."""

import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psutil

from benchmarks.database import Database
from benchmarks.load import Schedule
from benchmarks.measure import measure
from benchmarks.operations import ONE
from benchmarks.peers import taskapi

CORES = 4
"""Two for the service, the others for the database and the load."""


def gain_of_two_workers(database: Database, rounds: int, schedule: Schedule) -> list[float]:
    """Requests per second for one task with two workers, to those with one, round by round."""
    cores = sorted(os.sched_getaffinity(0))
    rates: dict[int, list[float]] = {1: [], 2: []}
    with _limited(database, set(cores[2:])):
        for number in range(rounds):
            for workers in sorted(rates, reverse=bool(number % 2)):
                rates[workers].append(_rate(database, workers, set(cores[:2]), schedule))
    return list(map(float.__truediv__, rates[2], rates[1]))


def _rate(database: Database, workers: int, cores: set[int], schedule: Schedule) -> float:
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # the service inherits them
    try:
        peer = taskapi(database, workers)
        with peer as started:
            os.sched_setaffinity(0, own)
            measure(started, ONE, 0, replace(schedule, seconds=1))  # warms it up
            return statistics.fmean(measure(started, ONE, 0, schedule).rate for _ in range(2))
    finally:
        os.sched_setaffinity(0, own)


@contextmanager
def _limited(database: Database, cores: set[int]) -> Iterator[None]:
    """The database and this process, with what it starts, use only these cores meanwhile."""
    postmaster = psutil.Process(database.postmaster)
    processes = [os.getpid(), *(each.pid for each in (postmaster, *postmaster.children()))]
    before = os.sched_getaffinity(0)
    try:
        for pid in processes:
            os.sched_setaffinity(pid, cores)
        yield
    finally:
        for pid in filter(psutil.pid_exists, processes):
            os.sched_setaffinity(pid, before)
