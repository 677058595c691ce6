"""What the readers of all formats do: cut a file into parts, and make findings of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from taskapi.transfer.formats.records import Found

Part = TypeVar("Part")
Part_co = TypeVar("Part_co", covariant=True)


class Cutter(Protocol[Part_co]):
    """Cuts a file into its parts: lines, records, components or objects.

    Attributes:
        number: of the last line that was complete.
    """

    @property
    def number(self) -> int: ...

    def feed(self, chunk: bytes) -> Iterator[Part_co]:
        """The parts that are complete with this chunk of the file."""

    def finish(self) -> Iterator[Part_co]:
        """The parts that are complete because the file has ended."""


class PartReader(ABC, Generic[Part]):
    """A `Reader` of a format whose tasks are parts of the file.

    Args:
        parts: what cuts the file.
    """

    def __init__(self, parts: Cutter[Part]) -> None:
        self.ignored = 0
        self._parts = parts

    def feed(self, chunk: bytes) -> Iterator[Found]:
        """See `Reader`."""
        for part in self._parts.feed(chunk):
            yield from self._found(part)

    def finish(self) -> Iterator[Found]:
        """See `Reader`."""
        for part in self._parts.finish():
            yield from self._found(part)
        yield from self._rest()
        self._check(self._parts.number)

    @abstractmethod
    def _found(self, part: Part, /) -> Iterator[Found]:
        """What a part is, in the order of the file."""

    def _rest(self) -> Iterator[Found]:
        """What is known only at the end of the file."""
        return iter(())

    @abstractmethod
    def _check(self, line: int) -> None:
        """Refuse a file that is not whole.

        Args:
            line: the last one.

        Raises:
            FileRefused: it is not.
        """
