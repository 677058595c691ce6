"""One request and its response: uvicorn's cycle, but for how the response is written.

uvicorn writes the head and the content of a response by two system calls, and searches each name
and value by a regular expression. Here a response of known length is one write, and its head is
checked as a whole.
"""

from collections.abc import Sequence
from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

MAX_JOINED_BYTES = 32 * 1024
"""Of content that is copied behind its head. A longer one is written beside it."""

WITHOUT_CONTENT = {204, 304}

Headers = Sequence[tuple[bytes, bytes]]


class Exchange(RequestResponseCycle):
    """Gives a request to the application, as uvicorn does, and writes the response."""

    _head = b""

    async def send(self, message: Message) -> None:  # type: ignore[override]  # uvicorn spells its types out
        """Take a message of the application."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._begin(message)
        elif not self.response_complete:
            self._go_on(message)
        else:
            raise RuntimeError(f"{message['type']} was sent after the end of the response")

    def _begin(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"{message['type']} was sent before the response began")
        self.response_started = True
        self.waiting_for_100_continue = False
        status: int = message["status"]
        headers = [*self.default_headers, *message.get("headers", ())]
        self._head = _head(status, headers + self._framing(status, dict(headers)))
        if self.chunked_encoding:
            self._write_head()  # the content may come much later; one of known length is there

    def _framing(self, status: int, headers: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """The headers that say where the response ends, and whether the connection does."""
        framing = []
        if headers.get(b"connection") == b"close":
            self.keep_alive = False
        elif not self.keep_alive:
            framing.append((b"connection", b"close"))
        length = headers.get(b"content-length")
        if length is not None:
            self.expected_content_length = int(length)
            self.chunked_encoding = False
        elif self.scope["method"] != "HEAD" and status not in WITHOUT_CONTENT:
            self.chunked_encoding = True
            framing.append((b"transfer-encoding", b"chunked"))
        return framing

    def _go_on(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            raise RuntimeError(f"{message['type']} was sent instead of content")
        content: bytes = message.get("body", b"")
        is_last = not message.get("more_body", False)
        if self.scope["method"] == "HEAD":
            content, self.expected_content_length = b"", 0
        elif self.chunked_encoding:
            content = _chunk(content, is_last=is_last)
        else:
            left = self.expected_content_length = self.expected_content_length - len(content)
            if left < 0 or (is_last and left):
                raise RuntimeError("The content has another length than Content-Length says")
        self._write(content)
        if is_last:
            self._complete()

    def _write(self, content: bytes) -> None:
        if not self._head:
            self.transport.write(content)
        elif len(content) <= MAX_JOINED_BYTES:
            self._head += content
            self._write_head()
        else:
            self.transport.writelines((self._head, content))
            self._head = b""

    def _write_head(self) -> None:
        self.transport.write(self._head)
        self._head = b""

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _head(status: int, headers: Headers) -> bytes:
    """The status line and the headers.

    Raises:
        RuntimeError: one of them has a line break or a NUL, which could end it (RFC 9112, 11.1).
    """
    head = b"".join([STATUS_LINE[status], *[b"%b: %b\r\n" % header for header in headers]])
    lines = len(headers) + 1
    if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
        raise RuntimeError("A header has a line break or a NUL.")
    return head + b"\r\n"


def _chunk(content: Any, *, is_last: bool) -> bytes:
    """Content in the chunked coding (RFC 9112, 7.1)."""
    chunk = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
    return chunk + b"0\r\n\r\n" if is_last else chunk
