"""Schemas and the `search_path`: who does not find the tables is told where they are."""

import re
import secrets
import shlex
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest

from support.doctor import examined
from support.machine import ROOT
from support.own_database import OwnDatabase
from support.people import SECRET, Person, token_for
from support.programs import run
from support.service import client_for, settings_for
from taskapi.database.schema import MigrationError, migrate
from taskapi.database.tables import own_tables
from taskapi.database.url import DatabaseUrl
from taskapi.migrations.grants import GrantError, grant_rights

TABLES = {*own_tables(), "taskapi_version"}


@pytest.fixture
def owner(empty: OwnDatabase) -> Iterator[str]:
    """A role that owns the database, and is no superuser; its name needs quotation marks."""
    name = f"Owner {secrets.token_hex(4)}"
    (row,) = empty.run("SELECT current_database()")
    empty.run_script(
        f'CREATE ROLE "{name}" LOGIN', f'GRANT CREATE ON DATABASE {row[0]} TO "{name}"'
    )
    yield name
    empty.run_script(f'DROP OWNED BY "{name}" CASCADE', f'DROP ROLE "{name}"')


def looking_into(address: DatabaseUrl, path: str) -> DatabaseUrl:
    """The address with this `search_path`, as `DATABASE_URL` may have it."""
    return replace(address, dsn=f"{address.dsn}&options={quote(f'-csearch_path={path}', safe='')}")


def up(address: DatabaseUrl, **changed: object) -> None:
    migrate(settings_for(address, database_url=address.dsn, **changed), address)


def grant(address: DatabaseUrl, role: str, **changed: object) -> None:
    told = {"database_url": address.dsn, "create_unknown_users": True} | changed
    grant_rights(settings_for(address, **told), address, role)


def schemas_of(empty: OwnDatabase, *tables: str) -> set[str]:
    rows = empty.run("SELECT schemaname FROM pg_tables WHERE tablename = ANY($1)", [*tables])
    return {row[0] for row in rows}


def sentence(address: DatabaseUrl, **changed: object) -> str:
    """What the doctor says about the schema, which is what the start says."""
    finding = examined(address, None, database_url=address.dsn, **changed)["schema"]
    assert finding.good is False
    return f"{finding.text}: {finding.remedy}"


def statement_in(said: object) -> str:
    """The statement that a sentence says to run."""
    return str(said).rstrip(".").rpartition("run: ")[2]


def assert_serves(address: DatabaseUrl, **changed: object) -> None:
    assert examined(address, None, database_url=address.dsn, **changed)["schema"].good is True
    with client_for(settings_for(address, database_url=address.dsn, **changed)) as http:
        Person("7", token_for("7"), http).create()


def test_tables_in_a_schema_of_their_own(empty: OwnDatabase, role: str) -> None:
    """As docs/neighbours.md recommends: the users are in public, and the tasks are not."""
    empty.run_script("CREATE TABLE users (id int PRIMARY KEY)", "CREATE SCHEMA taskapi")
    address = looking_into(empty.address, "taskapi,public")
    up(address)
    up(address)
    assert schemas_of(empty, *TABLES) == {"taskapi"}
    assert schemas_of(empty, "users") == {"public"}
    grant(address, role)
    assert_serves(looking_into(empty.address.as_role(role), "taskapi,public"))


def test_who_looks_elsewhere_is_told_what_to_run(empty: OwnDatabase, role: str) -> None:
    """And after each step what the next is, until the service runs."""
    empty.run_script("CREATE TABLE users (id int PRIMARY KEY)", 'CREATE SCHEMA "Our tasks"')
    up(looking_into(empty.address, r'"Our\ tasks",public'))
    address = empty.address.as_role(role)
    said = sentence(address)
    assert f"The tables are in the schema Our tasks, which {role} may not use" in said
    assert "taskapi grant 'Sérvice" in said
    grant(looking_into(empty.address, r'"Our\ tasks",public'), role)
    said = sentence(address)
    assert f'{role} does not look there: its search_path is "$user", public' in said
    empty.run(statement_in(said))
    assert_serves(address)


