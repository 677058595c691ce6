"""Keep the outcome of a request with an Idempotency-Key, and not the text of its response.

The release before reads and writes `body`, and may run beside this one while a fleet is replaced.
So the column stays, and is empty in a row of this release. If the release before repeats such a
request, its response has the right status and headers and no body; the write is not done again.
After the way back it is likewise, but the response to a batch has statuses, ids and versions.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import context, op

revision = "taskapi_003"
down_revision = "taskapi_002"
branch_labels = None
depends_on = None

ROWS = 1000
"""Converted at a time, so that a repetition waits for milliseconds if it needs one of them."""

OUTCOMES: dict[str, sa.ARRAY[Any]] = {
    "statuses": sa.ARRAY(sa.SmallInteger),
    "task_ids": sa.ARRAY(sa.BigInteger),
    "versions": sa.ARRAY(sa.DateTime(timezone=True)),
}

kept = sa.table(
    "kept_answers",
    sa.column("user_id"),
    sa.column("key", sa.Text),
    sa.column("task_id", sa.BigInteger),
    sa.column("body", sa.LargeBinary),
    *(sa.column(name, kind) for name, kind in OUTCOMES.items()),
)
KEY = sa.tuple_(kept.c.user_id, kept.c.key)
EMPTY = sa.cast(b"", sa.LargeBinary)


def upgrade() -> None:
    """Apply it. If the SQL is only printed, the texts that are there expire within a day."""
    if not context.is_offline_mode():
        remove_texts()
    op.alter_column("kept_answers", "body", server_default="")
    for name, kind in OUTCOMES.items():
        op.add_column("kept_answers", sa.Column(name, kind))


def downgrade() -> None:
    """Take it back. Requests with a key wait meanwhile."""
    # First of all, for its lock: whoever waits for a row below would have to let it through.
    op.alter_column("kept_answers", "body", server_default=None)
    is_batch = kept.c.statuses.is_not(None)
    op.execute(sa.update(kept).where(is_batch).values(body=from_outcomes()))
    for name in OUTCOMES:
        op.drop_column("kept_answers", name)


def remove_texts() -> None:
    """Take the texts out of the rows that are there.

    On a connection of its own, before the schema changes, and a few rows in each transaction:
    nobody waits for a lock on the table meanwhile. If it ends half-way, the next run does the rest.
    """
    with op.get_bind().engine.connect() as connection:
        if not sa.inspect(connection).has_table("kept_answers"):
            return  # it is new, and was created by the transaction of this very run
        for first, last in pieces(connection):
            within = KEY.between(sa.tuple_(*first), sa.tuple_(*last))
            connection.execute(sa.update(kept).where(within).values(body=without_texts()))
            connection.commit()


def pieces(connection: sa.Connection) -> Iterator[tuple[Any, Any]]:
    """The first and the last key of every piece, in the order of the primary key."""
    keys = sa.select(kept.c.user_id, kept.c.key).order_by(kept.c.user_id, kept.c.key).limit(ROWS)
    rows = connection.execute(keys).all()
    while rows:
        yield rows[0], rows[-1]
        rows = connection.execute(keys.where(sa.tuple_(*rows[-1]) < KEY)).all()


def without_texts() -> sa.ColumnElement[Any]:
    """The response to a batch without its texts; nothing else, as the row has id and version."""
    response = sa.cast(sa.func.convert_from(kept.c.body, "UTF8"), sa.JSON)
    results = sa.func.json_array_elements(response["results"]).column_valued("result")
    result = sa.type_coerce(results, sa.JSON)
    task = result["task"]
    parts = result["status"], task["id"], task["updated_at"]
    converted = body_of(sa.func.json_typeof(task) == "object", *parts)
    is_batch = sa.and_(kept.c.task_id.is_(None), kept.c.body != EMPTY)
    return sa.case((is_batch, converted), else_=EMPTY)


def from_outcomes() -> sa.ColumnElement[Any]:
    """The same body for a batch, from the columns that will be gone."""
    columns = (kept.c[name] for name in OUTCOMES)
    result = sa.func.unnest(*columns).table_valued("status", "id", "updated_at", name="result")
    result = result.render_derived()
    return body_of(result.c.updated_at.is_not(None), *result.c)


def body_of(
    has_task: sa.ColumnElement[bool],
    status: sa.ColumnElement[Any],
    row_id: sa.ColumnElement[Any],
    updated_at: sa.ColumnElement[Any],
) -> sa.ScalarSelect[bytes]:
    """The body of a response that has only status, id and version of each result."""
    build = sa.func.json_build_object
    task = sa.case((has_task, build("id", row_id, "updated_at", updated_at)))
    results = sa.func.json_agg(build("status", status, "task", task))
    text = sa.cast(build("results", results), sa.Text)
    return sa.select(sa.func.convert_to(text, "UTF8")).scalar_subquery()
