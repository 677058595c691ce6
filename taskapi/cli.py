"""The commands, except for those of `transfer`."""

import asyncio
import json
import logging
import os
import sys
from contextlib import closing
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.progress import Progress

from taskapi import __version__
from taskapi.app import API_ROUTES
from taskapi.auth.claims import ClaimsPolicy
from taskapi.auth.development import mint
from taskapi.auth.secret import secret_of
from taskapi.clock.epoch import begin_epoch, count_clocks
from taskapi.config import (
    LOCAL_DIRECTORY,
    DatabaseSettings,
    DocumentSettings,
    Settings,
    SettingsError,
    load,
)
from taskapi.database.mismatch import grant_command
from taskapi.database.schema import MigrationError, checked_executor, print_sql_of_migrations
from taskapi.database.schema import migrate as migrate_schema
from taskapi.database.url import DatabaseUrl
from taskapi.doctor.examination import examine
from taskapi.doctor.report import print_report
from taskapi.embedded.database import SERVICE_ROLE, database_in_use
from taskapi.embedded.errors import EmbeddedServerError
from taskapi.errors import DatabaseUnavailable, InvalidToken
from taskapi.migrations.grants import GrantError, grant_rights, sql_of_grant
from taskapi.migrations.row_security import FIRST_DECLARING_REVISION
from taskapi.openapi.document import openapi_document
from taskapi.risks import risks_of
from taskapi.server import process as server
from taskapi.server.listener import listen
from taskapi.transfer.commands import commands as transfer

cli = typer.Typer(
    help="taskapi stores each user's tasks and serves them to the bearer of that user's JWT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

cli.add_typer(transfer)

DAY = 24 * 60 * 60
"""Seconds."""

REACHABLE_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - only to be shown
"""For a host that means every interface, one to which a client on this machine connects."""


def main() -> None:
    """Run a command. A mistake of the operator ends it with a sentence, not with a traceback."""
    # `taskapi export` writes a file to standard output. A service has its own (`configure_logs`).
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    try:
        cli()
    except (SettingsError, EmbeddedServerError) as error:
        sys.exit(f"taskapi cannot start:\n{error}")
    except GrantError as error:
        sys.exit(f"taskapi cannot grant: {error}")
    except MigrationError as error:
        sys.exit(f"taskapi cannot migrate: {error}")


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Instead of API_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of API_PORT.")] = None,
    workers: Annotated[int | None, typer.Option(help="Instead of WORKERS.")] = None,
    *,
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart when a source file changes.")
    ] = False,
) -> None:
    """Serve the API, with the database of DATABASE_URL or with the embedded one."""
    for name, value in {"API_HOST": host, "API_PORT": port, "WORKERS": workers}.items():
        if value is not None:
            os.environ[name] = str(value)  # from where every worker loads its settings
    settings = load(Settings)
    with (
        closing(listen(settings)) as listener,
        server.exit_on_signals(),
        # Around the lives of all workers, so that the embedded server starts and stops once.
        database_in_use(settings) as url,
    ):
        print_banner(settings, url, listener.getsockname()[1])
        server.run(settings, listener, reload=reload)


def print_banner(settings: Settings, url: DatabaseUrl, port: int) -> None:
    """Print what a first request needs."""
    console = Console(highlight=False, soft_wrap=True)
    host = REACHABLE_HOSTS.get(settings.host, settings.host)
    base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    embedded = f"embedded PostgreSQL in {LOCAL_DIRECTORY.absolute()}"
    console.print(f"\n[bold]taskapi {__version__}[/]")
    console.print(f"  [dim]database[/]  {embedded if settings.embedded else url}")
    console.print(f"  [dim]URL[/]       {base_url}")
    if settings.docs_enabled:
        # Where PUBLIC_URL is another origin, the page must not call it from this one.
        console.print(f"  [dim]docs[/]      {settings.public_url or base_url}/docs")
    for risk in risks_of(settings, url):
        console.print(f"  [yellow]unwise[/]    {risk.subject}: {risk.text}")
    secret = secret_of(settings)
    # BETTER_AUTH_SECRET signs for real users, and what is printed here may be kept in a log.
    if secret is None or not settings.embedded or settings.better_auth_secret is not None:
        return
    if not settings.creates_unknown_users:
        console.print(f"  [dim]users[/]     those of the table {settings.users_table}, no others")
    else:
        token = mint(secret, "1", ClaimsPolicy.of(settings), DAY)
        print_first_request(console, base_url, token)
        if settings.mcp_enabled:
            print_agent(console, base_url, token)


def print_first_request(console: Console, base_url: str, token: str) -> None:
    """Print a token for user 1, and a command that uses it."""
    console.print(f"  [dim]token[/]     for user 1, valid for a day:\n\n{token}\n")
    console.print("  [dim]try it[/]    in another terminal:\n")
    console.print(
        f"curl -X POST {base_url}/api/1/tasks -H 'Content-Type: application/json' "
        f"-H 'Authorization: Bearer {token}' -d '{{\"title\": \"Buy milk\"}}'\n",
        markup=False,
    )


