"""One request over HTTP/2, as a client sends it that knows that the server speaks it (RFC 9113).

Headers go out as literals, so nothing of HPACK (RFC 7541) is needed but its first page.
"""

import socket
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS = 1, 4
END_STREAM_AND_HEADERS = 0x05

INDEXED_STATUS = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
"""The static table's entries 8 to 14; any other status is a literal of three digits."""


def status_over_http2(connection: socket.socket, method: str, path: str) -> int:
    """The status of the answer to a request without a body; 0 where the stream is reset instead."""
    fields = {":method": method, ":scheme": "http", ":authority": "balancer", ":path": path}
    block = b"".join(_literal(name) + _literal(value, b"") for name, value in fields.items())
    connection.sendall(
        PREFACE + _frame(SETTINGS, 0, 0, b"") + _frame(HEADERS, END_STREAM_AND_HEADERS, 1, block)
    )
    for kind, stream, payload in _frames(connection):
        if stream == 1:
            return _status(payload) if kind == HEADERS else 0
    return 0


def _literal(text: str, prefix: bytes = b"\0") -> bytes:
    """A name or a value that is in no table, behind the byte that says so of a field."""
    assert len(text) < 127, "a longer one needs more than a byte for its length"
    return prefix + bytes([len(text)]) + text.encode("latin-1")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


def _frames(connection: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    """Kind, stream and payload of every frame until the server ends the connection."""
    with connection.makefile("rb") as received:
        while head := received.read(9):
            size = int.from_bytes(head[:3], "big")
            yield head[3], int.from_bytes(head[5:], "big"), received.read(size)


def _status(block: bytes) -> int:
    return INDEXED_STATUS.get(block[0]) or int(block[2:5])
