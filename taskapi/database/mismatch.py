"""A database that does not fit the settings or the role, and that no migration changes."""

import shlex

from taskapi.config import LOCAL_DIRECTORY, DatabaseSettings
from taskapi.database.statement import DIALECT
from taskapi.errors import SchemaOutdated

EMPTY_START = f"or move {LOCAL_DIRECTORY} away, and the next start makes an empty database"
"""The other way out of a mismatch, where the database is the embedded one."""


class SchemaMismatch(SchemaOutdated):
    """The schema does not fit the settings, and no migration changes that.

    Attributes:
        mismatch: what does not fit.
        remedy: what to do instead of a migration.
    """

    def __init__(self, mismatch: str, remedy: str = "") -> None:
        super().__init__(f"{mismatch}: {remedy}." if remedy else mismatch)
        self.mismatch = mismatch
        self.remedy = remedy


def mismatch_with(settings: DatabaseSettings, mismatch: str, remedy: str) -> SchemaMismatch:
    """A mismatch, with the other way out where there is one."""
    return SchemaMismatch(mismatch, f"{remedy}, {EMPTY_START}" if settings.embedded else remedy)


def quoted(name: str) -> str:
    """A name as SQL has it, in quotation marks where it needs them."""
    return DIALECT.identifier_preparer.quote(name)


def grant_command(role: str) -> str:
    """The command that grants this role exactly what is needed, as a shell takes it."""
    end_of_options = "-- " if role.startswith("-") else ""
    return f"taskapi grant {end_of_options}{shlex.quote(role)}"
