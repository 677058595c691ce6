"""An export: a user's tasks of one moment, as a file.

They are read at once, in one snapshot, into a spool, from which clients take as long as they like:
a slow one holds no transaction open, which would keep PostgreSQL from cleaning up
(docs/decisions/0040).
"""

from collections.abc import Callable

from taskapi.changes.feed import ChangeFeed
from taskapi.database.executor import Executor, Transaction
from taskapi.edge.memory import MEBIBYTE, SHORT_BYTES
from taskapi.resource.pages import PageRequest
from taskapi.resource.schemas import MAX_PAGE_ROWS, Selection
from taskapi.transfer.records import Format
from taskapi.transfer.spool import Spool

MAX_EXPORT_BYTES = 1024 * MEBIBYTE
"""100,000 tasks of 10 kB."""

PAGE_BYTES = SHORT_BYTES
"""Of JSON that is read and written at a time, while which no other request is served."""

Progress = Callable[[int], None]
"""Called with the number of tasks that are done."""


async def export_tasks(
    executor: Executor,
    feed: ChangeFeed,
    selection: Selection,
    form: Format,
    progress: Progress = lambda _: None,
) -> Spool:
    """A user's tasks as a file, which the caller closes.

    Args:
        executor: runs the statements.
        feed: of the user.
        selection: which tasks, in which order.
        form: of the file.
        progress: called after each page.

    Raises:
        SpoolFull: the file would be longer than `MAX_EXPORT_BYTES`.
        UserNotFound: the user is not in the users table, and cannot be.
    """
    await feed.start()  # because the token is a time of their clock

    async def work(transaction: Transaction) -> Spool:
        spool = Spool(MAX_EXPORT_BYTES)
        try:
            await _write(spool, feed.on(transaction), selection, form, progress)
        except BaseException:
            spool.close()
            raise
        return spool

    spool = await executor.snapshot(work)
    await spool.rewind()
    return spool


async def _write(
    spool: Spool, feed: ChangeFeed, selection: Selection, form: Format, progress: Progress
) -> None:
    await spool.write(form.head)
    asked = PageRequest(selection.filters(), selection.sort, MAX_PAGE_ROWS, 0, None, counted=False)
    count = 0
    is_end = False
    while not is_end:
        page = await feed.list(asked, PAGE_BYTES)
        if page.shown:
            await spool.write(form.write(page.rows))
        count += page.shown
        progress(count)
        asked = asked._replace(cursor=page.next_cursor)
        is_end = page.next_cursor is None
    await spool.write(form.end(count, feed.token_at(page.clock)))
