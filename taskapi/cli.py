"""The commands: `taskapi serve`, `migrate`, `token`, `doctor` and `openapi`."""

import asyncio
import json
import os
import sys
from contextlib import closing
from typing import Annotated

import typer
from rich.console import Console

from taskapi import __version__
from taskapi.app import API_ROUTES
from taskapi.auth.claims import ClaimsPolicy
from taskapi.auth.development import mint
from taskapi.auth.secret import secret_of
from taskapi.config import LOCAL_DIRECTORY, DatabaseSettings, Settings, SettingsError, load
from taskapi.database.schema import MigrationError
from taskapi.database.schema import migrate as migrate_schema
from taskapi.database.url import DatabaseUrl
from taskapi.doctor import examine
from taskapi.doctor.findings import Finding
from taskapi.embedded.database import database_in_use
from taskapi.embedded.server import EmbeddedServerError
from taskapi.errors import InvalidToken
from taskapi.openapi.document import openapi_document
from taskapi.server import process as server
from taskapi.server.listener import listen

cli = typer.Typer(
    help="taskapi keeps each user's tasks safe, behind a JWT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

DAY = 24 * 60 * 60

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - only to be shown
"""What is listened on, and how to reach it from here."""


def main() -> None:
    """Run a command; what is wrong with the surroundings is said in a line, not a traceback."""
    try:
        cli()
    except (SettingsError, EmbeddedServerError) as error:
        sys.exit(f"taskapi cannot start:\n{error}")
    except MigrationError as error:
        sys.exit(f"taskapi cannot migrate: {error}")


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="API_HOST")] = None,
    port: Annotated[int | None, typer.Option(help="API_PORT")] = None,
    workers: Annotated[int | None, typer.Option(help="WORKERS")] = None,
    *,
    reload: Annotated[bool, typer.Option(help="Start again when a file changes.")] = False,
) -> None:
    """Serve the API, on the database of DATABASE_URL or on one of its own."""
    for name, value in {"API_HOST": host, "API_PORT": port, "WORKERS": workers}.items():
        if value is not None:
            os.environ[name] = str(value)  # where every worker reads its settings
    settings = load(Settings)
    with (
        closing(listen(settings)) as listener,
        server.leaving_in_order(),
        # Around the lives of all workers, so that the embedded server starts and stops once.
        database_in_use(settings) as url,
    ):
        _greet(settings, url, listener.getsockname()[1])
        server.run(settings, listener, reload=reload)


def _greet(settings: Settings, url: DatabaseUrl, port: int) -> None:
    """What a person needs for the first request."""
    console = Console(highlight=False, soft_wrap=True)
    host = EVERYWHERE.get(settings.host, settings.host)
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    embedded = f"embedded PostgreSQL in {LOCAL_DIRECTORY.absolute()}"
    console.print(f"\n[bold]taskapi {__version__}[/]")
    console.print(f"  [dim]database[/]  {embedded if settings.embedded else url}")
    console.print(f"  [dim]address[/]   {base}")
    if settings.docs_enabled:
        console.print(f"  [dim]docs[/]      {base}/docs")
    secret = secret_of(settings)
    # BETTER_AUTH_SECRET signs for real users, and what is printed here may be kept in a log.
    if secret is not None and settings.embedded and settings.better_auth_secret is None:
        token = mint(secret, "1", ClaimsPolicy.of(settings), DAY)
        console.print(f"  [dim]token[/]     for user 1, a day long:\n\n{token}\n")
        console.print("  [dim]try it[/]\n")
        console.print(
            f"curl -X POST {base}/api/1/tasks -H 'Content-Type: application/json' "
            f"-H 'Authorization: Bearer {token}' -d '{{\"title\": \"Buy milk\"}}'\n",
            markup=False,
        )


@cli.command()
def migrate(
    revision: Annotated[str, typer.Option(help="How far; the newest unless told.")] = "head",
) -> None:
    """Bring the database's schema up to date. Any number of replicas may do so at once."""
    settings = load(DatabaseSettings)
    with database_in_use(settings) as address:
        migrate_schema(settings, address, revision)
    typer.echo("The schema is current.")


@cli.command()
def token(
    user_id: Annotated[str, typer.Option(help="The user whom the token names.")],
    expires_in: Annotated[int, typer.Option(help="Seconds.", min=1)] = DAY,
    *,
    sign_with_secret: Annotated[
        bool, typer.Option(help="Sign with BETTER_AUTH_SECRET: whoever has the token is that user.")
    ] = False,
) -> None:
    """Print a token for development, signed with the embedded service's own secret."""
    settings = load(Settings)
    secret = secret_of(settings)
    if secret is None:
        sys.exit("There is no secret to sign with: only the auth server makes tokens here.")
    if settings.better_auth_secret is not None and not sign_with_secret:
        sys.exit("BETTER_AUTH_SECRET signs for real users; add --sign-with-secret if you mean it.")
    claims = ClaimsPolicy.of(settings)
    try:
        claims.user_of(
            {"sub": user_id, "exp": sys.maxsize, "iss": claims.issuer, "aud": claims.audience}
        )
    except InvalidToken as refusal:
        sys.exit(refusal.detail)
    typer.echo(mint(secret, user_id, claims, expires_in))


@cli.command()
def doctor(
    token: Annotated[str | None, typer.Option(help="Explain this token too; '-' reads it.")] = None,
) -> None:
    """Look at settings, database and keys, and say why a token is or is not accepted."""
    settings = load(Settings)
    if token == "-":  # noqa: S105 - the usual sign for standard input
        token = sys.stdin.readline().strip()
    with database_in_use(settings) as address:
        healthy = asyncio.run(_tell(settings, address, token))
    sys.exit(0 if healthy else 1)


MARKS = {True: "[green]ok[/] ", False: "[red]bad[/]", None: "[dim] · [/]"}


async def _tell(settings: Settings, address: DatabaseUrl, token: str | None) -> bool:
    console = Console(highlight=False, soft_wrap=True)
    bad: list[Finding] = []
    async for finding in examine(settings, address, token):
        console.print(MARKS[finding.good], end=" ")
        console.print(f"{finding.subject}: {finding.text}", markup=False)
        if finding.good is False:
            bad.append(finding)
    remedies = [finding.remedy for finding in bad if finding.remedy is not None]
    if remedies:
        console.print("\nWhat to do, in this order:")
    for number, remedy in enumerate(remedies, 1):
        console.print(f"  {number}. {remedy}", markup=False)
    return not bad


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    document = openapi_document(API_ROUTES, load(DatabaseSettings).user_id_type)
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
