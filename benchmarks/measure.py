"""One measurement: the load, and what it has cost the servers."""

import resource

from benchmarks.load import Schedule, replay
from benchmarks.operations import Operation
from benchmarks.peers import NEW_TASKS_PER_SECOND, Peer
from benchmarks.processes import busy_seconds, cpu_seconds, megabytes, worker_megabytes
from benchmarks.results import Sample

MICROSECONDS = 1e6


def measure(peer: Peer, operation: Operation, number: int, schedule: Schedule) -> Sample:
    """Measure one operation of one peer, in the round of this number."""
    operation = peer.own(operation)
    requests = peer.requests(operation, NEW_TASKS_PER_SECOND * schedule.seconds)
    service, others = [peer.server.pid], busy_seconds() - _load_seconds()
    api, database = cpu_seconds(service), cpu_seconds(peer.database_pids)
    load = replay(requests, peer.server.port, schedule, operation)
    api, database = cpu_seconds(service) - api, cpu_seconds(peer.database_pids) - database
    others = busy_seconds() - _load_seconds() - others - api - database
    peer.server.truncate_log()
    return Sample(
        peer=peer.name,
        operation=operation.name,
        connections=schedule.connections or operation.connections,
        round=number,
        requests=load.requests,
        rate=load.requests / load.seconds,
        errors=load.errors,
        p50=load.p50,
        p95=load.p95,
        p99=load.p99,
        api_cpu=api / max(load.requests, 1) * MICROSECONDS,
        database_cpu=database / max(load.requests, 1) * MICROSECONDS,
        api_megabytes=megabytes(service),
        worker_megabytes=worker_megabytes(service),
        others=max(others, 0) / load.seconds,
    )


def _load_seconds() -> float:
    """CPU time of the load generators that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
