"""The objects at one depth of a JSON file, without holding the whole of it.

Python would need 250 MB for 10 MiB of brackets, and a second in which nothing else runs.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from taskapi.transfer.formats.lines import HEAD_BYTES, MAX_LINE_BYTES, refuse_other_kinds
from taskapi.transfer.formats.records import FileRefused

MAX_OBJECT_BYTES = MAX_LINE_BYTES
MAX_OUTSIDE_BYTES = 1_048_576
"""What stands around the objects: a comma and some blanks for each."""

MAX_LEVELS = 32
"""Of arrays and objects in each other."""

SIGNS = re.compile(rb'["\\{}\[\]]')
CLOSING = {b"{": b"}", b"[": b"]"}

PLACEHOLDER = b"0"
"""Instead of each object, in what stands around them."""


class JsonObject(NamedTuple):
    """The text of an object, and the line at which it begins."""

    line: int
    data: bytes


class JsonObjects:
    """Cuts a file into objects, which are not parsed here, and holds no more than one.

    Args:
        levels: the brackets in which the objects are, as `{[`.

    Attributes:
        number: of the line that was reached.
        outside: what stands around the objects, with a placeholder for each.
        count: of the objects.
    """

    def __init__(self, levels: bytes) -> None:
        self.number = 1
        self.outside = bytearray()
        self.count = 0
        self._levels = levels
        self._open = b""
        self._object: bytearray | None = None
        self._start = 1
        self._in_text = False
        self._escaped = 0
        self._head = b""

    def feed(self, chunk: bytes) -> Iterator[JsonObject]:
        """The objects that are complete with this part of the file.

        Raises:
            FileRefused: brackets do not match, or something is too long.
        """
        self._look_at_head(chunk)
        kept = 0
        for at, sign in self._brackets(chunk):
            self._check_length(at - kept)
            begins = sign == b"{" and self._open == self._levels
            if begins:
                self._keep(chunk[kept:at])
                self._object, self._start, kept = bytearray(), self.number, at
            if (reason := self._nest(sign)) is not None:
                raise FileRefused(self.number + chunk.count(b"\n", kept, at), reason)
            if self._object is not None and self._open == self._levels:
                self._keep(chunk[kept : at + 1])
                kept = at + 1
                yield self._completed(self._object)
        self._check_length(len(chunk) - kept)
        self._keep(chunk[kept:])

    def finish(self) -> Iterator[JsonObject]:
        """None: an object is complete with its last bracket.

        Raises:
            FileRefused: the file ends in the middle of a text, an array or an object.
        """
        if self._open or self._in_text:
            raise FileRefused(self.number, "the file is cut off: not every bracket is closed")
        yield from ()

    def _look_at_head(self, chunk: bytes) -> None:
        """Refuse another kind of file, by its first bytes."""
        if len(self._head) < HEAD_BYTES:
            self._head += chunk[:HEAD_BYTES]
            refuse_other_kinds(self._head)

    def _brackets(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """The brackets that do not stand in texts."""
        for found in SIGNS.finditer(chunk):
            at, sign = found.start(), found[0]
            if at < self._escaped:
                continue
            if sign == b'"':
                self._in_text = not self._in_text
            elif sign == b"\\":
                self._escaped = at + 2
            elif not self._in_text:
                yield at, sign
        self._escaped = max(0, self._escaped - len(chunk))

    def _nest(self, sign: bytes) -> str | None:
        """Open or close a level, or say why that is not possible."""
        if sign in CLOSING and len(self._open) < MAX_LEVELS:
            self._open += sign
            return None
        if sign in CLOSING:
            return "the file is nested too deeply"
        if CLOSING.get(self._open[-1:]) != sign:
            return f"the file is not JSON: {sign.decode()} closes nothing"
        self._open = self._open[:-1]
        return None

    def _completed(self, data: bytearray) -> JsonObject:
        self.count += 1
        self._object = None
        self.outside += PLACEHOLDER
        return JsonObject(self._start, bytes(data))

    def _check_length(self, more: int) -> None:
        """Refuse what would be too long with so many bytes more."""
        if self._object is not None and len(self._object) + more > MAX_OBJECT_BYTES:
            raise FileRefused(self._start, f"a task is longer than {MAX_OBJECT_BYTES} bytes")
        if self._object is None and len(self.outside) + more > MAX_OUTSIDE_BYTES:
            raise FileRefused(1, f"more than {MAX_OUTSIDE_BYTES} bytes are no tasks")

    def _keep(self, data: bytes) -> None:
        buffer = self.outside if self._object is None else self._object
        buffer += data
        self.number += data.count(b"\n")
