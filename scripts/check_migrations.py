"""Whether models and migrations agree, and every step up can be taken back with data in place."""

import asyncio
import io
import sys
import tempfile
from pathlib import Path
from typing import get_args

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from taskapi.config import DatabaseSettings, UserIdType
from taskapi.database.schema import MIGRATIONS
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.server import EmbeddedServer

ADD_A_TASK = """
    INSERT INTO users (id) VALUES ('{id}') ON CONFLICT DO NOTHING;
    INSERT INTO tasks (title, user_id) VALUES ('Buy milk', '{id}');
"""

IDS: dict[UserIdType, str] = {
    "integer": "1",
    "text": "Kx3mQ9vT2bLw",
    "uuid": "0b54c9e5-6f0a-4c0e-9f0e-2d0c8a1b7e63",
}


def new_database(server: DatabaseUrl, name: str) -> DatabaseUrl:
    """An empty database of this name."""
    execute(server, f"CREATE DATABASE {name}")
    return DatabaseUrl(server.dsn.replace("/postgres?", f"/{name}?"), pooler=False)


def execute(address: DatabaseUrl, sql: str) -> None:
    """Run statements on a connection of their own."""

    async def run() -> None:
        connection = await asyncpg.connect(address.dsn)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(run())


def climb(config: Config, address: DatabaseUrl, user_id: str) -> int:
    """Take every step up, down and up again, and the whole way down; gives the number of steps."""
    steps = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    for revision in reversed(steps):
        command.upgrade(config, revision)
        execute(address, ADD_A_TASK.format(id=user_id))
        command.downgrade(config, "-1")
        command.upgrade(config, revision)
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    return len(steps)


def main() -> None:
    """Check all types of user id, and print what was found."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "database")
        try:
            address = server.start()
            for kind in get_args(UserIdType):
                config = Config(stdout=io.StringIO())
                config.set_main_option("script_location", str(MIGRATIONS))
                config.attributes["settings"] = DatabaseSettings(user_id_type=kind)
                config.attributes["url"] = new_database(address, f"users_{kind}")
                steps = climb(config, config.attributes["url"], IDS[kind])
                command.check(config)
        except CommandError as error:
            sys.exit(f"Migrations, with user ids of type {kind}: {error}")
        finally:
            server.stop()
    print(f"Migrations: {steps} steps go up, down and up with data, and end at the models.")


main()
