"""Index titles in the order in which they are listed.

Lists were sorted by the server's own order of texts, which differs from server to server. Replicas
of the version before sort by it still, without an index, while they are replaced.
"""

import sqlalchemy as sa
from alembic import op

from taskapi.resource.collation import sort_key

revision = "taskapi_008"
down_revision = "taskapi_007"
branch_labels = None
depends_on = None

OLD, NEW = "tasks_by_title", "tasks_by_title_order"


def upgrade() -> None:
    """Apply it."""
    _replace_index(OLD, NEW, sort_key(sa.column("title", sa.Text)))


def downgrade() -> None:
    """Take it back."""
    _replace_index(NEW, OLD, sa.column("title"))


def _replace_index(old: str, new: str, title: sa.ColumnElement[str]) -> None:
    """Build the one while everybody reads and writes, then drop the other.

    A run that was killed may have left the new one, valid or not, so it is built anew.
    """
    with op.get_context().autocommit_block():
        op.drop_index(new, "tasks", if_exists=True, postgresql_concurrently=True)
        op.create_index(new, "tasks", ["user_id", title], postgresql_concurrently=True)
        op.drop_index(old, "tasks", if_exists=True, postgresql_concurrently=True)
