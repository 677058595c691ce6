"""Requests byte by byte, for what an HTTP client would never send."""

import socket

import httpx

from support import PATIENCE


def connection_to(http: httpx.Client) -> socket.socket:
    """A connection to the service that this client calls."""
    address = (http.base_url.host, http.base_url.port)
    return socket.create_connection(address, timeout=PATIENCE)


def answer_to(http: httpx.Client, *sent: bytes) -> bytes:
    """What the service sends back, up to the end of one answer or of the connection."""
    with connection_to(http) as connection:
        for part in sent:
            connection.sendall(part)
        received = b""
        while not _complete(received):
            part = connection.recv(65536)
            if not part:
                break
            received += part
    return received


def _complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return _complete(body)
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
    return True


def head_of(method: str, path: str, *headers: str) -> bytes:
    """The head of a request, after whose answer the service closes the connection."""
    always = ("Host: test", "Connection: close")
    return "\r\n".join([f"{method} {path} HTTP/1.1", *always, *headers, "", ""]).encode()
