"""A TCP balancer as a fleet has one: it sends new connections to those that say they are ready."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from support.background import Background

PROBE_SECONDS = 0.1
READYZ = b"GET /readyz HTTP/1.1\r\nHost: balancer\r\nConnection: close\r\n\r\n"


class Balancer:
    """Passes each connection to the next of those backends that are ready.

    It asks each of them all the time, and tries another one where a connection is refused.

    Attributes:
        address: where it listens.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._ready: dict[int, bool] = {}
        self._turns = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def running(self) -> Iterator["Balancer"]:
        """Listen."""
        server = self._background.run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self._background.run(self._stop(server))

    def add(self, url: str) -> None:
        """Begin to ask a backend whether it is ready."""
        port = urlsplit(url).port
        assert port is not None
        self._ready[port] = False
        self._background.run(self._begin_probing(port))

    def remove(self, url: str) -> None:
        """Forget a backend that has ended."""
        self._ready.pop(urlsplit(url).port or 0, None)

    def is_ready(self, url: str) -> bool:
        """Whether a backend gets connections."""
        return self._ready.get(urlsplit(url).port or 0, False)

    async def _begin_probing(self, port: int) -> None:
        self._keep(asyncio.create_task(self._probe(port)))

    async def _probe(self, port: int) -> None:
        while port in self._ready:
            self._ready[port] = await _answers_200(port)
            await asyncio.sleep(PROBE_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        try:
            to_reader, to_writer = await self._connect()
            try:
                await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))
            finally:
                to_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # the end of a connection, however it came
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ports = [port for port, ready in self._ready.items() if ready]
        first = next(self._turns)
        for turn in range(len(ports)):
            try:
                return await asyncio.open_connection(
                    "127.0.0.1", ports[(first + turn) % len(ports)]
                )
            except ConnectionRefusedError:
                continue
        raise ConnectionRefusedError("no backend is ready")

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def _answers_200(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(READYZ)
        line = await reader.readline()
        writer.close()
    except OSError:
        return False
    return b" 200 " in line
