"""A spool: bytes that are written once and then read once, in memory while they are few.

What does not fit there is in a file that has no name, so nothing of it stays behind.
"""

import asyncio
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import Self, TypeVar

import structlog

from taskapi.edge.memory import MEBIBYTE
from taskapi.errors import Overloaded

log = structlog.get_logger("taskapi.transfer")

Done = TypeVar("Done")

Progress = Callable[[int], None]
"""Called with the number of tasks that are done."""

MAX_BYTES_IN_MEMORY = MEBIBYTE


class SpoolFull(Exception):
    """It would have more bytes than it may."""


class Spool:
    """Bytes between two that are not equally fast.

    The file is used in a thread, because a disk may take its time. As a context, it is closed at
    the end.

    Args:
        max_bytes: that it may have; None for any number.

    Attributes:
        size: the bytes that it has.
    """

    def __init__(self, max_bytes: int | None = None) -> None:
        self._file = SpooledTemporaryFile(max_size=MAX_BYTES_IN_MEMORY)  # noqa: SIM115 - `close`
        self._max_bytes = max_bytes
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    async def write(self, part: bytes) -> None:
        """Add bytes at the end.

        Raises:
            SpoolFull: it would have too many.
            Overloaded: the disk is full.
        """
        self.size += len(part)
        if self._max_bytes is not None and self.size > self._max_bytes:
            raise SpoolFull
        await self._do(lambda: self._file.write(part))

    async def rewind(self) -> None:
        """Read from the beginning."""
        await self._do(lambda: self._file.seek(0))

    async def read(self, size: int) -> bytes:
        """The next bytes, so many while there are; at the end none."""
        return await self._do(lambda: self._file.read(size))

    async def _do(self, use: Callable[[], Done]) -> Done:
        try:
            return await asyncio.to_thread(use)
        except OSError as error:
            log.error("spool_failed", error=repr(error))  # noqa: TRY400 - the traceback tells less
            raise Overloaded from error
