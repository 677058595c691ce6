"""How several workers accept connections from the socket that they share: one at a time.

libuv leaves to chance which worker accepts, and often it is the same one: of 32 connections at once
one of two workers got between 19 and 32, and requests took twice as long where it got all.
"""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import uvloop

from taskapi.server import shares
from taskapi.server.shares import ConnectionShares

WAIT_SECONDS = 0.005
"""For a worker that has fewer connections to accept one: many times what its loop usually takes."""

RETRY_SECONDS = 1.0
"""After the process could open no more files, as asyncio does."""

OUT_OF_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

Factory = Callable[[], asyncio.BaseProtocol]


class WorkerLoop(uvloop.Loop):
    """uvloop's loop, whose servers share their socket evenly with those of other workers."""

    async def create_server(  # type: ignore[override]  # as uvicorn calls it
        self, protocol_factory: Factory, *, sock: socket.socket, **options: Any
    ) -> "asyncio.AbstractServer | Acceptor":
        """Serve the connections of a listening socket.

        Args:
            protocol_factory: makes the protocol of one connection.
            sock: the socket, which is listening.
            options: uvloop's.
        """
        mine = shares.mine()
        if mine is None:
            return await super().create_server(protocol_factory, sock=sock, **options)
        return Acceptor(self, protocol_factory, sock, mine)


class Acceptor:
    """Accepts connections when it is this worker's turn, until it is closed.

    Args:
        loop: of the connections.
        factory: makes the protocol of one connection.
        listener: the socket, which is listening.
        mine: the share of this worker.
    """

    def __init__(
        self, loop: WorkerLoop, factory: Factory, listener: socket.socket, mine: ConnectionShares
    ) -> None:
        self._loop = loop
        self._factory = factory
        self._listener = listener
        self._shares = mine
        self._open: WeakSet[socket.socket] = WeakSet()  # the loop drops a socket that it closes
        self._connecting: set[asyncio.Task[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.settimeout(0)
        self._listen()

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._on_waiting)

    def _on_waiting(self) -> None:
        """Called in each turn of the loop in which a connection waits."""
        self._shares.show(len(self._open))
        if self._shares.is_ahead():
            self._pause_for(WAIT_SECONDS)
        else:
            self._accept()

    def _pause_for(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._listen()
        self._accept()  # whoever was to accept it has had the time to

    def _accept(self) -> None:
        """Accept one connection, if no other worker has."""
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in OUT_OF_FILES:
                raise
            self._loop.call_exception_handler({"message": "accept failed", "exception": error})
            self._pause_for(RETRY_SECONDS)
            return
        self._open.add(connection)
        self._shares.show(len(self._open))
        connecting = self._loop.create_task(
            self._loop.connect_accepted_socket(self._factory, connection)
        )
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)

    def close(self) -> None:
        """Accept no more."""
        self._shares.leave()
        self._loop.remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""
