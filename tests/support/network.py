"""The network between one client and the service, which the tests cut."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from support.background import Background


class Network:
    """Passes the bytes of connections to a service, or does not.

    Args:
        background: where it runs.
        service: the service's base address.

    Attributes:
        url: the address that the client has instead of the service's.
        loses_answers: whether requests arrive and nothing comes back.
    """

    def __init__(self, background: Background, service: str) -> None:
        self._background = background
        self._port = urlsplit(service).port
        self._is_cut = False
        self._connections: set[asyncio.Task[None]] = set()
        self.loses_answers = False

    @contextmanager
    def running(self) -> Iterator["Network"]:
        """Listen."""
        server = self._background.run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self.cut()
            server.close()

    def cut(self) -> None:
        """End all connections, and every new one at once, until `mend`."""
        self._is_cut = True
        self._background.run(self._end())

    def mend(self) -> None:
        """Be a network again."""
        self._is_cut = self.loses_answers = False

    async def _end(self) -> None:
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if not self._is_cut:
                await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the end of a connection, however it came
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await asyncio.gather(
                self._pass(reader, requests), self._pass(answers, writer, are_answers=True)
            )
        finally:
            requests.transport.abort()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        are_answers: bool = False,
    ) -> None:
        while data := await reader.read(65536):
            if not (are_answers and self.loses_answers):
                writer.write(data)
                await writer.drain()
        raise ConnectionResetError
