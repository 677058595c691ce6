"""One measurement: the load, and what it cost the servers."""

import resource

from bench.peers import Job, Peer
from bench.processes import busy_seconds, cpu_seconds, largest_megabytes, megabytes
from bench.results import Sample

MICROSECONDS = 1e6


def measure(peer: Peer, operation: str, connections: int, in_round: int, job: Job) -> Sample:
    """Run a job that was prepared for a peer."""
    busy, load_cpu = busy_seconds(), _load_seconds()
    api, database = cpu_seconds(peer.api), cpu_seconds(peer.database)
    load = job()
    api, database = cpu_seconds(peer.api) - api, cpu_seconds(peer.database) - database
    others = busy_seconds() - busy - (_load_seconds() - load_cpu) - api - database
    if peer.server:
        peer.server.forget_output()
    requests = max(load.requests, 1)
    return Sample(
        peer=peer.name,
        operation=operation,
        connections=connections,
        round=in_round,
        requests=load.requests,
        rate=load.requests / load.seconds,
        errors=load.errors,
        p50=load.p50,
        p95=load.p95,
        p99=load.p99,
        api_cpu=api / requests * MICROSECONDS,
        database_cpu=database / requests * MICROSECONDS,
        api_megabytes=megabytes(peer.api),
        worker_megabytes=largest_megabytes(peer.api),
        others=max(others, 0) / load.seconds,
    )


def _load_seconds() -> float:
    """CPU of the load generators that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
