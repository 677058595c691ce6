"""Settings of PostgreSQL that the role or the database has, and with which the service fails."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Text, cast, column, func, select, table

from taskapi.database.statement import DIALECT, Constant, compiled
from taskapi.doctor.findings import Finding


class Rule(NamedTuple):
    """What a setting must not be, and why."""

    name: str
    forbidden: str
    consequence: str


READ_ONLY = "default_transaction_read_only"

LOSES_WRITES = "a crash of the server loses writes that clients were told of"

RULES = (
    Rule(READ_ONLY, "on", "every write is refused"),
    Rule("row_security", "off", "statements fail, where a policy would hide rows from them"),
    Rule("synchronous_commit", "off", LOSES_WRITES),
    Rule("fsync", "off", LOSES_WRITES),
    Rule("full_page_writes", "off", LOSES_WRITES),
)

_settings = table("pg_settings", column("name"), column("setting"), column("source"))

SESSION_SETTINGS = compiled(
    select(
        _settings.c.name,
        _settings.c.setting,
        _settings.c.source,
        cast(func.current_user(), Text).label("role"),
        cast(func.current_database(), Text).label("database"),
    ).where(_settings.c.name.in_([Constant(rule.name) for rule in RULES]))
)
"""One row for each setting of `RULES`; its `source` says where the value comes from."""


def session_settings(rows: Sequence[Any]) -> Iterator[Finding]:
    """Those that must be changed; one good finding where there are none.

    Args:
        rows: of the statement `SESSION_SETTINGS`.
    """
    found = {row["name"]: row for row in rows}
    broken = [rule for rule in RULES if found[rule.name]["setting"] == rule.forbidden]
    for rule in broken:
        yield Finding(
            f"setting {rule.name}",
            f"{rule.forbidden}, so {rule.consequence}",
            good=False,
            remedy=_reset(found[rule.name]),
        )
    if not broken:
        yield Finding("session settings", "none that loses writes or refuses statements")


def _reset(row: Any) -> str:
    """What to run, as a superuser or as the owner of what has the setting."""
    quote = DIALECT.identifier_preparer.quote
    role, database = quote(row["role"]), quote(row["database"])
    holders = {
        "user": f"ROLE {role}",
        "database": f"DATABASE {database}",
        "database user": f"ROLE {role} IN DATABASE {database}",
        "global": "ROLE ALL",
    }
    holder = holders.get(row["source"])
    if holder is None:
        return f"remove {row['name']} from the server's configuration, or from DATABASE_URL"
    # Otherwise the session that resets it may have it too.
    writable = "SET default_transaction_read_only = off; " if row["name"] == READ_ONLY else ""
    return f"{writable}ALTER {holder} RESET {row['name']}"
