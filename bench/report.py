"""`docs/performance.md`, written from what was measured last."""

from collections.abc import Callable, Iterator

from bench import curves
from bench.goals import COMPARED_AT, verdicts
from bench.growth import KINDS, OPERATIONS, Case
from bench.plots import plot_growth, plot_peers
from bench.processes import ROOT
from bench.results import Result
from bench.tables import NOTHING, count, table, times
from bench.tournament import PACED

DOCUMENT = ROOT / "docs" / "performance.md"

HEAD = """\
# Performance

Written by `make bench` and `make bench-growth`. Everything runs on one machine, the load too, so
figures mean something beside each other and nothing beside those of another machine.
"""

PEERS = """\
- **taskapi** is this service, started by `taskapi serve` with its embedded database, everything of
  the contract on, its access log written to a file as JSON.
- **PocketBase** has the same tasks and indexes, rules that give each user only their own, and a
  user's token. It keeps its data in its own process, and does not wait for the disk on commit.
  It has no toggle: completion is set, alternately.
- **textbook** is `bench/textbook.py`: FastAPI, SQLModel and psycopg2 as their tutorials have it,
  with one worker and its access log to a file, on taskapi's own table.
- **floor** is `bench/floor.py`: Starlette and asyncpg, the same bytes, the same check of the token,
  the same SQL text, one worker, and nothing else of what a service needs.
- **PostgreSQL alone** is pgbench with the same statements, prepared, by at most 20 connections.
"""


GROWTH = """\
Microseconds of CPU for a request, API + database, at 32 connections, in tables of several sizes. A
third of each table belongs to users with one task, a third to users with 100, a third to users with
1000, all scattered over it; requests are about 20,000 tasks of each kind. Flat means at most 1.2
times; linear, that a further task of a user costs at most 1.5 times what others cost.
"""

WHY = """\
- **Lists of scattered tasks cost more in larger tables.** The plan is the same: one descent of
  `tasks_by_age`, the rows in order, no sort. But a user's rows share pages only in the smallest
  table (`Buffers`), and the larger ones do not fit into the server's `shared_buffers`, so that most
  pages are copied from the operating system's memory. The plans, of a user who was just read, show
  hits.
- **Creates cost somewhat more**: three indexes are touched at random places, fewer of whose pages
  are in the buffers, and a page is logged whole when it is first touched after a checkpoint.
- **Whatever else stands here** has the same plan at each size, and touches a few buffers more, as
  the indexes are a level deeper. The rest is the machine, whose figures may differ by a third from
  one minute to the next.
"""

Figure = Callable[[Result, dict[str, object]], str]


def write() -> None:
    """Write the document and its plots."""
    DOCUMENT.parent.mkdir(exist_ok=True)
    parts = [HEAD]
    peers = Result.load("peers")
    if peers is not None:
        plot_peers(peers, DOCUMENT.with_name("performance-peers.svg"))
        parts += _peers(peers)
    growth = Result.load("growth")
    if growth is not None:
        plot_growth(growth, DOCUMENT.with_name("performance-growth.svg"))
        parts += _growth(growth)
    DOCUMENT.write_text("\n".join(parts) + "\n")


def _peers(result: Result) -> Iterator[str]:
    yield "## Goals\n"
    yield f"At {COMPARED_AT} connections where nothing else is said. Ratios are of figures of one"
    yield "round; told is their median and, in brackets, the least and the greatest.\n"
    yield table(
        ("goal", "wanted", "measured", "met"),
        [
            (verdict.goal, verdict.wanted, verdict.measured, "yes" if verdict.met else "**no**")
            for verdict in verdicts(result)
        ],
        numbers=False,
    )
    yield "\n## Peers\n"
    yield PEERS
    yield "![Requests a second of each peer](performance-peers.svg)\n"
    yield from _figures(result, "Requests a second", _rate)
    yield from _figures(result, "Microseconds of CPU for a request: API + database", _cpu)
    yield from _figures(result, "Milliseconds until the answer: p50 / p95 / p99", _latency)
    yield from _once(result)
    yield from _paced(result)
    yield "### The run\n"
    yield "Medians over the rounds. Before each measurement the table is vacuumed and the same.\n"
    yield _about(result)


