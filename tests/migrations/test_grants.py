"""`taskapi grant`: the service's role gets what it needs, and nothing else."""

import pytest

from support.doctor import examined
from support.machine import ROOT
from support.own_database import OwnDatabase
from support.people import Person, token_for
from support.programs import run
from support.service import client_for, settings_for
from taskapi.database.mismatch import grant_command
from taskapi.database.schema import migrate
from taskapi.database.tables import own_tables
from taskapi.migrations.grants import GrantError, grant_rights, sql_of_grant
from taskapi.migrations.row_security import FIRST_DECLARING_REVISION

POLICIES = "SELECT tablename, policyname FROM pg_policies WHERE policyname = 'taskapi_owner'"


def granted(empty: OwnDatabase, role: str) -> list[str]:
    return grant_rights(settings_for(empty.address), empty.address, role)


def secured(empty: OwnDatabase) -> set[str]:
    return {row[0] for row in empty.run("SELECT relname FROM pg_class WHERE relrowsecurity")}


def test_every_table_of_ours_has_the_policy(empty: OwnDatabase) -> None:
    """A migration that creates a table creates its policy, too (`owner_policy`)."""
    empty.migrate()
    assert {row["tablename"] for row in empty.run(POLICIES)} == own_tables().keys()


def test_the_rights_are_enough_for_the_service_and_please_the_doctor(
    empty: OwnDatabase, role: str
) -> None:
    empty.migrate()
    assert granted(empty, role) == granted(empty, role), "it can be repeated"
    assert secured(empty) == own_tables().keys()
    url = empty.address.as_role(role)
    assert not [it for it in examined(url).values() if it.good is False]
    with client_for(settings_for(url)) as http:
        Person("1", token_for("1"), http).create()


def test_the_printed_sql_does_the_same(empty: OwnDatabase, role: str) -> None:
    empty.migrate()
    empty.run_script(sql_of_grant(settings_for(empty.address), role))
    found = examined(empty.address.as_role(role))
    assert found["rights"].text == "complete"
    assert found["row security"].text == "in force"


def test_a_later_table_is_granted_and_secured_by_its_migration(
    empty: OwnDatabase, role: str
) -> None:
    migrate(settings_for(empty.address), empty.address, FIRST_DECLARING_REVISION)
    granted(empty, role)
    empty.migrate()
    assert secured(empty) == own_tables().keys()
    assert examined(empty.address.as_role(role))["rights"].good


def test_a_migration_of_an_older_schema_waits_with_row_security(
    empty: OwnDatabase, role: str
) -> None:
    """Replicas of the version before declare no owner."""
    migrate(settings_for(empty.address), empty.address, "taskapi_002")
    settings = {"DATABASE_URL": empty.address.dsn, "CREATE_UNKNOWN_USERS": True}
    command = ("taskapi", "migrate", "--grant", role)
    done = run(*command, folder=ROOT, settings=settings)
    assert done.returncode == 0, done.stderr
    assert f"then run: {grant_command(role)}" in done.stdout
    assert secured(empty) == set()
    assert run(*command, folder=ROOT, settings=settings).returncode == 0
    assert secured(empty) == own_tables().keys()


def test_excessive_rights_are_bad_and_are_revoked(empty: OwnDatabase, role: str) -> None:
    empty.migrate()
    granted(empty, role)
    quoted = role.replace('"', '""')
    empty.run(f'GRANT DELETE ON users TO "{quoted}"')
    finding = examined(empty.address.as_role(role))["row security"]
    assert finding.good is False
    assert "DELETE on users" in finding.text
    granted(empty, role)
    assert examined(empty.address.as_role(role))["row security"].good is True


def test_a_table_without_row_security_is_bad(empty: OwnDatabase, role: str) -> None:
    empty.migrate()
    granted(empty, role)
    empty.run("ALTER TABLE tasks DISABLE ROW LEVEL SECURITY")
    finding = examined(empty.address.as_role(role))["row security"]
    assert (finding.good, finding.text) == (False, "not enabled on tasks")


def test_row_security_without_our_policies_is_named_instead_of_an_empty_list(
    empty: OwnDatabase, role: str
) -> None:
    empty.migrate()
    granted(empty, role)
    with client_for(settings_for(empty.address.as_role(role))) as http:
        alice = Person("1", token_for("1"), http)
        alice.create()
        empty.run("DROP POLICY taskapi_owner ON tasks")
        assert http.get("/readyz").status_code == 503
    finding = examined(empty.address.as_role(role))["schema"]
    assert "Row security hides every row of tasks" in finding.text
    assert "taskapi grant" in str(finding.remedy)
    granted(empty, role)
    assert examined(empty.address.as_role(role))["schema"].good is True


def test_the_owner_of_the_tables_is_told_that_row_security_does_not_apply(
    empty: OwnDatabase,
) -> None:
    empty.migrate()
    finding = examined(empty.address)["row security"]
    assert finding.good is False
    assert finding.text == "not in force: taskapi is a superuser"


def test_tables_that_the_role_does_not_see_are_found(empty: OwnDatabase, role: str) -> None:
    empty.run_script("CREATE SCHEMA app", "SET search_path TO app")
    empty.migrate()
    for table in [*own_tables(), "taskapi_version", "users"]:
        empty.run(f"ALTER TABLE {table} SET SCHEMA app")
    finding = examined(empty.address.as_role(role))["schema"]
    assert "in the schema app" in finding.text
    assert finding.good is False


@pytest.mark.parametrize(
    ("name", "words"), [("nobody here", "there is no role"), ("taskapi", "is a superuser")]
)
def test_a_role_that_cannot_be_granted_these_rights(
    name: str, words: str, empty: OwnDatabase
) -> None:
    empty.migrate()
    with pytest.raises(GrantError, match=words):
        granted(empty, name)


def test_who_does_not_own_the_tables_is_told_who_does(empty: OwnDatabase, role: str) -> None:
    empty.migrate()
    granted(empty, role)
    with pytest.raises(GrantError, match="belongs to taskapi"):
        grant_rights(settings_for(empty.address), empty.address.as_role(role), "taskapi_service")


def test_a_schema_that_is_not_there_yet(empty: OwnDatabase, role: str) -> None:
    with pytest.raises(GrantError, match="taskapi migrate"):
        granted(empty, role)
