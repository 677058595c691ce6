"""The tables of this package, as one database has them."""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, MetaData, Table, Text

from taskapi.config import UserIdType
from taskapi.database.tables import own_tables


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
