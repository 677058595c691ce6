"""The tables of this package, as one database has them."""

from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table

from taskapi.config import UserIdType
from taskapi.database.owner import ID_TYPES
from taskapi.database.tables import own_tables, split_name


def metadata_for(user_id_type: UserIdType, users_table: str) -> MetaData:
    """The tables with this type of user id, referring to this users table.

    Of the users table only what the others refer to: the rest of it is the auth server's.
    """
    metadata = MetaData()
    id_type = ID_TYPES[user_id_type]
    schema, name = split_name(users_table)
    Table(name, metadata, Column("id", id_type, primary_key=True), schema=schema)
    for table in own_tables().values():
        copy = table.to_metadata(metadata)
        copy.c.user_id.type = id_type
        copy.append_constraint(
            ForeignKeyConstraint(["user_id"], [f"{users_table}.id"], ondelete="CASCADE")
        )
    return metadata
