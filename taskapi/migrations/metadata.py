"""The tables of this package, as one database has them."""

from importlib import import_module
from pkgutil import walk_packages

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, MetaData, Table, Text
from sqlmodel import SQLModel

import taskapi
from taskapi.config import UserIdType


def own_tables() -> dict[str, Table]:
    """The tables that this package declares, by their names: those of every module `models`."""
    for module in walk_packages(taskapi.__path__, "taskapi."):
        if module.name.endswith(".models"):
            import_module(module.name)
    return dict(SQLModel.metadata.tables)


def metadata_for(user_id_type: UserIdType, users_table: str) -> MetaData:
    """The tables with this type of user id, referring to this users table.

    Of the users table only what the others refer to: the rest of it is the auth server's.
    """
    metadata = MetaData()
    id_type = BigInteger() if user_id_type == "integer" else Text()
    Table(users_table, metadata, Column("id", id_type, primary_key=True))
    for table in own_tables().values():
        copy = table.to_metadata(metadata)
        copy.c.user_id.type = id_type
        copy.append_constraint(
            ForeignKeyConstraint(["user_id"], [f"{users_table}.id"], ondelete="CASCADE")
        )
    return metadata
