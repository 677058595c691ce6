"""A stop in two steps: first this process says that it is no longer ready, then the server stops.

A server that stops at once refuses the connections that a balancer still opens, and closes idle
ones just when a client writes to them. In between, every answer asks its client to close.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

DRAIN_SECONDS = 1.5
"""Enough for a balancer that asks every second."""


class Drain:
    """Whether this process has been told to stop.

    Attributes:
        begun: True from SIGTERM on, for `/readyz` and the answers' headers.
    """

    def __init__(self) -> None:
        self.begun = False

    @contextmanager
    def on_sigterm(self) -> Iterator[None]:
        """While this lasts, delay SIGTERM on its way to the server; further ones change nothing.

        SIGINT does not wait: it comes from a terminal.
        """
        stop = signal.getsignal(signal.SIGTERM)
        if not callable(stop) or threading.current_thread() is not threading.main_thread():
            yield  # run by something that does not stop on a signal
            return
        loop = asyncio.get_running_loop()

        def begin(number: int, frame: FrameType | None) -> None:
            if not self.begun:  # a supervisor and its supervisor may both send it
                self.begun = True
                loop.call_soon_threadsafe(loop.call_later, DRAIN_SECONDS, stop, number, None)

        signal.signal(signal.SIGTERM, begin)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, stop)
