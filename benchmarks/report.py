"""What a run has found, as text: at the terminal, and between the marks of docs/performance.md."""

import statistics
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.goal import figure, rates, ratio, verdicts
from benchmarks.goals import GOALS, growth_goals
from benchmarks.operations import COMMON, OURS, Operation
from benchmarks.peers import FLOOR, ONE_WORKER, POCKETBASE, TEXTBOOK, TWO_WORKERS
from benchmarks.plots import plot_growth, plot_peers
from benchmarks.processes import ROOT, BenchmarkError
from benchmarks.results import Result

PAGE = ROOT / "docs" / "performance.md"
NAMES = (ONE_WORKER, TWO_WORKERS, POCKETBASE, TEXTBOOK, FLOOR)
MACHINE = ("date", "revision", "processor", "speed", "speed at the end", "system")
NOTHING = "\N{EN DASH}"


def peers_table(run: Result) -> str:
    """Requests per second and CPU of every operation and peer."""
    head = ["", *NAMES, "rate: 2 workers to PocketBase", "CPU: 1 worker to floor"]
    measured = run.distinct("operation")
    rows = [list(_row(run, it)) for it in (*COMMON, *OURS) if it.name in measured]
    sizes = [run.figures("api_megabytes", peer=name) for name in NAMES]
    memory = [_median([max(each)] if each else [], ",.0f") for each in sizes]
    return _markdown(head, [*rows, ["memory, MB", *memory, "", ""]])


def _row(run: Result, operation: Operation) -> Iterator[str]:
    yield operation.name
    for name in NAMES:
        rate, api, database = (
            figure(each, name, operation)(run) for each in ("rate", "api_cpu", "database_cpu")
        )
        cpu = " + ".join(_median(it, ",.0f") for it in (api, database) if any(it))
        yield _median(rate, ",.0f") + (f" ({cpu})" if cpu else "")
    costs = ratio(*(figure("api_cpu", name, operation) for name in (ONE_WORKER, FLOOR)))
    for each in (rates((TWO_WORKERS, operation), (POCKETBASE, operation)), costs):
        yield _median(each(run), ".2f")


def _median(values: Sequence[float], style: str) -> str:
    return format(statistics.median(values), style) if values else NOTHING


def told(peers: Result) -> str:
    """A run of the peers at the terminal: the table, the machine, and each goal."""
    return f"{peers_table(peers)}\n\n{_about('peers', peers)}\n\n{goals(peers, of_all=True)}"


def goals(
    peers: Result | None = None, growth: Result | None = None, *, of_all: bool = False
) -> str:
    """All goals that these runs can tell about, one per line; `of_all` as `verdicts` has it."""
    lines = [*verdicts(GOALS, peers, of_all=of_all)] if peers else []
    lines += verdicts(growth_goals(growth.about["sizes"]), growth) if growth else []
    return "\n".join(f"- {line}" for line in lines)


def page() -> str:
    """docs/performance.md with the figures of the kept runs."""
    peers, growth = Result.load("peers"), Result.load("growth")
    text = PAGE.read_text()
    for name, part in {
        "table": peers_table(peers),
        "goals": goals(peers, growth),
        "runs": "\n".join([_about("peers", peers), _about("growth", growth)]),
    }.items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not end:
            raise BenchmarkError(f"{PAGE} has no place for {name}")
        text = f"{before}{mark}{part}\n{end}{after}"
    return text


def _about(name: str, run: Result) -> str:
    about = run.about
    others = statistics.median(sample.others for sample in run.samples)
    facts = [about[each] for each in MACHINE if each in about]
    facts += [f"PostgreSQL {about['PostgreSQL']}", f"Python {about['Python']}", about["load"]]
    facts += [f"{about['rounds']} rounds of {about['seconds']} s"]
    return f"- **{name}**: {', '.join(facts)}. Something else took {others:.2f} cores (median)."


def write() -> None:
    """Write the page and its plots anew."""
    PAGE.write_text(page())
    plot_peers(Result.load("peers"), PAGE.with_name("performance-peers.svg"))
    plot_growth(Result.load("growth"), PAGE.with_name("performance-growth.svg"))


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
