"""The service's own statements, for those who run them without the service."""

from taskapi.database.statement import Statement
from taskapi.tasks import statements
from taskapi.tasks.listing import Shape, page_statement
from taskapi.tasks.statements import UserStatements

_of_users = UserStatements("users", create_unknown_users=True)

GET = statements.GET
PAGE = page_statement(_of_users.known, Shape())
CREATE = _of_users.create
UPDATE = statements.UPDATE
TOGGLE = statements.COMPLETE
DELETE = statements.DELETE


def arguments(statement: Statement, **values: object) -> list[object]:
    """The values in the order of the parameters; null for those that are not given."""
    return [values.get(name) for name in statement.parameters]


def literal(value: object) -> str:
    """A value as SQL has it."""
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
