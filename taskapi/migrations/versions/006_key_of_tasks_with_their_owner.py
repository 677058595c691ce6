"""Make the owner a part of the tasks' primary key.

A task is looked up by its id and its owner. With an index of the id alone, another user's row was
found and then thrown away, which took longer than finding none.
"""

from alembic import op

from taskapi.migrations.online import ReplacePrimaryKey, limit_lock_waits

revision = "taskapi_006"
down_revision = "taskapi_005"
branch_labels = None
depends_on = None

INDEX = "tasks_new_key"
"""Until it takes the name of the primary key."""


def upgrade() -> None:
    """Apply it."""
    _change_key("id", "user_id")


def downgrade() -> None:
    """Take it back."""
    _change_key("id")


def _change_key(*columns: str) -> None:
    """Build the index while everybody reads and writes, then change the catalogue.

    A run that was killed may have left such an index, valid or not, so it is built anew.
    """
    with op.get_context().autocommit_block():
        op.drop_index(INDEX, "tasks", if_exists=True, postgresql_concurrently=True)
        op.create_index(INDEX, "tasks", columns, unique=True, postgresql_concurrently=True)
    limit_lock_waits(op.get_bind())
    op.execute(ReplacePrimaryKey("tasks", INDEX))
