"""A network that misbehaves on demand, between the service and its database."""

import asyncio
import ctypes
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.background import Background

CANCEL_REQUEST = 80877102

SO_ATTACH_FILTER = 26  # of Linux (asm-generic/socket.h), which Python does not name


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jump", ctypes.c_ushort), ("value", ctypes.c_uint))


_RETURN_NOTHING = _Instruction(6, 0, 0)  # BPF_RET: keep no byte of the packet
DROP_ALL = struct.pack("HP", 1, ctypes.addressof(_RETURN_NOTHING))
"""A `sock_fprog` of one instruction (Linux, networking/filter)."""


class FaultProxy:
    """Passes bytes between a port on loopback and a server's Unix socket, or fails to.

    Args:
        background: where it runs.
        target: the server's socket.

    Attributes:
        port: where it listens.
        refusals: SQLSTATEs with which the next connections are refused, one each.
        silent: whether packets vanish, in both directions, and without a word.
        cuts: how many connections are still to be cut, each when the server has answered to what
            the client sent, and before the client gets any of it.
    """

    def __init__(self, background: Background, target: Path) -> None:
        self._background = background
        self._target = target
        self._pumps: set[asyncio.Task[None]] = set()
        self._lines: list[socket.socket] = []
        self.refusals: list[str] = []
        self.silent = False
        self.cuts = 0

    @property
    def taken(self) -> int:
        """How many connections of clients there have been."""
        return len(self._lines)

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self._pumps)

    def forget(self) -> None:
        """Drop every packet of the clients' connections from now on, and take new ones.

        As a NAT or firewall does that has forgotten them. The kernel drops them before TCP sees
        them, so nothing is acknowledged.
        """
        for line in self._lines:
            with suppress(OSError):  # it has ended
                line.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, DROP_ALL)

    @contextmanager
    def running(self) -> Iterator["FaultProxy"]:
        """Listen."""
        server = self._background.run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._background.run(self._stop(server))

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        self._lines.append(writer.transport.get_extra_info("socket"))
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the end of a connection, however it came
        finally:
            self._pumps.discard(task)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length, kind = struct.unpack("!II", await reader.readexactly(8))
        start = struct.pack("!II", length, kind) + await reader.readexactly(length - 8)
        if self.refusals and kind != CANCEL_REQUEST:
            writer.write(_error_response(self.refusals.pop(0)))
            await writer.drain()
            return
        while self.silent:  # noqa: ASYNC110 - a plain flag, which tests set from another thread
            await asyncio.sleep(0.05)
        upstream_reader, upstream = await asyncio.open_unix_connection(self._target)
        try:
            upstream.write(start)
            await self._pump_both(reader, writer, upstream_reader, upstream)
        finally:
            upstream.transport.abort()

    async def _pump_both(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream_reader: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> None:
        pumps = {
            asyncio.ensure_future(self._questions(reader, upstream)),
            asyncio.ensure_future(self._answers(upstream_reader, writer)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _questions(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.silent:
                writer.write(data)
                await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.cuts:
                self.cuts -= 1
                return
            if not self.silent:
                writer.write(data)
                with suppress(ConnectionError):
                    await writer.drain()


def _error_response(sqlstate: str) -> bytes:
    """What a server says when it will not have a client."""
    fields = {b"S": b"FATAL", b"V": b"FATAL", b"C": sqlstate.encode(), b"M": b"not now"}
    body = b"".join(name + value + b"\0" for name, value in fields.items()) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body
