"""A transaction pooler that keeps prepared statements, as PgBouncer does from 1.21 on.

No package that the suite installs has such a PgBouncer: Debian 12 has 1.18. This one speaks the
same protocol between the service and a real server. The tests run on real ones too, where there
are any: see `support.pgbouncer`.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from support.background import Background
from support.pgbouncer import POOLED
from taskapi.database.url import DatabaseUrl

CANCEL_REQUEST = 80877102

Message = tuple[bytes, bytes]
"""Its kind and its body (PostgreSQL's documentation, 55.7)."""


@dataclass
class _Server:
    """A connection to the server, which one client has at a time.

    Attributes:
        greeting: what the server said at its beginning.
        prepared: the statements that it has.
        parsing: for each `Parse` under way, its name, and whether the client sent it.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: list[Message] = field(default_factory=list)
    prepared: set[bytes] = field(default_factory=set)
    parsing: deque[tuple[bytes, bool]] = field(default_factory=deque)

    def send(self, kind: bytes, body: bytes) -> None:
        self.writer.write(_written(kind, body))

    def parse(self, name: bytes, text: bytes, *, asked: bool) -> None:
        self.parsing.append((name, asked))
        self.send(b"P", name + b"\0" + text)

    def has(self, name: bytes) -> bool:
        return name in self.prepared or name in (parsed for parsed, _ in self.parsing)


class KeepingPooler:
    """Carries each transaction of a client to the next of three connections to the server.

    Attributes:
        keeps: whether statements are found again by the names that clients gave them. If not, their
            names go through as they are.
    """

    def __init__(self, background: Background, target: Path, directory: Path) -> None:
        self._background = background
        self._target = target
        self._directory = directory
        self._servers: dict[bytes, asyncio.Queue[_Server]] = {}
        self._texts: dict[bytes, bytes] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.keeps = True

    @contextmanager
    def running(self) -> Iterator["KeepingPooler"]:
        """Listen."""
        path = self._directory / ".s.PGSQL.5432"
        server = self._background.run(asyncio.start_unix_server(self._accept, path))
        try:
            yield self
        finally:
            self._background.run(self._stop(server))

    def address(self) -> DatabaseUrl:
        """Its address, as a user of it would paste it."""
        return DatabaseUrl(f"postgresql://taskapi@/postgres?host={self._directory}")

    def keep(self, *, keeps: bool) -> None:
        """Keep statements from now on, or no longer."""
        self.keeps = keeps

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for servers in self._servers.values():
            while not servers.empty():
                ended = servers.get_nowait()
                ended.writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the end of a connection, however it came
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = await reader.readexactly(4)
        start = await reader.readexactly(int.from_bytes(size) - 4)
        if start.startswith(struct.pack("!I", CANCEL_REQUEST)):
            return
        if start not in self._servers:
            self._servers[start] = asyncio.Queue()
            for _ in range(POOLED):
                self._servers[start].put_nowait(await self._open(start))
        servers = self._servers[start]
        server = await servers.get()
        for kind, body in server.greeting:
            # An invented process id, by which a pooler is known.
            writer.write(_written(kind, struct.pack("!II", 1, 1) if kind == b"K" else body))
        servers.put_nowait(server)
        await _Client(self, servers, partial(self._open, start), reader, writer).serve()

    async def _open(self, start: bytes) -> _Server:
        server = _Server(*await asyncio.open_unix_connection(self._target))
        server.writer.write(struct.pack("!I", len(start) + 4) + start)
        while not server.greeting or server.greeting[-1][0] != b"Z":
            server.greeting.append(await _read(server.reader))
        return server

    def name_on_servers(self, text: bytes) -> bytes:
        """The name of a statement on every connection to the server."""
        return self._texts.setdefault(text, b"POOLER_%d" % len(self._texts))


class _Client:
    """A client, and the connection that its transaction has."""

    def __init__(
        self,
        pooler: KeepingPooler,
        servers: asyncio.Queue[_Server],
        open_server: Callable[[], Awaitable[_Server]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._pooler = pooler
        self._servers = servers
        self._open = open_server
        self._reader = reader
        self._writer = writer
        self._texts: dict[bytes, bytes] = {}
        self._server: _Server | None = None

    async def serve(self) -> None:
        """Carry messages until the client is gone."""
        answers = None
        try:
            while True:
                kind, body = await _read(self._reader)
                if kind == b"X":
                    return
                if self._server is None:
                    self._server = await self._servers.get()
                    answers = asyncio.create_task(self._answer(self._server))
                self._ask(self._server, kind, body)
        finally:
            if answers is not None:
                answers.cancel()
            if self._server is not None:  # in the middle of a transaction
                self._server.writer.transport.abort()
                self._servers.put_nowait(await self._open())

    def _ask(self, server: _Server, kind: bytes, body: bytes) -> None:
        if not self._pooler.keeps or kind not in {b"P", b"B", b"D", b"C"}:
            if kind == b"P":
                server.parsing.append((b"", True))
            server.send(kind, body)
        elif kind == b"P":
            self._parse(server, *body.split(b"\0", 1))
        else:
            self._use(server, kind, body)

    def _parse(self, server: _Server, name: bytes, text: bytes) -> None:
        if name:
            self._texts[name] = text
            name = self._pooler.name_on_servers(text)
        # Without a name where it is there already: for the answer.
        server.parse(b"" if server.has(name) else name, text, asked=True)

    def _use(self, server: _Server, kind: bytes, body: bytes) -> None:
        """Bind, describe or close a statement, under its name on the server."""
        before, name, after = body.split(b"\0", 2) if kind == b"B" else (b"", body[1:-1], b"")
        separator = b"\0" if kind == b"B" else body[:1]
        text = self._texts.get(name)
        if text is not None and (kind == b"B" or body[:1] == b"S"):
            name = self._pooler.name_on_servers(text)
            if kind == b"C":  # others may use it
                name = b"unused"
            elif not server.has(name):
                server.parse(name, text, asked=False)
        server.send(kind, before + separator + name + b"\0" + after)

    async def _answer(self, server: _Server) -> None:
        """Carry answers until the transaction has ended, and give the connection back."""
        with suppress(ConnectionError):
            while True:
                kind, body = await _read(server.reader)
                if kind == b"1":
                    name, asked = server.parsing.popleft()
                    server.prepared |= {name} - {b""}
                    if not asked:
                        continue
                elif kind == b"Z":
                    server.parsing.clear()  # what an error has left
                    if body == b"I":
                        self._server = None
                        self._servers.put_nowait(server)
                self._writer.write(_written(kind, body))
                if self._server is None:
                    return


async def _read(reader: asyncio.StreamReader) -> Message:
    kind = await reader.readexactly(1)
    size = int.from_bytes(await reader.readexactly(4))
    return kind, await reader.readexactly(size - 4)


def _written(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body
