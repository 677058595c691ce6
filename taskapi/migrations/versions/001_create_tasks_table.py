"""Create the tasks table, and a minimal users table where none is there yet."""

import sqlalchemy as sa
from alembic import context, op

from taskapi.database.schema import MigrationError

revision = "taskapi_001"
down_revision = None
branch_labels = None
depends_on = None

MADE_HERE = "made by taskapi"
"""The comment on a users table of our making, by which the way back knows it."""


def _options() -> tuple[str, type[sa.BigInteger | sa.Text]]:
    options = context.get_context().opts
    kind = sa.BigInteger if options["user_id_type"] == "integer" else sa.Text
    return options["users_table"], kind


def upgrade() -> None:
    """Apply it."""
    users_table, user_id = _options()
    _create_users(users_table, user_id)
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
            user_id,
            sa.ForeignKey(f"{users_table}.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.CheckConstraint("char_length(title) > 0", name="tasks_title_not_empty"),
    )
    op.create_index("tasks_by_age", "tasks", ["user_id", "created_at", "id"])
    op.create_index("tasks_by_title", "tasks", ["user_id", "title"])


def _create_users(users_table: str, user_id: type[sa.BigInteger | sa.Text]) -> None:
    """Make a users table of only an id, unless Better Auth made one before.

    It adds its own columns to this one, as long as none here is NOT NULL without a default.
    """
    unseen = context.is_offline_mode()
    if not unseen:
        database = sa.inspect(op.get_bind())
        if database.has_table(users_table):
            return
        _refuse_second_table(users_table, database.get_table_names())
    generated = [sa.Identity()] if user_id is sa.BigInteger else []
    op.create_table(
        users_table,
        sa.Column("id", user_id, *generated, primary_key=True),
        comment=None if unseen else MADE_HERE,  # of what is there already, it would be untrue
        if_not_exists=True,
    )


def _refuse_second_table(users_table: str, tables: list[str]) -> None:
    """In an empty table beside Better Auth's `user`, `User` or `Users`, nobody would be found."""
    for name in tables:
        if name.lower() in {"user", "users"}:
            raise MigrationError(
                f"USERS_TABLE={users_table} is not there, but {name} is: set USERS_TABLE={name}, "
                f"or create the table {users_table} first"
            )


def downgrade() -> None:
    """Take it back: the tasks, and the users table if it came from here and nobody extended it."""
    users_table, _ = _options()
    op.drop_table("tasks")
    if context.is_offline_mode():
        return
    database = sa.inspect(op.get_bind())
    ours = database.get_table_comment(users_table)["text"] == MADE_HERE
    if ours and len(database.get_columns(users_table)) == 1:
        op.drop_table(users_table)
