"""Attack a service in every way that is known, and see what a polite user notices.

Each attack meets a new `taskapi serve` with one worker and the settings of the deployment files.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from support.abuse import trial
from support.abuse.attacks import ATTACKS
from support.abuse.stage import Stage
from support.abuse.trial import Outcome, Seconds, attempt
from support.background import Background
from support.postgres import Postgres

DEPLOYED = {"USER_RATE": 300, "MAX_TASKS_PER_USER": 10_000, "LOG_LEVEL": "info"}
"""As the deployment files set them. A version that does not know one of them ignores it."""

CAREFUL, QUICK = Seconds(before=5, during=10), Seconds(before=2, during=3)

NOTHING = "\N{EN DASH}"

console = Console(highlight=False)


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which attacks; all by default.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the service's environment.")
    ] = None,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Attack briefly.")] = False,
) -> None:
    """Attack, show what happened, and fail where a goal is not met."""
    settings = DEPLOYED | dict(each.split("=", 1) for each in setting or ())
    wanted = names or [*ATTACKS]
    if unknown := set(wanted) - set(ATTACKS):
        raise typer.BadParameter(f"no such attack: {', '.join(sorted(unknown))}")
    outcomes = []
    with _stage(settings) as stage:
        for number, name in enumerate(wanted, 1):
            with console.status(f"{number} of {len(wanted)}: {ATTACKS[name].title}"):
                outcome = attempt(name, stage, QUICK if quick else CAREFUL)
            outcomes.append(outcome)
            console.print(
                f"{number:3} of {len(wanted)}  {name:20} {_progress(outcome)}", soft_wrap=True
            )
    _report(outcomes)
    raise typer.Exit(code=any(outcome.unmet() for outcome in outcomes))


@contextmanager
def _stage(settings: dict[str, object]) -> Iterator[Stage]:
    with (
        Background().running() as background,
        Postgres(background) as postgres,
        tempfile.TemporaryDirectory() as folder,
    ):
        yield Stage(postgres, Path(folder), settings)


def _progress(outcome: Outcome) -> str:
    during, sent = outcome.during, outcome.sent
    return (
        f"polite: {_told(during.failures) or 'no failure'}, {len(during.seconds)} of {during.due} "
        f"answered; attack: {_told(sent.answers) or 'nothing'}"
    )


def _told(counter: Counter[str]) -> str:
    return ", ".join(f"{what} {times:,} times" for what, times in counter.most_common())


COLUMNS = (
    "attack",
    "p95 before",
    "p95 during",
    "p50 during",
    "ratio",
    "failures",
    "worker",
    "sent",
    "kept",
    "WAL",
    "goal",
)


def _report(outcomes: Sequence[Outcome]) -> None:
    table = Table(
        title="What a polite user notices",
        caption="p50 and p95 of a polite user's requests, in ms; the worker's peak memory, in "
        "MiB; bytes of body, in the database, and of WAL, for each request of the attack.",
    )
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in {"attack", "goal"} else "right")
    for outcome in outcomes:
        table.add_row(*_row(outcome))
    # Whole lines also where the output is a file.
    Console(highlight=False, width=None if console.is_terminal else 200).print(table)
    met = sum(not outcome.unmet() for outcome in outcomes)
    console.print(
        f"{met} of {len(outcomes)} attacks meet the goals: p95 at most {trial.MAX_RATIO:g} times "
        f"that before or {trial.MAX_P95 * 1000:g} ms, no failure, at least "
        f"{trial.MIN_ANSWERED:.0%} of what was due answered, memory at most "
        f"{trial.MAX_MEBIBYTES:g} MiB, kept at most 4 times the body and 1 kB, the quota kept."
    )


def _row(outcome: Outcome) -> Iterator[str]:
    before, during = outcome.before, outcome.during
    yield outcome.attack.title
    for seconds in (before.percentile(95), during.percentile(95), during.percentile(50)):
        yield f"{seconds * 1000:,.0f}"
    yield f"{outcome.ratio:.1f}"
    yield f"{during.failures.total()} of {during.due}"
    yield f"{outcome.mebibytes:.0f}"
    writes = outcome.attack.writes
    for size in (outcome.body, outcome.kept, outcome.written):
        yield f"{size:,.0f}" if writes else NOTHING
    unmet = outcome.unmet()
    yield f"[red]not met: {', '.join(unmet)}[/red]" if unmet else "[green]met[/green]"


cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
cli.command()(main)
cli()
