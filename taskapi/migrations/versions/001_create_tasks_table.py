"""Create the tasks table, and a minimal users table where none is there yet."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op

from taskapi.config import UserIdType
from taskapi.database.owner import ID_TYPES
from taskapi.database.tables import split_name
from taskapi.database.users_table import MADE_HERE

revision = "taskapi_001"
down_revision = None
branch_labels = None
depends_on = None

GENERATED_IDS: dict[UserIdType, dict[str, Any]] = {
    "integer": {"server_default": sa.Identity()},
    "text": {},
    "uuid": {"server_default": sa.func.gen_random_uuid()},
}
"""Of a users table of our making: Better Auth leaves integers and uuids to the database."""


def _options() -> tuple[str, UserIdType]:
    options = context.get_context().opts
    return options["users_table"], options["user_id_type"]


def upgrade() -> None:
    """Apply it."""
    users_table, user_id_type = _options()
    _create_users(users_table, user_id_type)
    op.create_table(
        "tasks",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("description", sa.String(5000), nullable=False, server_default=""),
        sa.Column("is_completed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
        sa.Column(
            "user_id",
            ID_TYPES[user_id_type],
            sa.ForeignKey(f"{users_table}.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.CheckConstraint("char_length(title) > 0", name="tasks_title_not_empty"),
    )
    op.create_index("tasks_by_age", "tasks", ["user_id", "created_at", "id"])
    op.create_index("tasks_by_title", "tasks", ["user_id", "title"])


def _create_users(users_table: str, user_id_type: UserIdType) -> None:
    """Make a users table of only an id, unless Better Auth made one before.

    It adds its own columns to this one, as long as none here is NOT NULL without a default.
    """
    schema, name = split_name(users_table)
    unseen = context.is_offline_mode()
    if not unseen and sa.inspect(op.get_bind()).has_table(name, schema):
        return
    op.create_table(
        name,
        sa.Column("id", ID_TYPES[user_id_type], primary_key=True, **GENERATED_IDS[user_id_type]),
        comment=None if unseen else MADE_HERE,  # of what is there already, it would be untrue
        schema=schema,
        if_not_exists=True,
    )


def downgrade() -> None:
    """Take it back: the tasks, and the users table if it came from here and nobody extended it."""
    users_table, _ = _options()
    op.drop_table("tasks")
    if context.is_offline_mode():
        return
    database = sa.inspect(op.get_bind())
    schema, name = split_name(users_table)
    ours = database.get_table_comment(name, schema)["text"] == MADE_HERE
    if ours and len(database.get_columns(name, schema)) == 1:
        op.drop_table(name, schema=schema)
