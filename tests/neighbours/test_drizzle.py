"""A web application that migrates the same database with Drizzle's own drizzle-kit."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from support.machine import ROOT, cannot
from support.own_database import OwnDatabase, own_database
from support.people import Person, token_for
from support.service import as_service, client_for, prepare, settings_for
from support.waiting import PATIENCE
from taskapi.database.tables import own_tables
from taskapi.database.url import DatabaseUrl

HERE = Path(__file__).parent
KIT = HERE / "node_modules" / "drizzle-kit" / "bin.cjs"
INSTALL = "npm ci --prefix tests/neighbours --no-audit --no-fund"
PAGE = (ROOT / "docs" / "neighbours.md").read_text()

USERS = {"users_table": "user", "user_id_type": "text"}
TABLES = {*own_tables(), "taskapi_version"}

CREATE = 'CREATE TABLE "user" (id text PRIMARY KEY)'
SIGN_UP = "INSERT INTO \"user\" (id) VALUES ('alice')"


def push(own: OwnDatabase, config: str) -> subprocess.CompletedProcess[str]:
    """Bring the web application's tables up to date, as its developer does."""
    node = shutil.which("node")
    if node is None or not KIT.is_file():
        cannot(f"this test needs Node 20 or later, and its packages: {INSTALL}")
    return subprocess.run(
        [node, str(KIT), "push", "--force", f"--config={config}"],
        cwd=HERE,
        env=os.environ | {"DATABASE_URL": own.address.dsn},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def columns_of_users(own: OwnDatabase) -> set[str]:
    query = "SELECT attname FROM pg_attribute WHERE attrelid = 'public.user'::regclass"
    return {row[0] for row in own.run(f"{query} AND attnum > 0")}


def schema_of(own: OwnDatabase) -> dict[str, str]:
    """Which of our tables are where."""
    rows = own.run(
        "SELECT tablename, schemaname FROM pg_tables WHERE tablename = ANY($1)", [*TABLES]
    )
    return {row[0]: row[1] for row in rows}


@pytest.fixture
def own(database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """The database of the web application, which has a user already."""
    with own_database(database) as own:
        own.run_script(CREATE, SIGN_UP)
        yield own


def test_in_a_schema_of_their_own_the_tasks_stay(own: OwnDatabase) -> None:
    """The blocks of the page, and then a migration of the web application."""
    own.run("CREATE SCHEMA taskapi")
    options = f"&options={quote('-csearch_path=taskapi,public', safe='')}"
    address = replace(own.address, dsn=own.address.dsn + options)
    prepare(address, **USERS)
    settings = settings_for(as_service(address), **USERS, create_unknown_users=False)
    with client_for(settings) as http:
        alice = Person("alice", token_for("alice"), http)
        task = alice.create()
        done = push(own, "drizzle.config.mjs")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert columns_of_users(own) == {"id", "email"}
        assert schema_of(own) == dict.fromkeys(TABLES, "taskapi")
        assert alice.get().json()["tasks"] == [task]
        assert "No changes detected" in push(own, "drizzle.config.mjs").stdout


def test_in_one_schema_with_nothing_said_a_push_drops_them(own: OwnDatabase) -> None:
    """So the page is needed, and the test above can fail."""
    prepare(own.address, **USERS)
    push(own, "unfiltered.config.mjs")
    assert schema_of(own) == {}


def test_in_one_schema_a_filter_of_tables_keeps_them_and_ends_the_push(own: OwnDatabase) -> None:
    """It does not filter the sequence of the tasks' ids, which PostgreSQL refuses to drop."""
    prepare(own.address, **USERS)
    done = push(own, "one-schema.config.mjs")
    assert schema_of(own) == dict.fromkeys(TABLES, "public")
    assert "column id of table tasks" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["drizzle.config.mjs"])
def test_the_page_shows_what_is_run(name: str) -> None:
    blocks = re.findall(r"^```js\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert (HERE / name).read_text() in blocks


def test_the_page_names_the_versions_that_are_run_and_every_table_of_ours() -> None:
    versions = re.findall(r'"(drizzle-\w+)": "([\d.]+)"', (HERE / "package.json").read_text())
    for package, version in versions:
        assert f"{package} {version}" in PAGE
    for table in TABLES:
        assert f'"public.{table}"' in PAGE
