"""What a request's head may look like, and where its body begins (RFC 9112, 3 to 7)."""

from collections.abc import Callable, Iterable
from itertools import chain
from types import SimpleNamespace

import httptools

from taskapi.errors import HeadTooLarge, MalformedRequest

MAX_HEAD_BYTES = 64 * 1024
"""Eight times the longest token, so that a token that is too long gets its own error, 401."""

MAX_HEADERS = 500

HEAD_TOO_LARGE = (
    f"The URL and the headers are too large: they may have {MAX_HEAD_BYTES // 1024} KiB, and there "
    f"may be {MAX_HEADERS} headers. Send fewer cookies, or a token with fewer claims: Better "
    "Auth's definePayload of the plugin jwt() chooses them."
)

VERSIONS = {"1.0", "1.1"}
"""llhttp also accepts 0.9 and 2.0, each with the syntax of 1.1."""

FRAMING = {b"content-length", b"transfer-encoding"}


def check_head(version: str, url: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse what exceeds a limit, and what RFC 9112 forbids and the parser accepts.

    Raises:
        HeadTooLarge: the URL and the headers are too long, or there are too many headers.
        MalformedRequest: two parsers could read two different requests.
    """
    size = len(url) + sum(map(len, chain.from_iterable(headers)))
    if len(headers) > MAX_HEADERS or size > MAX_HEAD_BYTES:
        raise HeadTooLarge(HEAD_TOO_LARGE)
    if version not in VERSIONS:
        raise MalformedRequest("Use HTTP/1.1.")
    names = [name for name, _ in headers]
    hosts = names.count(b"host")
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise MalformedRequest("Send one Host header.")
    if b"transfer-encoding" in names:
        codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
        if codings != [b"chunked"] or version == "1.0":
            raise MalformedRequest("The only transfer coding is chunked, and only in HTTP/1.1.")


def body_parser(
    headers: Iterable[tuple[bytes, bytes]],
    on_body: Callable[[bytes], None],
    on_message_complete: Callable[[], None],
) -> httptools.HttpRequestParser:
    """A parser that has read the head of a request, and reads its body and nothing behind it."""
    callbacks = SimpleNamespace(on_body=on_body, on_message_complete=on_message_complete)
    parser = httptools.HttpRequestParser(callbacks)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # which then ignores the data
    framing = (b"%b: %b\r\n" % header for header in headers if header[0] in FRAMING)
    parser.feed_data(b"POST / HTTP/1.1\r\nConnection: close\r\n%b\r\n" % b"".join(framing))
    return parser
