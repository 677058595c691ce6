"""A stop in two steps: first the process stops being ready, then the server stops.

A server that stops at once refuses connections that a load balancer still opens, and closes idle
ones just as a client writes to them. In between, every response closes its connection.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

DRAIN_SECONDS = 1.5
"""Enough for a load balancer that probes every second."""


class Drain:
    """Whether this process is about to stop.

    Attributes:
        begun: True from SIGTERM on, for `/readyz`, streams and the headers of responses.
    """

    def __init__(self) -> None:
        self.begun = False

    @contextmanager
    def on_sigterm(self) -> Iterator[None]:
        """While the context is open, delay SIGTERM's handler; further SIGTERMs have no effect.

        SIGINT is not delayed: it comes from a terminal.
        """
        stop = signal.getsignal(signal.SIGTERM)
        if not callable(stop) or threading.current_thread() is not threading.main_thread():
            yield  # the server here does not stop on a signal
            return
        loop = asyncio.get_running_loop()

        def begin(number: int, frame: FrameType | None) -> None:
            if not self.begun:  # uvicorn's supervisor and the one above it may both send it
                self.begun = True
                loop.call_soon_threadsafe(loop.call_later, DRAIN_SECONDS, stop, number, None)

        signal.signal(signal.SIGTERM, begin)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, stop)
