"""Create the table of answers that are kept for requests with an Idempotency-Key."""

import sqlalchemy as sa
from alembic import context, op

revision = "taskapi_002"
down_revision = "taskapi_001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    options = context.get_context().opts
    user_id = sa.BigInteger if options["user_id_type"] == "integer" else sa.Text
    op.create_table(
        "kept_answers",
        sa.Column(
            "user_id",
            user_id,
            sa.ForeignKey(f"{options['users_table']}.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("task_id", sa.BigInteger),
        sa.Column("version", sa.DateTime(timezone=True)),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column(
            "kept_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
        ),
    )
    op.create_index("kept_answers_by_age", "kept_answers", ["kept_at"])


def downgrade() -> None:
    """Take it back."""
    op.drop_table("kept_answers")
