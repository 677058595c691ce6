"""Files of text as lines: the line feed ends one, and a carriage return before it belongs to it."""

from collections.abc import Iterator
from typing import NamedTuple

from taskapi.transfer.formats.records import FileRefused

MAX_LINE_BYTES = 131_072
"""A task's title and description of 5500 characters take 66,000 as JSON with only escapes."""

UTF_8_MARK = "\ufeff"

OTHER_KINDS = {
    b"\xff\xfe": "the file is in UTF-16: save it as UTF-8",
    b"\xfe\xff": "the file is in UTF-16: save it as UTF-8",
    b"PK\x03\x04": "the file is a ZIP archive: unpack it",
}
"""By their first bytes: what spreadsheets save, and in what other programs pack their files."""

HEAD_BYTES = 4


class Line(NamedTuple):
    """A line of a file, and its number from 1."""

    number: int
    text: str


class Lines:
    """Cuts a file into lines, and holds no more than the one that is not complete.

    Attributes:
        number: of the last line that was complete.
    """

    def __init__(self, *, keep_ends: bool = False) -> None:
        self.number = 0
        self._keep_ends = keep_ends
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that are complete with this part of the file.

        Raises:
            FileRefused: a line is not UTF-8, has a NUL, or is too long.
        """
        first, *others = chunk.split(b"\n")
        self._rest += first
        for following in others:
            yield self._line(self._rest, "\n")
            self._rest = bytearray(following)
        if len(self._rest) > MAX_LINE_BYTES:
            self._line(self._rest, "")

    def finish(self) -> Iterator[Line]:
        """The last line, if nothing ends it.

        Raises:
            FileRefused: as above.
        """
        if self._rest:
            yield self._line(self._rest, "")
            self._rest = bytearray()

    def _line(self, raw: bytearray, end: str) -> Line:
        self.number += 1
        if self.number == 1:
            refuse_other_kinds(raw)
        if len(raw) > MAX_LINE_BYTES:
            raise FileRefused(self.number, f"the line is longer than {MAX_LINE_BYTES} bytes")
        if b"\0" in raw:
            raise FileRefused(self.number, "the line has the character U+0000: is it UTF-8?")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            reason = f"the file is not in UTF-8: {error.reason} at byte {error.start + 1}"
            raise FileRefused(self.number, reason) from None
        if self.number == 1:
            text = text.removeprefix(UTF_8_MARK)
        return Line(self.number, text + end if self._keep_ends else text.removesuffix("\r"))


def refuse_other_kinds(head: bytes | bytearray) -> None:
    """Refuse a file that is no text in UTF-8, where its first bytes say what it is.

    Raises:
        FileRefused: it is one of these.
    """
    for mark, reason in OTHER_KINDS.items():
        if head.startswith(mark):
            raise FileRefused(1, reason)
