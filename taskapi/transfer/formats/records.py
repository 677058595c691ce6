"""What a file has for each task, and what reads and writes a format."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

FIELDS = ("id", "title", "description", "is_completed", "created_at", "updated_at", "user_id")
"""Of a task, in the order in which the API shows them."""

VALUES = ("title", "description", "is_completed", "created_at")
"""Those that an import keeps."""

MAX_NAME_CHARACTERS = 64


class Record(NamedTuple):
    """One task as a file has it, not validated yet.

    Attributes:
        line: of the file, from 1, at which it begins.
        values: `title`, `description`, `is_completed` and `created_at`, those that the file has, as
            its text or as JSON values.
        source: what names the task where it comes from, for the key under which it is imported
            once. None if the file has no names for tasks.
        task_id: its id in the service that exported it, if that is this one and `source` says so.
    """

    line: int
    values: dict[str, object]
    source: str | None = None
    task_id: int | None = None


class Refusal(NamedTuple):
    """A record that cannot be a task. Reading goes on behind it."""

    line: int
    reason: str


class FileRefused(Exception):
    """Nothing more can be read: the file is cut off, or not in this format, or not in UTF-8.

    Attributes:
        line: of the file, from 1, at which reading stopped.
        reason: a clause without a full stop.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


Found = Record | Refusal


class Reader(Protocol):
    """Reads one file, part by part. It holds no more than one record of it.

    What an iterator yields is found while it is iterated: exhaust it before the next call.

    Attributes:
        ignored: how many records were no tasks, such as deleted ones.
    """

    ignored: int

    def feed(self, chunk: bytes) -> Iterator[Found]:
        """What is complete with this part of the file. How the file is cut makes no difference.

        Raises:
            FileRefused: nothing more can be read.
        """

    def finish(self) -> Iterator[Found]:
        """What is complete at the end of the file.

        Raises:
            FileRefused: the file is cut off, or empty.
        """


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes:
        media_type: of `Content-Type`.
        extension: of a file's name, without a dot.
        reader: makes the reader of one file.
    """

    media_type: str
    extension: str
    reader: Callable[[], Reader]


@dataclass(frozen=True)
class ExportFormat(Format):
    """A format that is written, too.

    Attributes:
        head: what a file begins with.
        write: from the JSON objects of tasks, with commas between them, to what the file has for
            them.
        end: what a file ends with, from the number of its tasks and the token of the changes feed
            from which a client goes on. It shows that the file is whole.
    """

    head: bytes
    write: Callable[[bytes], bytes]
    end: Callable[[int, str], bytes]


def shown(name: str) -> str:
    """A name that a file has, as a reason shows it: its beginning, without control characters."""
    return json.dumps(name[:MAX_NAME_CHARACTERS])
