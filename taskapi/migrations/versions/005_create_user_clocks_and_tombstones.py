"""Create the clock of each user, which their writes lock, and the tombstones of deleted tasks."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op

from taskapi.database.statement import Constant
from taskapi.migrations.row_security import (
    clock_sweep_policy,
    clock_watch_policy,
    owner_policy,
    sweep_policy,
)

revision = "005"
down_revision = "004"
branch_labels = None
depends_on = None

UNDECLARED = "coalesce(current_setting('taskapi.owner', true), '') = ''"
"""Every write of the service declares its owner, so the triggers cost it one comparison."""

# PL/pgSQL, because SQLAlchemy has no expression for a trigger. It acts for a replica of the version
# before, and for the SQL of other programs. It runs with the rights of the tables' owner, because
# their role may have none on the clocks. In a user's own deletion, which cascades, it does nothing.
# Its own update declares an owner, so that it moves no clock. Not in a SET clause of the function,
# which PostgreSQL allows to superusers only.
MOVE_CLOCK = """
CREATE FUNCTION taskapi_move_clock() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    row tasks := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    moved timestamptz;
BEGIN
    INSERT INTO user_clocks AS clock (user_id, started_at, changed_at)
    SELECT id, clock_timestamp(), greatest(clock_timestamp(), row.updated_at)
    FROM {users} WHERE id = row.user_id
    ON CONFLICT (user_id) DO UPDATE
    SET changed_at = greatest(
        clock_timestamp(), row.updated_at, clock.changed_at + interval '1 microsecond'
    )
    RETURNING changed_at INTO moved;
    IF TG_OP = 'INSERT' THEN
        NEW.updated_at := coalesce(moved, NEW.updated_at);
    ELSIF moved IS NOT NULL AND TG_OP = 'UPDATE' THEN
        PERFORM set_config('taskapi.owner', 'trigger', true);
        UPDATE tasks SET updated_at = moved WHERE id = row.id;
        PERFORM set_config('taskapi.owner', '', true);
    ELSIF moved IS NOT NULL THEN
        INSERT INTO tombstones (user_id, deleted_at, task_id) VALUES (row.user_id, moved, row.id);
    END IF;
    RETURN NEW;
END $$
"""

# Before an insert, so that what it returns is right. After the others, because PostgreSQL locks a
# row for a trigger before an update, even if the trigger has nothing to do.
TRIGGERS = {
    "taskapi_insert_moves_clock": "BEFORE INSERT",
    "taskapi_change_moves_clock": "AFTER UPDATE OR DELETE",
}


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
    for table in ("user_clocks", "tombstones"):
        op.execute(owner_policy(table, _options()["user_id_type"]))
    a_day = sa.cast(Constant("1 day"), sa.Interval())
    op.execute(sweep_policy("tombstones", sa.column("deleted_at") <= sa.func.now() - a_day))
    op.execute(clock_sweep_policy())
    op.execute(clock_watch_policy())
    quoted = context.get_context().dialect.identifier_preparer.quote(_options()["users_table"])
    op.execute(MOVE_CLOCK.format(users=quoted))
    for name, moment in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {name} {moment} ON tasks FOR EACH ROW "
            f"WHEN ({UNDECLARED}) EXECUTE FUNCTION taskapi_move_clock()"
        )


def downgrade() -> None:
    """Take it back."""
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON tasks")
    op.execute("DROP FUNCTION taskapi_move_clock()")
    op.drop_table("tombstones")
    op.drop_table("user_clocks")


def _options() -> dict[str, Any]:
    return context.get_context().opts


def _user_id() -> sa.Column[Any]:
    kind: type[sa.BigInteger | sa.Text] = (
        sa.BigInteger if _options()["user_id_type"] == "integer" else sa.Text
    )
    return sa.Column(
        "user_id",
        kind,
        sa.ForeignKey(f"{_options()['users_table']}.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
