"""PostgreSQL's statements about policies, rights and roles, for which SQLAlchemy has none."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import DDLElement
from sqlalchemy.sql.compiler import DDLCompiler

from taskapi.database.tables import quoted_name


class CreatePolicy(DDLElement):
    """CREATE POLICY, permissive, for every command and every role."""

    def __init__(
        self, name: str, table: str, *, using: ColumnElement[bool], check: ColumnElement[bool]
    ) -> None:
        self.name = name
        self.table = table
        self.using = using
        self.check = check


class DropPolicy(DDLElement):
    """DROP POLICY."""

    def __init__(self, name: str, table: str) -> None:
        self.name = name
        self.table = table


class RowSecurity(DDLElement):
    """ALTER TABLE … ENABLE or DISABLE ROW LEVEL SECURITY."""

    def __init__(self, table: str, *, enabled: bool) -> None:
        self.table = table
        self.action = "ENABLE" if enabled else "DISABLE"


class CreateRole(DDLElement):
    """CREATE ROLE, for a role that can log in and nothing else."""

    def __init__(self, role: str) -> None:
        self.role = role


class Grant(DDLElement):
    """GRANT rights on a table, or on some of its columns."""

    def __init__(
        self, rights: Iterable[str], table: str, role: str, columns: Iterable[str] = ()
    ) -> None:
        self.rights = tuple(rights)
        self.table = table
        self.role = role
        self.columns = tuple(columns)


class GrantUsage(DDLElement):
    """GRANT USAGE ON SCHEMA."""

    def __init__(self, schema: str, role: str) -> None:
        self.schema = schema
        self.role = role


class RevokeAll(DDLElement):
    """REVOKE every right on a table, those on its columns too."""

    def __init__(self, table: str, role: str) -> None:
        self.table = table
        self.role = role


@compiles(CreatePolicy)
def _create_policy(element: CreatePolicy, compiler: DDLCompiler, **_: Any) -> str:
    using, check = (
        compiler.sql_compiler.process(condition, literal_binds=True)
        for condition in (element.using, element.check)
    )
    name, table = _quoted(compiler, element.name), quoted_name(element.table)
    return f"CREATE POLICY {name} ON {table} USING ({using}) WITH CHECK ({check})"


@compiles(DropPolicy)
def _drop_policy(element: DropPolicy, compiler: DDLCompiler, **_: Any) -> str:
    return f"DROP POLICY {_quoted(compiler, element.name)} ON {quoted_name(element.table)}"


@compiles(RowSecurity)
def _row_security(element: RowSecurity, _compiler: DDLCompiler, **_: Any) -> str:
    table = quoted_name(element.table)
    return f"ALTER TABLE {table} {element.action} ROW LEVEL SECURITY"


@compiles(CreateRole)
def _create_role(element: CreateRole, compiler: DDLCompiler, **_: Any) -> str:
    role = _quoted(compiler, element.role)
    return f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"


@compiles(Grant)
def _grant(element: Grant, compiler: DDLCompiler, **_: Any) -> str:
    columns = ", ".join(_quoted(compiler, name) for name in element.columns)
    rights = ", ".join(f"{it} ({columns})" if columns else it for it in element.rights)
    table, role = quoted_name(element.table), _quoted(compiler, element.role)
    return f"GRANT {rights} ON TABLE {table} TO {role}"


@compiles(GrantUsage)
def _grant_usage(element: GrantUsage, compiler: DDLCompiler, **_: Any) -> str:
    schema, role = _quoted(compiler, element.schema), _quoted(compiler, element.role)
    return f"GRANT USAGE ON SCHEMA {schema} TO {role}"


@compiles(RevokeAll)
def _revoke_all(element: RevokeAll, compiler: DDLCompiler, **_: Any) -> str:
    table, role = quoted_name(element.table), _quoted(compiler, element.role)
    return f"REVOKE ALL ON TABLE {table} FROM {role}"


def _quoted(compiler: DDLCompiler, name: str) -> str:
    """A name in quotation marks in any case, because `current_user` without them is another."""
    return compiler.preparer.quote_identifier(name)
