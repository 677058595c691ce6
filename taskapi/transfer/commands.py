"""The operator's commands about one user: `export`, `import` and `erase`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from taskapi.auth.claims import ClaimsPolicy
from taskapi.changes.feed import ChangeFeed
from taskapi.config import DatabaseSettings, load
from taskapi.database.executor import Executor
from taskapi.database.owner import Users
from taskapi.database.schema import checked_executor
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.database import database_in_use
from taskapi.errors import ApiError, InvalidToken, UserNotFound
from taskapi.tasks.schemas import TaskFilters
from taskapi.tasks.store import TaskStore
from taskapi.transfer.checking import CheckedFile, ImportRefused, check_file
from taskapi.transfer.erasing import Erased, erase_user
from taskapi.transfer.exporting import export_tasks
from taskapi.transfer.formats.table import EXPORTS, IMPORTS
from taskapi.transfer.importing import ImportReport, ImportStore, import_tasks
from taskapi.transfer.schemas import ExportName, ImportName

commands = typer.Typer()

Result = TypeVar("Result")
Store = TypeVar("Store", bound=TaskStore)

CHUNK_BYTES = 64 * 1024

OfUser = Annotated[str, typer.Option("--user-id", help="The user's id.")]


class Bar:
    """A progress bar.

    Attributes:
        done: how many are.
    """

    def __init__(self, progress: Progress) -> None:
        self.done = 0
        self._progress = progress
        self._task = progress.add_task("Reading", total=None)

    def begin(self, name: str, total: int) -> None:
        """Begin again, with so many to do."""
        self._progress.reset(self._task, description=name, total=total)

    def show(self, done: int) -> None:
        """Show how many are done."""
        self.done = done
        self._progress.update(self._task, completed=done)


@commands.command("export")
def export_command(
    user_id: OfUser,
    form: Annotated[ExportName, typer.Option("--format", help="Of the file.")] = "jsonl",
    output: Annotated[
        Path | None, typer.Option(help="The file to write, instead of standard output.")
    ] = None,
) -> None:
    """Write the tasks of a user to a file."""

    async def work(executor: Executor, feed: ChangeFeed, bar: Bar) -> int:
        bar.begin("Exporting", await feed.count())
        spool = await export_tasks(
            executor, feed, TaskFilters(), EXPORTS[form], max_bytes=None, progress=bar.show
        )
        with spool, _writing(output) as file:
            while part := await spool.read(CHUNK_BYTES):
                file.write(part)
        return bar.done

    count = _run(user_id, ChangeFeed, work)
    typer.echo(f"Exported {count} tasks of user {user_id}.", err=True)


@contextmanager
def _writing(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        return
    with output.open("wb") as file:
        yield file


@commands.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="The file to read.", exists=True, dir_okay=False)],
    user_id: OfUser,
    form: Annotated[ImportName, typer.Option("--format", help="Of the file.")] = "jsonl",
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what the import would do.")
    ] = False,
) -> None:
    """Create the tasks of a file that a user does not have yet, all or none of them."""

    async def work(executor: Executor, tasks: ImportStore, bar: Bar) -> ImportReport:
        with CheckedFile() as checked:
            await check_file(checked, _chunks(file), IMPORTS[form].reader())
            bar.begin("Importing", checked.count)
            return await import_tasks(executor, tasks, checked, dry_run=dry_run, progress=bar.show)

    try:
        report = _run(user_id, ImportStore, work)
    except ImportRefused as error:
        lines = (f"{file}:{refusal.line}: {refusal.reason}" for refusal in error.refusals)
        sys.exit("\n".join([*lines, "Nothing was imported."]))
    created = "Would create" if dry_run else "Created"
    typer.echo(
        f"{created} {report.created} tasks for user {user_id}. {report.known} were there already; "
        f"{report.ignored} records are no tasks."
    )


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            yield chunk


@commands.command("erase")
def erase_command(
    user_id: OfUser,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase everything that this service has of a user, for good.

    Delete the user in the auth server before: whoever has a token could write again.
    """
    if not yes:
        typer.confirm(f"Erase all tasks of user {user_id}, for good?", abort=True)
    users_table = load(DatabaseSettings).users_table

    async def work(executor: Executor, tasks: TaskStore, bar: Bar) -> Erased:
        bar.begin("Erasing", await tasks.count())
        return await erase_user(executor, tasks.owner, users_table, bar.show)

    erased = _run(user_id, TaskStore, work, as_owner=True)
    typer.echo(f"Erased {erased.tasks} tasks of user {user_id}, and {erased.others} other rows.")
    if erased.is_user_left:
        typer.echo(f"The id stays in {users_table}, which belongs to the auth server.")


def _run(
    user_id: str,
    kind: type[Store],
    work: Callable[[Executor, Store, Bar], Awaitable[Result]],
    *,
    as_owner: bool = False,
) -> Result:
    """Run the work on the store of a user, with a progress bar; an error ends the command."""
    settings = load(DatabaseSettings)
    users = Users(settings.users_table, create_unknown=False)  # and with any number of tasks

    async def run(url: DatabaseUrl) -> Result:
        policy = ClaimsPolicy(settings.user_id_type, issuer=None, audience=None)
        async with checked_executor(settings, url) as executor:
            store = kind(policy.user(user_id).id, executor, users)
            with _progress() as progress:
                return await work(executor, store, Bar(progress))

    try:
        with database_in_use(settings, as_owner=as_owner) as url:
            return asyncio.run(run(url))
    except InvalidToken:
        sys.exit(f"{user_id} is no user id: USER_ID_TYPE is {settings.user_id_type}.")
    except UserNotFound:
        sys.exit(f"There is no user {user_id} in {settings.users_table}.")
    except ApiError as error:
        sys.exit("\n".join([error.detail, *_cause_of(error)]))
    except OSError as error:  # of a file that is read or written here
        sys.exit(str(error))


def _cause_of(error: ApiError) -> list[str]:
    """What clients are not told, such as that a right is missing, or that the disk is full."""
    return [] if error.__cause__ is None else [str(error.__cause__)]


def _progress() -> Progress:
    """On a terminal alone: elsewhere it would leave an empty line."""
    console = Console(stderr=True)
    return Progress(*COLUMNS, console=console, transient=True, disable=not console.is_terminal)


COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
