"""Create the policies of row security on the tables so far; `taskapi grant` has them applied."""

import sqlalchemy as sa
from alembic import context, op

from taskapi.database.schema import OWNER_POLICY
from taskapi.database.statement import Constant
from taskapi.migrations.ddl import DropPolicy, RowSecurity
from taskapi.migrations.row_security import (
    SWEEP_POLICY,
    owner_policy,
    sweep_policy,
)

revision = "taskapi_004"
down_revision = "taskapi_003"
branch_labels = None
depends_on = None

TABLES = ("tasks", "kept_answers")


def upgrade() -> None:
    """Apply it."""
    for table in TABLES:
        op.execute(owner_policy(table, context.get_context().opts["user_id_type"]))
    a_day = sa.cast(Constant("24 hours"), sa.Interval())
    op.execute(sweep_policy("kept_answers", sa.column("kept_at") <= sa.func.now() - a_day))


def downgrade() -> None:
    """Take it back. Without its policies, a table with row security would seem empty."""
    for table in TABLES:
        op.execute(RowSecurity(table, enabled=False))
        op.execute(DropPolicy(OWNER_POLICY, table))
    op.execute(DropPolicy(SWEEP_POLICY, "kept_answers"))