def _figures(result: Result, title: str, figure: Figure) -> Iterator[str]:
    names = [name for name in result.distinct("peer") if name != PACED]
    yield f"### {title}\n"
    for connections in result.distinct("connections", peer=names[0]):
        rows = [
            (
                operation,
                *(
                    figure(
                        result, {"peer": name, "operation": operation, "connections": connections}
                    )
                    for name in names
                ),
            )
            for operation in result.distinct("operation")
        ]
        plural = "s" if connections > 1 else ""
        yield table((f"{connections} connection{plural}", *names), rows) + "\n"


def _rate(result: Result, chosen: dict[str, object]) -> str:
    return count(result.median("rate", **chosen))


def _cpu(result: Result, chosen: dict[str, object]) -> str:
    parts = (result.median("api_cpu", **chosen), result.median("database_cpu", **chosen))
    return " + ".join(count(part) for part in parts if part)


def _latency(result: Result, chosen: dict[str, object]) -> str:
    parts = (result.median(name, **chosen) for name in ("p50", "p95", "p99"))
    return " / ".join(NOTHING if part is None else f"{part:.3g}" for part in parts)


def _once(result: Result) -> Iterator[str]:
    yield "### Memory and errors\n"
    rows = []
    for name in result.distinct("peer"):
        samples = result.chosen(peer=name)
        errors = sum(sample.errors for sample in samples)
        requests = sum(sample.requests for sample in samples)
        size = max(sample.api_megabytes for sample in samples)
        first, *_, last = (sample.worker_megabytes for sample in samples)
        rows.append(
            (name, count(size), f"{first:.0f} → {last:.0f}", count(requests), count(errors))
        )
    head = ("", "MB at most", "MB of a worker, first → last", "requests", "errors")
    yield table(head, rows) + "\n"


def _paced(result: Result) -> Iterator[str]:
    samples = result.chosen(peer=PACED)
    if not samples:
        return
    yield f"### {PACED}\n"
    few, many = sorted({sample.connections for sample in samples})
    rows = []
    for operation in result.distinct("operation"):
        asked = {"peer": PACED, "operation": operation}
        rate = result.median("rate", connections=many, **asked)
        latencies = (_latency(result, asked | {"connections": each}) for each in (few, many))
        rows.append((operation, count(rate), *latencies))
    head = ("", "requests a second", f"ms from {few} connections", f"ms from {many}")
    yield table(head, rows) + "\n"


def _growth(result: Result) -> Iterator[str]:
    yield "\n## Growth\n"
    yield GROWTH
    yield "![CPU for a request in tables of several sizes](performance-growth.svg)\n"
    sizes = result.about["sizes"]
    for kind in KINDS:
        rows = []
        for operation in OPERATIONS:
            costs = curves.over_sizes(result, kind, operation)
            cells = [_cpu(result, Case(size, kind, operation).chosen) for size in sizes]
            rows.append((operation, *cells, times(costs[-1] / costs[0])))
        plural = "s" if kind > 1 else ""
        head = (f"{kind} task{plural} per user", *map(count, sizes), "last to first")
        yield table(head, rows) + "\n"
    yield from _explained(result)
    yield "### The run\n"
    yield _about(result)


def _explained(result: Result) -> Iterator[str]:
    yield "### Curves that are not flat or linear\n"
    names = list(curves.explained(result))
    if not names:
        yield "There are none.\n"
    else:
        yield WHY
    for name in names:
        yield f"<details><summary>{name}</summary>\n"
        yield f"```\n{result.about['plans'][name]}\n```\n"
        yield "</details>\n"


def _about(result: Result) -> str:
    told = {name: str(value) for name, value in result.about.items() if name != "plans"}
    return table(("", ""), told.items(), numbers=False)
