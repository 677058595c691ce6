"""A stop in two steps: first the process stops being ready, then the server stops.

A server that stops at once refuses connections that a load balancer still opens, and closes idle
ones just as a client writes to them. In between, every response closes its connection.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

DRAIN_SECONDS = 1.5
"""Enough for a load balancer that probes every second."""

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Drain:
    """Whether this process is about to stop.

    Attributes:
        begun: True from the first signal of `HANDLED` on, for `/readyz`, streams and the headers of
            responses.
    """

    def __init__(self) -> None:
        self.begun = False
        self._listeners: list[Callable[[], None]] = []

    def when_begun(self, listener: Callable[[], None]) -> None:
        """Call this when the stop begins, in the loop of `begin`."""
        self._listeners.append(listener)

    def begin(self) -> None:
        """Begin to stop."""
        self.begun = True
        for listener in self._listeners:
            listener()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """While the context is open, begin the stop before the server does on a signal.

        SIGTERM's handler is delayed; further SIGTERMs have no effect. SIGINT is not delayed: it
        comes from a terminal. SIGHUP is one more SIGTERM, unless it is ignored (`nohup`): the
        terminal is gone, and a process that it killed would leave the embedded server behind.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # the server here does not stop on a signal
            return
        loop = asyncio.get_running_loop()
        stop, interrupt, hangup = before = [signal.getsignal(number) for number in HANDLED]

        def on_sigterm(_number: int, _frame: FrameType | None) -> None:
            if not self.begun and callable(stop):  # the supervisors may both send it
                self.begun = True
                loop.call_soon_threadsafe(self.begin)
                later = partial(loop.call_later, DRAIN_SECONDS, stop, signal.SIGTERM, None)
                loop.call_soon_threadsafe(later)

        def on_sigint(number: int, frame: FrameType | None) -> None:
            self.begun = True
            loop.call_soon_threadsafe(self.begin)
            if callable(interrupt):
                interrupt(number, frame)

        signal.signal(signal.SIGTERM, on_sigterm)
        signal.signal(signal.SIGINT, on_sigint)
        if hangup != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, on_sigterm)
        try:
            yield
        finally:
            for number, handler in zip(HANDLED, before, strict=True):
                signal.signal(number, handler)
