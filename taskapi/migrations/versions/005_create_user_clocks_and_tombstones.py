"""Create the clock of each user, which their writes lock, and the tombstones of deleted tasks."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op

revision = "005"
down_revision = "002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it. A clock starts with its user's first write."""
    op.create_table(
        "user_clocks",
        _user_id(),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("max_task_count", sa.BigInteger),
        sa.Column("swept_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "tombstones",
        _user_id(),
        sa.Column("deleted_at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("task_id", sa.BigInteger, primary_key=True, autoincrement=False),
    )
    op.create_index("tombstones_by_age", "tombstones", ["deleted_at"])


def _user_id() -> sa.Column[Any]:
    options = context.get_context().opts
    kind: type[sa.BigInteger | sa.Text] = (
        sa.BigInteger if options["user_id_type"] == "integer" else sa.Text
    )
    return sa.Column(
        "user_id",
        kind,
        sa.ForeignKey(f"{options['users_table']}.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("tombstones")
    op.drop_table("user_clocks")
