"""The statements that functions compile when they are first needed, each made once."""

from support.people import SECRET
from taskapi.changes.statements import changes_statement
from taskapi.config import Settings
from taskapi.database import pooler, schema, search_path, tables
from taskapi.database.owner import Users
from taskapi.doctor import division, rights, users
from taskapi.migrations import catalog
from taskapi.resource.pages import Bound, Shape, page_statement
from taskapi.resource.statements import ResourceStatements
from taskapi.tasks.statements import TASKS
from taskapi.transfer import erasing

SETTINGS = Settings.model_validate({"better_auth_secret": SECRET, "create_unknown_users": True})
USERS = Users("users", create_unknown=True)


def make_statements() -> None:
    """Make them all."""
    ResourceStatements(TASKS, USERS)
    for shape in (
        Shape(bound=Bound.REFUSED),
        Shape("-title", frozenset(TASKS.filters), after=True, bound=Bound.CUT),
    ):
        page_statement(TASKS, USERS, shape)
    changes_statement(TASKS)
    pooler.name_statement("taskapi_0")
    schema.state_statement("users")
    search_path.locations_statement()
    tables.set_sequence("tasks")
    catalog.readiness_of(SETTINGS, "taskapi")
    rights.rights_statement(SETTINGS)
    rights.row_security_statement(SETTINGS)
    rights.required_columns("users")
    users.beside_statement("users")
    division.division_statement()
    division.distribution_statement()
    erasing.is_ours_statement("users")
    erasing.erase_some(TASKS.table)
    erasing.erase_rows(tables.own_tables()["tombstones"])
    erasing.erase_identity(USERS)
