"""The check of a file: each of its records is a task as `POST` would take it, or is refused.

Nothing of it is written to the database yet, so a file of which one record is refused changes
nothing, and a client that sends slowly holds no transaction open.
"""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from hashlib import blake2b
from typing import Self

from pydantic import BaseModel, ValidationError

from taskapi.edge.memory import MEBIBYTE
from taskapi.errors import BodyTooLarge
from taskapi.resource.fields import Flag, Timestamp
from taskapi.tasks.schemas import DescriptionOrNull, Title
from taskapi.transfer.formats.records import FileRefused, Found, Reader, Record, Refusal
from taskapi.transfer.spool import Spool

MAX_TASKS = 100_000
"""Of a file, because the check keeps a digest of each."""

MAX_REFUSALS = 100
"""A file with more of them is not read to its end."""

ROWS_PER_PART = 1000
BYTES_PER_PART = MEBIBYTE
"""A part is one parameter of one statement."""

BYTES_PER_TURN = 16 * 1024
RECORDS_PER_TURN = 200
"""What is read before other requests get their turn: about 5 ms."""

KEY_PREFIX = "import-"
DIGEST_BYTES = 15


class ImportedTask(BaseModel):
    """A task of a file."""

    title: Title
    description: DescriptionOrNull = ""
    is_completed: Flag = False
    created_at: Timestamp | None = None


class ImportRefused(Exception):
    """Records of a file cannot be tasks, or the file cannot be read.

    Attributes:
        refusals: the first of them, at least one and at most `MAX_REFUSALS`.
    """

    def __init__(self, refusals: list[Refusal]) -> None:
        super().__init__(f"line {refusals[0].line}: {refusals[0].reason}")
        self.refusals = refusals


class CheckedFile:
    """The tasks of a file that has no mistake. As a context, it is closed at the end.

    Attributes:
        count: the number of its tasks.
        repeated: records that name a task which the file has already.
        ignored: records that are no tasks.
    """

    def __init__(self) -> None:
        self.count = self.repeated = self.ignored = 0
        self._spool = Spool()
        self._sizes: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._spool.__exit__(*error)

    async def add(self, rows: list[str]) -> None:
        """Add tasks, each as JSON."""
        part = f"[{','.join(rows)}]".encode()
        await self._spool.write(part)
        self._sizes.append(len(part))

    async def parts(self) -> AsyncIterator[bytes]:
        """The tasks, in parts: a JSON array of each."""
        await self._spool.rewind()
        for size in self._sizes:
            yield await self._spool.read(size)


async def check_file(file: CheckedFile, chunks: AsyncIterator[bytes], reader: Reader) -> None:
    """Read a file, and keep its tasks.

    Args:
        file: gets them.
        chunks: of the bytes.
        reader: of the format.

    Raises:
        BodyTooLarge: it has more than `MAX_TASKS` tasks.
        ImportRefused: records of it cannot be tasks, or it cannot be read.
    """
    check = _Check(file)
    try:
        async for chunk in chunks:
            for start in range(0, len(chunk), BYTES_PER_TURN):
                await check.take(reader.feed(chunk[start : start + BYTES_PER_TURN]))
                await asyncio.sleep(0)
        await check.take(reader.finish())
    except FileRefused as error:
        check.refuse(Refusal(error.line, error.reason))
    await check.end()
    file.ignored = reader.ignored


class _Check:
    def __init__(self, file: CheckedFile) -> None:
        self._file = file
        self._seen: Counter[bytes] = Counter()
        self._rows: list[str] = []
        self._bytes = 0
        self._refusals: list[Refusal] = []

    async def take(self, found: Iterable[Found]) -> None:
        for number, each in enumerate(found, 1):
            if isinstance(each, Refusal):
                self.refuse(each)
            else:
                self._accept(each)
            if len(self._rows) == ROWS_PER_PART or self._bytes >= BYTES_PER_PART:
                await self._flush()
            if number % RECORDS_PER_TURN == 0:
                await asyncio.sleep(0)

    def refuse(self, refusal: Refusal) -> None:
        self._refusals.append(refusal)
        if len(self._refusals) == MAX_REFUSALS:
            raise ImportRefused(self._refusals)

    async def end(self) -> None:
        if self._refusals:
            raise ImportRefused(self._refusals)
        await self._flush()

    def _accept(self, record: Record) -> None:
        try:
            task = ImportedTask.model_validate(record.values)
        except ValidationError as error:
            self.refuse(Refusal(record.line, _reason(error)))
            return
        key = self._key(record, task)
        if key is None:
            self._file.repeated += 1
            return
        self._file.count += 1
        if self._file.count > MAX_TASKS:
            raise BodyTooLarge(f"The file has too many tasks: it may have {MAX_TASKS}.")
        row = _row(len(self._rows), task, key, record.task_id)
        self._rows.append(row)
        self._bytes += len(row)

    def _key(self, record: Record, task: ImportedTask) -> str | None:
        """The key of a task; None if it was in the file before.

        Without a name in its source, a task is known by what it is. Its state does not count, so
        that a task which was done meanwhile is known. The second of two equal ones is another task.
        """
        if record.source is not None:
            digest = _digest("source", record.source)
            self._seen[digest] += 1
            return None if self._seen[digest] > 1 else _as_key(digest)
        digest = _digest("content", task.title, task.description, task.created_at)
        self._seen[digest] += 1
        number = self._seen[digest]
        return _as_key(digest if number == 1 else _digest("again", digest, number))

    async def _flush(self) -> None:
        if self._rows:
            await self._file.add(self._rows)
        self._rows, self._bytes = [], 0


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _row(position: int, task: ImportedTask, key: str, task_id: int | None) -> str:
    """What `transfer.statements` reads."""
    values = {
        "position": position,
        "title": task.title,
        "description": task.description,
        "is_completed": task.is_completed,
        "created_at": task.created_at and task.created_at.isoformat(),
        "key": key,
        "task_id": task_id,
    }
    return json.dumps(values, ensure_ascii=False)


def _digest(*parts: object) -> bytes:
    return blake2b(repr(parts).encode(), digest_size=DIGEST_BYTES).digest()


def _as_key(digest: bytes) -> str:
    return KEY_PREFIX + urlsafe_b64encode(digest).decode()