@pytest.mark.parametrize("option", ["-", "--sql "])
def test_the_command_to_run_takes_the_name_of_every_role(empty: OwnDatabase, option: str) -> None:
    """Typer takes what begins with a dash for an option."""
    name = f"{option}it's {secrets.token_hex(4)}"
    empty.run_script(f'CREATE ROLE "{name}" LOGIN', "CREATE TABLE users (id int PRIMARY KEY)")
    empty.migrate()
    command = statement_in(sentence(empty.address.as_role(name)))
    settings = {"DATABASE_URL": empty.address.dsn, "CREATE_UNKNOWN_USERS": True}
    done = run(*shlex.split(command), folder=ROOT, settings=settings)
    assert done.returncode == 0, done.stderr
    assert_serves(empty.address.as_role(name))
    empty.run_script(f'DROP OWNED BY "{name}"', f'DROP ROLE "{name}"')


def test_the_start_says_it_too(empty: OwnDatabase, role: str) -> None:
    empty.run("CREATE SCHEMA app")
    up(looking_into(empty.address, "app"))
    settings = {"DATABASE_URL": empty.address.as_role(role).dsn, "BETTER_AUTH_SECRET": SECRET}
    done = run("taskapi", "serve", "--port", "0", folder=ROOT, settings=settings)
    assert done.returncode != 0
    assert "taskapi cannot start: The tables are in the schema app, which" in done.stdout


def test_no_second_set_of_tables_is_made_unless_its_schema_was_chosen(
    empty: OwnDatabase, owner: str
) -> None:
    empty.run("CREATE SCHEMA app")
    up(looking_into(empty.address, "app"))
    with pytest.raises(MigrationError, match="The tables are in the schema app, which"):
        up(empty.address.as_role(owner))
    with pytest.raises(MigrationError, match="does not look there"):
        up(empty.address)
    assert schemas_of(empty, *TABLES) == {"app"}
    empty.run("CREATE SCHEMA staging")
    up(looking_into(empty.address, "staging"))
    assert schemas_of(empty, *TABLES, "users") == {"app", "staging"}


@pytest.mark.parametrize("name", sorted(TABLES - {"taskapi_version"}))
def test_a_table_of_the_same_name_in_an_earlier_schema_is_named(
    empty: OwnDatabase, role: str, name: str
) -> None:
    empty.run("CREATE SCHEMA app")
    up(looking_into(empty.address, "app"))
    grant(looking_into(empty.address, "app"), role)
    empty.run_script(f"CREATE TABLE public.{name} (LIKE app.{name})")
    empty.run_script(f'GRANT ALL ON public.{name} TO "{role.replace(chr(34), chr(34) * 2)}"')
    address = empty.address.as_role(role)
    empty.run(f'ALTER ROLE "{role.replace(chr(34), chr(34) * 2)}" SET search_path = public, app')
    said = sentence(address)
    assert f"{role} finds public.{name} before the tables in the schema app" in said
    with pytest.raises(MigrationError, match=f"finds public.{name} before the tables in") as told:
        up(looking_into(empty.address, "public,app"))
    assert "write options=-csearch_path%3Dapp,public in DATABASE_URL" in str(told.value)
    empty.run(statement_in(said))
    assert_serves(address)


@pytest.mark.parametrize("path", ["app,public", "app"])
def test_a_schema_that_was_chosen_and_is_not_there_is_missed(
    empty: OwnDatabase, owner: str, path: str
) -> None:
    """PostgreSQL passes over it, and makes the tables in the next one."""
    address = looking_into(empty.address.as_role(owner), path)
    with pytest.raises(MigrationError, match="finds no schema app that it may use") as refusal:
        up(address)
    assert schemas_of(empty, *TABLES) == set()
    empty.run(statement_in(str(refusal.value).partition("; or,")[0]))
    up(address)
    assert schemas_of(empty, *TABLES) == {"app"}


def test_the_schema_with_the_name_of_the_role_is_its_own(empty: OwnDatabase, owner: str) -> None:
    empty.run_script("CREATE TABLE users (id int PRIMARY KEY)")
    empty.run_script(f'CREATE SCHEMA AUTHORIZATION "{owner}"')
    empty.run_script(f'GRANT REFERENCES ON users TO "{owner}"')
    up(empty.address.as_role(owner))
    assert schemas_of(empty, *TABLES) == {owner}


