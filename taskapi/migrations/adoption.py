"""Databases of earlier versions, whose revision stands in Alembic's own table.

Any program that uses Alembic keeps its revision in `alembic_version` unless told otherwise. Two of
them in one database overwrote each other's, so ours is in a table of its own, under ids that nobody
else has (docs/decisions/0033).
"""

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Text, column, inspect, select, table

from taskapi.database.schema import revisions
from taskapi.database.search_path import OUR_CONSTRAINT
from taskapi.database.tables import REVISION_PREFIX, VERSION_TABLE
from taskapi.migrations.catalog import read_granted_roles
from taskapi.migrations.ddl import Grant

SHARED_TABLE = "alembic_version"


def adopt_revision(context: MigrationContext, scripts: ScriptDirectory) -> None:
    """Copy the revision that an earlier version left in the shared table, and who may read it.

    It stays there too, because replicas of that version read it while they are replaced.
    """
    connection = context.connection
    if connection is None or inspect(connection).has_table(VERSION_TABLE):
        return
    revision = _shared_revision(connection)
    if revision is None:
        return
    context.stamp(scripts, revision)
    for role in read_granted_roles(connection, SHARED_TABLE, ["SELECT"]):
        connection.execute(Grant(["SELECT"], VERSION_TABLE, role))


def _shared_revision(connection: Connection) -> str | None:
    found = inspect(connection)
    if not (found.has_table(SHARED_TABLE) and found.has_table("tasks")):
        return None
    constraints = [constraint["name"] for constraint in found.get_check_constraints("tasks")]
    if OUR_CONSTRAINT not in constraints:
        return None
    shared = select(column("version_num", Text)).select_from(table(SHARED_TABLE))
    ours = (f"{REVISION_PREFIX}{number}" for number in connection.scalars(shared))
    return next((revision for revision in ours if revision in revisions()), None)
