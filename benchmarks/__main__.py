"""`python -m benchmarks peers`, `against`, `growth`, `transfer`, `pooler` and `report`."""

import signal
import sys
from typing import Annotated

import typer

from benchmarks import against, comparison, growth, pooler, report, transfer
from benchmarks.load import Schedule
from benchmarks.operations import COMMON, DELETE, ONE, OURS, Operation
from benchmarks.processes import BenchmarkError
from benchmarks.results import Result

cli = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)

Rounds = Annotated[int, typer.Option(help="How often everything is measured.", min=1)]
Seconds = Annotated[int, typer.Option(help="How long each measurement takes.", min=1)]
Quick = Annotated[bool, typer.Option("--quick", help="Measure briefly, and keep nothing.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="Check each response, measure nothing.")]
Check = Annotated[bool, typer.Option("--check", help="Only check that it is current.")]

CHECKED = Schedule(verify=True)


@cli.command()
def peers(
    rounds: Rounds = 4, seconds: Seconds = 3, *, quick: Quick = False, smoke: Smoke = False
) -> None:
    """Measure taskapi and its peers in turn."""
    plan = comparison.Plan(rounds, Schedule(seconds))
    if quick:
        plan = comparison.QUICK
    if smoke:
        plan = comparison.SMOKE
    result = comparison.compare(plan)
    if not (quick or smoke):
        result.save("peers")
    typer.echo(report.told(result))
    _fail_on_errors(result)


@cli.command("against")
def beside(
    revision: Annotated[str, typer.Argument(help="The other revision of this checkout.")],
    rounds: Rounds = 10,
    seconds: Seconds = 1,
    workers: Annotated[int, typer.Option(help="Of each service.", min=1, max=2)] = 1,
    operation: Annotated[list[str] | None, typer.Option(help="Instead of the usual ones.")] = None,
) -> None:
    """Measure this checkout and another revision of it in turn."""
    operations = [_named(name) for name in operation or ()] or against.OPERATIONS
    plan = against.Plan(rounds, Schedule(seconds), workers, operations)
    run = against.compare(plan, revision)
    against.show(run)
    _fail_on_errors(run)


def _named(name: str) -> Operation:
    named = {each.name: each for each in (*COMMON, *OURS)}
    if name not in named:
        raise BenchmarkError(f"There is no operation {name!r}: {', '.join(named)}")
    return named[name]


@cli.command("growth")
def grow(
    rounds: Rounds = 3, seconds: Seconds = 2, *, quick: Quick = False, smoke: Smoke = False
) -> None:
    """Measure how the costs grow with the table and with a user's tasks."""
    plan = growth.Plan(rounds, Schedule(seconds))
    if quick:
        plan = growth.Plan(1, Schedule(), sizes=(3_000, 30_000))
    if smoke:
        plan = growth.Plan(1, CHECKED, sizes=(3_000,), operations=(DELETE, growth.LIST))
    result, plans = growth.grow(plan)
    if not (quick or smoke):
        growth.save(result, plans)
    typer.echo(f"{plans}\n{report.goals(growth=result)}")
    _fail_on_errors(result)


@cli.command("transfer")
def move(*, smoke: Smoke = False) -> None:
    """Measure files of tasks, out and in, in each format."""
    plan = transfer.Plan(tasks=50, large=100_000, anew=False) if smoke else transfer.Plan()
    transfer.show(*transfer.transfer(plan))


@cli.command("pooler")
def pool(rounds: Rounds = 6, seconds: Seconds = 2, *, smoke: Smoke = False) -> None:
    """Measure what a transaction pooler costs, with and without prepared statements."""
    plan = pooler.Plan(rounds, Schedule(seconds))
    if smoke:
        plan = pooler.Plan(1, CHECKED, operations=(ONE,))
    run = pooler.pool(plan)
    pooler.show(run)
    _fail_on_errors(run)


@cli.command("report")
def write(*, check: Check = False) -> None:
    """Write the figures and plots of the kept runs into docs/performance.md."""
    if not check:
        report.write()
    elif report.page() != report.PAGE.read_text():
        raise BenchmarkError(f"{report.PAGE} has other figures than benchmarks/results")


def _fail_on_errors(result: Result) -> None:
    if any(sample.errors for sample in result.samples):
        raise BenchmarkError("There were wrong responses: see the column of errors.")


# SIGTERM ends it as Ctrl-C does, so that all servers are stopped.
signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    cli()
except BenchmarkError as error:
    sys.exit(f"The benchmark cannot go on:\n{error}")
