"""The numbers that metrics count with: kept in memory, and now and then written for other workers.

prometheus_client's own take a lock for each change, and with several workers call getpid() and
write to a file, too. Here one thread counts, the event loop's, so counting a request and its
duration takes 0.5 microseconds of CPU instead of 1.1, or 2.8 with several workers (`timeit`).
"""

from typing import Any

from prometheus_client import values

_ValueInFile = values.MultiProcessValue()  # type: ignore[no-untyped-call]  # so prometheus_client has it
"""prometheus_client's number in a file of this process, in the directory of all workers."""

_shared: list["SharedFigure"] = []
"""Those that `write_all` writes."""


class Figure:
    """A number of this process, as prometheus_client's metrics use it.

    Args:
        names: the metric's type, its name and labels; see `prometheus_client.values`.
        options: its `multiprocess_mode`.
    """

    __slots__ = ("_value",)

    def __init__(self, *names: Any, **options: Any) -> None:  # noqa: ARG002 - of the shared one
        self._value = 0.0

    def inc(self, amount: float) -> None:
        """Add to it."""
        self._value += amount

    def set(self, value: float, timestamp: float | None = None) -> None:  # noqa: ARG002 - for "mostrecent" gauges: there are none
        """Replace it."""
        self._value = value

    def get(self) -> float:
        """What it is now."""
        return self._value

    def get_exemplar(self) -> None:
        """None is ever kept."""


class SharedFigure(Figure):
    """A number of one of several workers, which is also in a file that all of them read.

    The file has what was last written: counting itself writes nothing.
    """

    __slots__ = ("_in_file", "_written")

    def __init__(self, *names: Any, **options: Any) -> None:
        super().__init__()
        self._in_file = _ValueInFile(*names, **options)
        # Not always 0: an ended worker may have had the same process id, and thus the same file.
        self._value = self._written = self._in_file.get()
        _shared.append(self)

    def write(self) -> None:
        """Write it, if it is another one than before."""
        if self._value != self._written:
            self._written = self._value
            self._in_file.set(self._written)


def write_all() -> None:
    """Write what this worker has counted, for all workers to show; a single one writes nothing."""
    for figure in _shared:
        figure.write()


def keep_in_memory(*, shared: bool) -> None:
    """Make all metrics that are created from now on count in memory.

    Args:
        shared: whether other workers show them, too.
    """
    values.ValueClass = SharedFigure if shared else Figure
