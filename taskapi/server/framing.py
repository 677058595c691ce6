"""What a request's head may look like, and where its body begins (RFC 9112, 3 to 7)."""

from collections.abc import Callable, Iterable
from itertools import chain
from types import SimpleNamespace

import httptools

from taskapi.errors import HeadTooLarge, MalformedRequest

MAX_HEAD_BYTES = 64 * 1024
"""Bytes. Eight times the longest token, so that a longer one is still refused as one, with 401."""

MAX_HEADERS = 500

VERSIONS = {"1.0", "1.1"}
"""llhttp also takes 0.9 and 2.0, each with the syntax of 1.1."""

FRAMING = {b"content-length", b"transfer-encoding"}


def check_head(version: str, url: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse what is too large, and what RFC 9112 has a server refuse and the parser does not.

    Raises:
        HeadTooLarge: as it says.
        MalformedRequest: two readers could see two requests in this one.
    """
    size = len(url) + sum(map(len, chain.from_iterable(headers)))
    if len(headers) > MAX_HEADERS or size > MAX_HEAD_BYTES:
        raise HeadTooLarge
    if version not in VERSIONS:
        raise MalformedRequest("Speak HTTP/1.1.")
    names = [name for name, _ in headers]
    hosts = names.count(b"host")
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise MalformedRequest("A request names one Host.")
    if b"transfer-encoding" in names:
        codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
        if codings != [b"chunked"] or version == "1.0":
            raise MalformedRequest("The only transfer coding is chunked, in HTTP/1.1.")


def body_parser(
    headers: Iterable[tuple[bytes, bytes]],
    on_body: Callable[[bytes], None],
    on_message_complete: Callable[[], None],
) -> httptools.HttpRequestParser:
    """A parser that has the head of a request behind it, and tells of its body and nothing else."""
    told = SimpleNamespace(on_body=on_body, on_message_complete=on_message_complete)
    parser = httptools.HttpRequestParser(told)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # by passing it over
    framing = (b"%b: %b\r\n" % header for header in headers if header[0] in FRAMING)
    parser.feed_data(b"POST / HTTP/1.1\r\nConnection: close\r\n%b\r\n" % b"".join(framing))
    return parser
