"""`python -m bench peers`, `growth`, `features` and `report`."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bench.curves import explained
from bench.features import run as run_features
from bench.goals import verdicts
from bench.growth import Growth
from bench.processes import BenchmarkError
from bench.report import DOCUMENT, write
from bench.tournament import Plan, Tournament

cli = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

BRIEFLY = ("one task", "list of 100", "create", "delete")

SIZES = [10_000, 1_000_000, 10_000_000]

Rounds = Annotated[int, typer.Option(help="How often everything is measured.", min=1)]
Seconds = Annotated[int, typer.Option(help="How long each measurement takes.", min=1)]
Only = Annotated[
    list[str] | None, typer.Option(help="Part of the name of a peer or an operation; repeatable.")
]
Quick = Annotated[bool, typer.Option("--quick", help="A part of it, briefly: a smoke test.")]


@cli.command()
def peers(
    rounds: Rounds = 3, seconds: Seconds = 3, only: Only = None, *, quick: Quick = False
) -> None:
    """Measure this service and its peers in turn; a quick run is shown and not kept."""
    plan = Plan(rounds, seconds, (1, 32, 100), strangers=100, only=only or ())
    if quick:
        plan = Plan(1, 1, (32,), strangers=9, warm_up=False, only=only or BRIEFLY)
    with _progress() as progress:
        result = Tournament(plan, progress).run()
    if not quick:
        result.save("peers")
        report()
    for verdict in verdicts(result):
        typer.echo(f"{'met ' if verdict.met else 'NOT '} {verdict.goal}: {verdict.measured}")


@cli.command()
def growth(
    sizes: Annotated[list[int], typer.Option(help="Tasks in the table; repeatable.")] = SIZES,
    rounds: Rounds = 3,
    seconds: Seconds = 3,
    directory: Annotated[Path | None, typer.Option(help="Where 5 GB have room.")] = None,
    *,
    quick: Quick = False,
) -> None:
    """Measure how costs grow with the table and with a user's tasks."""
    if quick:
        sizes, rounds, seconds = [3_000, 30_000], 1, 1
    with _progress() as progress:
        result = Growth(sizes, rounds, seconds, progress).run(directory)
    if not quick:
        result.save("growth")
        report()
    for name in explained(result):
        typer.echo(f"\n{name}\n{result.about['plans'][name]}")


@cli.command()
def features(rounds: Rounds = 15) -> None:
    """Measure what each thing that a client may ask for costs beside the plain call."""
    with _progress() as progress:
        result = run_features(rounds, progress)
    typer.echo(result)


@cli.command()
def report() -> None:
    """Write docs/performance.md anew from what was measured last."""
    write()
    typer.echo(DOCUMENT)


def _progress() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f}/{task.total}"))
    times = (TimeElapsedColumn(), TextColumn("of which left"), TimeRemainingColumn())
    return Progress(
        *columns, *times, TextColumn("{task.description}"), console=Console(stderr=True)
    )


def main() -> None:
    """Run a command; a signal ends it as Ctrl-C does, so that all it started is stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        cli()
    except BenchmarkError as error:
        sys.exit(f"The benchmark cannot go on:\n{error}")


main()
