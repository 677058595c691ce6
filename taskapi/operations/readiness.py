"""Whether the database can serve, checked at most once a second however many probes ask."""

import asyncio
import time

from taskapi.config import DatabaseSettings
from taskapi.database.executor import Executor
from taskapi.database.schema import check_schema
from taskapi.errors import DatabaseUnavailable, Unavailable

CACHE_SECONDS = 1.0
"""How long a result is used again."""

TIMEOUT_SECONDS = 3.0
"""For the database to respond. One that is slower is of no use to requests either."""


class Readiness:
    """Whether the database responds and its schema is current.

    Args:
        database: runs the check.
        settings: the schema must fit them.
    """

    def __init__(self, database: Executor, settings: DatabaseSettings) -> None:
        self._database = database
        self._settings = settings
        self._checked_at = -CACHE_SECONDS
        self._check: asyncio.Task[None] | None = None
        self._error: Unavailable | None = None

    async def check(self) -> None:
        """Return if the database can serve, by a check of at most a second ago.

        Raises:
            Unavailable: why it cannot.
        """
        if self._check is None and time.monotonic() - self._checked_at >= CACHE_SECONDS:
            self._check = asyncio.create_task(self._run_check())
        if self._check is not None:
            # Shielded: all probes await one check, which goes on if one of them disconnects.
            await asyncio.shield(self._check)
        if self._error is not None:
            # A new exception, because each raise adds its frames to the traceback of the old one.
            raise type(self._error)(self._error.detail)

    async def _run_check(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await check_schema(self._database, self._settings)
            self._error = None
        except Unavailable as error:
            self._error = error
        except TimeoutError:
            self._error = DatabaseUnavailable()
        finally:
            self._checked_at = time.monotonic()
            self._check = None