def print_agent(console: Console, base_url: str, token: str) -> None:
    """Print a command with which an agent gets the tools of that user."""
    console.print("  [dim]agents[/]    give Claude Code, or another agent, the user's tasks:\n")
    console.print(
        f"claude mcp add --transport http tasks {base_url}/mcp "
        f"--header 'Authorization: Bearer {token}'\n",
        markup=False,
    )


@cli.command()
def migrate(
    revision: Annotated[str, typer.Option(help="The revision to migrate to.")] = "head",
    grant_to: Annotated[
        str | None, typer.Option("--grant", metavar="ROLE", help="Then do as 'taskapi grant ROLE'.")
    ] = None,
    *,
    down: Annotated[
        bool,
        typer.Option("--down", help="Go down to it: this removes what later migrations created."),
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the statements, and do nothing.")
    ] = False,
) -> None:
    """Migrate the database's schema. Any number of replicas may do so at once.

    With --grant, row security is not enabled while replicas of a version may run that declares no
    owner, as they would find no rows.
    """
    settings = load(DatabaseSettings)
    if sql:
        print_sql_of_migrations(settings, revision, down=down)
        return
    if down:
        if grant_to is not None:
            sys.exit("--down and --grant exclude each other: a way down grants nothing.")
        with database_in_use(settings, as_owner=True) as url:
            migrate_schema(settings, url, revision, down=True)
        typer.echo(f"The schema is at {revision}.")
        return
    with database_in_use(settings, as_owner=True) as url:
        before = migrate_schema(settings, url, revision)
        if settings.embedded and grant_to is None:
            grant_rights(settings, url, SERVICE_ROLE, create_role=True)
        if grant_to is not None:
            secure = before is None or before >= FIRST_DECLARING_REVISION
            print_lines(grant_rights(settings, url, grant_to, secure=secure))
            if not secure:
                typer.echo(f"Replace all replicas, then run: {grant_command(grant_to)}")
    typer.echo("The schema is current.")


@cli.command()
def grant(
    role: Annotated[str, typer.Argument(help="The role of the service.")],
    *,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the statements, and do nothing.")
    ] = False,
) -> None:
    """Grant a role what the service needs, revoke the rest, and enable row security.

    Run it as the owner of the tables. The role must not own any of them.
    """
    settings = load(DatabaseSettings)
    if sql:
        typer.echo(sql_of_grant(settings, role))
        return
    with database_in_use(settings, as_owner=True) as url:
        print_lines(grant_rights(settings, url, role))


def print_lines(lines: list[str]) -> None:
    """Print what was done."""
    for line in lines:
        typer.echo(line)


@cli.command()
def token(
    user_id: Annotated[str, typer.Option(help="The user's id, which becomes sub of the token.")],
    expires_in: Annotated[int, typer.Option(help="Seconds until it expires.", min=1)] = DAY,
    *,
    sign_with_secret: Annotated[
        bool,
        typer.Option(
            "--sign-with-secret",
            help="Sign with BETTER_AUTH_SECRET. The service then takes the bearer for that user.",
        ),
    ] = False,
) -> None:
    """Print a token for development, signed with the embedded service's own secret."""
    settings = load(Settings)
    if settings.better_auth_secret is not None and not sign_with_secret:
        sys.exit("BETTER_AUTH_SECRET signs tokens of real users. Add --sign-with-secret to use it.")
    secret = secret_of(settings)
    if secret is None:
        sys.exit("There is no secret to sign with: here, only the auth server signs tokens.")
    policy = ClaimsPolicy.of(settings)
    try:
        policy.user(user_id)
    except InvalidToken as refusal:
        sys.exit(refusal.detail)
    typer.echo(mint(secret, user_id, policy, expires_in))


@cli.command()
def doctor(
    token: Annotated[
        str | None, typer.Option(help="Explain this token too; - reads it from standard input.")
    ] = None,
) -> None:
    """Examine settings, database, keys and a token, and print what to do about them."""
    settings = load(Settings)
    if token == "-":  # noqa: S105 - the usual sign for standard input
        token = sys.stdin.readline().strip()
    with database_in_use(settings) as url:
        healthy = asyncio.run(print_report(examine(settings, url, token)))
    sys.exit(0 if healthy else 1)


@cli.command()
def new_epoch() -> None:
    """After a restore: have every client of the changes feed read everything again."""
    settings = load(DatabaseSettings)
    with database_in_use(settings) as url:
        try:
            count = asyncio.run(_begin_epoch(settings, url))
        except DatabaseUnavailable as error:
            sys.exit(error.detail)
    typer.echo(f"A new epoch has begun for {count} users.")


async def _begin_epoch(settings: DatabaseSettings, url: DatabaseUrl) -> int:
    done = 0
    async with checked_executor(settings, url) as executor:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("Clocks", total=await count_clocks(executor))
            async for done in begin_epoch(executor):
                progress.update(task, completed=done)
    return done


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    settings = load(DocumentSettings)
    document = openapi_document(API_ROUTES, settings.user_id_type, settings.public_url)
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
