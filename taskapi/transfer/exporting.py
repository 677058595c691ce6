"""An export: a user's tasks of one moment, as a file.

They are read at once, in one snapshot, into a spool, from which clients take as long as they like:
a slow one holds no transaction open, which would keep PostgreSQL from cleaning up
(docs/decisions/0040).
"""

from contextlib import ExitStack

from taskapi.changes.feed import ChangeFeed
from taskapi.database.executor import Executor, Transaction
from taskapi.edge.memory import MEBIBYTE
from taskapi.errors import UserNotFound
from taskapi.resource.pages import PageRequest
from taskapi.resource.schemas import Filters
from taskapi.transfer.formats.records import ExportFormat
from taskapi.transfer.spool import Progress, Spool

MAX_EXPORT_BYTES = 1024 * MEBIBYTE
"""100,000 tasks of 10 kB."""

ORDER = "created_at"
"""The one that an index has. In any other, each page would sort all tasks again: 100,000 by their
title took more than a minute."""

PAGE_ROWS = 200
PAGE_BYTES = MEBIBYTE
"""What is read and written at a time: so many tasks of 5 kB. PostgreSQL renders rows that do not
fit in vain: with 1000, an export of such tasks takes three times as long."""


async def export_tasks(  # noqa: PLR0913 - the last two have a default
    executor: Executor,
    feed: ChangeFeed,
    filters: Filters,
    form: ExportFormat,
    *,
    max_bytes: int | None = MAX_EXPORT_BYTES,
    progress: Progress = lambda _: None,
) -> Spool:
    """A user's tasks as a file, which the caller closes.

    Args:
        executor: runs the statements.
        feed: of the user.
        filters: which tasks.
        form: of the file.
        max_bytes: that the file may have; None for any number.
        progress: called after each page.

    Raises:
        SpoolFull: the file would be longer.
        UserNotFound: the user is not in the users table, and cannot be.
    """
    await feed.start()  # because the token is a time of their clock

    async def work(transaction: Transaction) -> Spool:
        with ExitStack() as stack:
            spool = stack.enter_context(Spool(max_bytes))
            await _write(spool, feed.on(transaction), filters, form, progress)
            stack.pop_all()  # closed by the caller
        return spool

    spool = await executor.snapshot(work)
    await spool.rewind()
    return spool


async def _write(
    spool: Spool, feed: ChangeFeed, filters: Filters, form: ExportFormat, progress: Progress
) -> None:
    await spool.write(form.head)
    asked = PageRequest(filters.filters(), ORDER, PAGE_ROWS, 0, None, counted=False)
    count = 0
    is_end = False
    while not is_end:
        page = await feed.list_cut(asked, PAGE_BYTES)
        if page.shown:
            await spool.write(form.write(page.rows))
        count += page.shown
        progress(count)
        asked = asked._replace(cursor=page.next_cursor)
        is_end = page.next_cursor is None
    if page.clock is None:
        raise UserNotFound  # deleted since
    await spool.write(form.end(count, feed.token_at(page.clock)))
