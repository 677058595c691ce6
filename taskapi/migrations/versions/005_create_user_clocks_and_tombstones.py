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

revision = "taskapi_005"
down_revision = "taskapi_004"
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
    moved timestamptz;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD IS NOT DISTINCT FROM NEW THEN
        RETURN NEW;
    END IF;
    IF OLD.user_id <> NEW.user_id OR TG_OP = 'DELETE' THEN
        moved := taskapi_moved_clock(OLD, false, false);
        INSERT INTO tombstones (user_id, deleted_at, task_id)
        SELECT OLD.user_id, moved, OLD.id WHERE moved IS NOT NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.updated_at := coalesce(taskapi_moved_clock(NEW, true, true), NEW.updated_at);
    ELSIF TG_OP = 'UPDATE' THEN
        moved := taskapi_moved_clock(
            NEW, NEW.updated_at <> OLD.updated_at, NEW.user_id <> OLD.user_id
        );
        IF moved <> NEW.updated_at THEN
            PERFORM set_config('taskapi.owner', 'trigger', true);
            UPDATE tasks SET updated_at = moved WHERE id = NEW.id;
            PERFORM set_config('taskapi.owner', '', true);
        END IF;
    END IF;
    RETURN NEW;
END $$
"""

# Once in a transaction, because a row that is updated again and again in one gets slower each time.
# A time that the writer chose stays, if it is later than all others: it has been returned already,
# as the version of the task. Tasks that were added are counted when the quota needs it.
MOVED_CLOCK = """
CREATE FUNCTION taskapi_moved_clock(task tasks, written boolean, added boolean)
RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    moved timestamptz;
BEGIN
    SELECT changed_at INTO moved FROM user_clocks
    WHERE user_id = task.user_id AND xmin = pg_current_xact_id()::xid
        AND NOT (added AND max_task_count IS NOT NULL)
        AND NOT (written AND task.updated_at > changed_at);
    IF FOUND THEN
        RETURN moved;
    END IF;
    INSERT INTO user_clocks AS clock (user_id, started_at, changed_at)
    SELECT id, clock_timestamp(), greatest(clock_timestamp(), task.updated_at, (
        SELECT max(updated_at) FROM tasks WHERE user_id = task.user_id
        AND NOT EXISTS (SELECT FROM user_clocks AS running WHERE running.user_id = task.user_id)
    ))
    FROM {users} WHERE id = task.user_id
    ON CONFLICT (user_id) DO UPDATE SET
        changed_at = CASE WHEN written AND task.updated_at > clock.changed_at
            THEN task.updated_at
            ELSE greatest(
                clock_timestamp(), greatest(clock.changed_at, task.updated_at) + '1 microsecond'
            )
        END,
        max_task_count = CASE WHEN NOT added THEN clock.max_task_count END
    RETURNING changed_at INTO moved;
    RETURN moved;
END $$
"""

# TRUNCATE leaves no tombstones, so whoever follows the changes has to begin anew.
RESTART_CLOCKS = """
CREATE FUNCTION taskapi_restart_clocks() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE user_clocks SET started_at = clock_timestamp(), changed_at = greatest(
        clock_timestamp(), changed_at + interval '1 microsecond'
    );
    RETURN NULL;
END $$
"""

# Before an insert, so that what it returns is right. After the others, because PostgreSQL locks a
# row for a trigger before an update, even if the trigger has nothing to do.
TRIGGERS = {
    "taskapi_insert_moves_clock": "BEFORE INSERT",
    "taskapi_change_moves_clock": "AFTER UPDATE OR DELETE",
}
RESTARTS = "taskapi_truncate_restarts_clocks"


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
    for function in (MOVED_CLOCK, MOVE_CLOCK, RESTART_CLOCKS):
        op.execute(function.format(users=quoted))
    for name, moment in TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER {name} {moment} ON tasks FOR EACH ROW "
            f"WHEN ({UNDECLARED}) EXECUTE FUNCTION taskapi_move_clock()"
        )
    op.execute(
        f"CREATE TRIGGER {RESTARTS} AFTER TRUNCATE ON tasks "
        "EXECUTE FUNCTION taskapi_restart_clocks()"
    )


def downgrade() -> None:
    """Take it back."""
    for name in (*TRIGGERS, RESTARTS):
        op.execute(f"DROP TRIGGER {name} ON tasks")
    for function in ("move_clock()", "moved_clock(tasks, boolean, boolean)", "restart_clocks()"):
        op.execute(f"DROP FUNCTION taskapi_{function}")
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
