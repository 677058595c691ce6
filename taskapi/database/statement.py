"""Statements: SQLModel expressions, compiled once to PostgreSQL's text and parameter order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Integer, Text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

# The plain dialect, not that of a driver: those write a cast around every parameter
# ($1::BIGINT), and then one text could not serve all types of user id.
DIALECT: Dialect = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


class Constant(ColumnElement[Any]):
    """A value known when the program is written, quoted into the statement.

    A `literal()` would travel as a parameter with every call.
    """

    inherit_cache = False

    def __init__(self, value: str | int) -> None:
        self.value = value
        self.type = Text() if isinstance(value, str) else Integer()


@compiles(Constant)
def _quoted(element: Constant, compiler: SQLCompiler, **_: Any) -> str:
    return compiler.render_literal_value(element.value, element.type)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, ready to run.

    Attributes:
        text: SQL with `$1`, `$2`, … for its parameters.
        parameters: the name of each, in that order.
        writes: whether it changes rows, and so must not be repeated unless it surely had no effect.
        max_seconds: for which it may run; None: until the request's deadline.
    """

    text: str
    parameters: tuple[str, ...]
    writes: bool
    max_seconds: float | None = None

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """The values in the order of the parameters."""
        return [values[name] for name in self.parameters]


def compiled(expression: ClauseElement, *, max_seconds: float | None = None) -> Statement:
    """Compile an expression; its parameters are its `bindparam`s.

    Raises:
        ValueError: it holds a value instead of a named parameter, which would be lost here.
    """
    result = expression.compile(dialect=DIALECT)
    parameters = tuple(result.positiontup or ()) if isinstance(result, SQLCompiler) else ()
    fixed = [name for name in parameters if result.params[name] is not None]
    if fixed:
        raise ValueError(f"{fixed} hold values: name them with bindparam or write a Constant")
    writes = any(isinstance(part, UpdateBase) for part in visitors.iterate(expression))
    return Statement(str(result), parameters, writes, max_seconds)
