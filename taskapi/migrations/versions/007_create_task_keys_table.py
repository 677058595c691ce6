"""Create the table of the keys that clients give tasks when they create them."""

import sqlalchemy as sa
from alembic import context, op

from taskapi.migrations.row_security import owner_policy

revision = "taskapi_007"
down_revision = "taskapi_006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    options = context.get_context().opts
    user_id = sa.BigInteger if options["user_id_type"] == "integer" else sa.Text
    users = sa.ForeignKey(f"{options['users_table']}.id", ondelete="CASCADE")
    op.create_table(
        "task_keys",
        sa.Column("user_id", user_id, users, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("task_id", sa.BigInteger, nullable=False),
    )
    op.execute(owner_policy("task_keys", options["user_id_type"]))
    op.create_index("task_keys_by_task", "task_keys", ["user_id", "task_id"], unique=True)


def downgrade() -> None:
    """Take it back. A create that is sent again with its key then makes a second task."""
    op.drop_table("task_keys")