@pytest.mark.parametrize("taken", [False, True], ids=["may not create", "taken"])
def test_a_schema_in_which_nothing_can_be_made_is_named(
    empty: OwnDatabase, owner: str, taken: bool
) -> None:
    """From PostgreSQL 15 on, public is its owner's alone."""
    empty.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    said = "may not create tables in the schema public"
    if taken:
        empty.run_script("CREATE TABLE tasks (user_id text)", "CREATE TABLE tombstones ()")
        said = "tables of another program with names of ours, tasks, tombstones"
    with pytest.raises(MigrationError, match=said) as refusal:
        up(empty.address.as_role(owner))
    statements = re.findall(r"run: (.*?)(?:; then|\. For|$)", str(refusal.value))
    assert len(statements) == 2 + (not taken)
    empty.run_script(*statements[-2:])
    up(empty.address.as_role(owner))
    assert schemas_of(empty, "taskapi_version") == {"taskapi"}
    assert taken or statements[0] == f'GRANT CREATE ON SCHEMA public TO "{owner}"'


# The users, in another schema


@pytest.mark.parametrize("name", ["auth.user", "Auth.User"])
def test_the_users_table_may_be_named_with_its_schema(
    empty: OwnDatabase, role: str, name: str
) -> None:
    schema, _, table = name.partition(".")
    empty.run_script(
        f'CREATE SCHEMA "{schema}"',
        f'CREATE TABLE "{schema}"."{table}" (id int PRIMARY KEY, name text)',
    )
    up(empty.address, users_table=name)
    grant(empty.address, role, users_table=name)
    address = empty.address.as_role(role)
    assert_serves(address, users_table=name, create_unknown_users=True)
    said = sentence(address, users_table=table)
    assert f"is not the table of the tasks' owners, which is {name}: set USERS_TABLE={name}" in said
    empty.run_script("INSERT INTO tasks (title, user_id) VALUES ('Of another program', 7)")
    empty.run_script(f'TRUNCATE "{schema}"."{table}" CASCADE')
    assert empty.run("SELECT FROM tasks") == []
    migrate(settings_for(empty.address, users_table=name), empty.address, "base", down=True)
    assert schemas_of(empty, table) == {schema}


def test_a_schema_of_the_users_that_the_role_may_not_use(empty: OwnDatabase, role: str) -> None:
    empty.run_script("CREATE SCHEMA auth", "CREATE TABLE auth.users (id int PRIMARY KEY)")
    up(empty.address, users_table="auth.users")
    grant(empty.address, role, users_table="auth.users")
    quoted = '"' + role.replace('"', '""') + '"'
    empty.run_script(f"REVOKE USAGE ON SCHEMA auth FROM {quoted}")
    said = sentence(empty.address.as_role(role), users_table="auth.users")
    assert f"The tasks' owners are in the schema auth, which the role {role} may not use" in said
    grant(empty.address, role, users_table="auth.users")
    assert_serves(empty.address.as_role(role), users_table="auth.users")


def test_an_owner_of_the_users_elsewhere_is_told_what_to_grant(
    empty: OwnDatabase, owner: str, role: str
) -> None:
    """Two schemas of two owners: what one cannot grant, the other is asked for."""
    empty.run_script(
        "CREATE SCHEMA auth",
        "CREATE TABLE auth.users (id int PRIMARY KEY)",
        f'CREATE SCHEMA app AUTHORIZATION "{owner}"',
        f'GRANT USAGE ON SCHEMA auth TO "{owner}"',
    )
    address = looking_into(empty.address.as_role(owner), "app")
    with pytest.raises(MigrationError, match="belongs to taskapi: as that role, run") as refusal:
        up(address, users_table="auth.users")
    empty.run(statement_in(refusal.value))
    up(address, users_table="auth.users")
    with pytest.raises(GrantError, match="belongs to taskapi; first run as it: ") as denied:
        grant(address, role, users_table="auth.users")
    empty.run_script(str(denied.value).rpartition("run as it: ")[2])
    grant(address, role, users_table="auth.users")
    assert_serves(looking_into(empty.address.as_role(role), "app"), users_table="auth.users")
