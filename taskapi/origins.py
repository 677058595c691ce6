"""Origins of web pages: how `CORS_ORIGINS` writes them, and which request has one of them.

An origin is what a browser sends as `Origin` (RFC 6454, 6.2): a scheme, a host, and a port unless
it is the scheme's default. It is compared as text, so one that browsers write differently would
never match. The text of a `ValueError` here follows the name of an origin.
"""

import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address

DEFAULT_PORTS = {"http": "80", "https": "443"}
"""Of the schemes whose hosts browsers normalise (WHATWG URL, 4.2). Hosts of others stay as they
are."""

NO_PAGES = {"about", "blob", "data", "file", "ftp", "javascript", "ws", "wss"}
"""Schemes that are part of no page's origin: browsers send `null` or the origin within."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_OPAQUE_HOST = re.compile(r"[A-Za-z0-9._-]{1,255}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""As the last label of a host, with which it is an IPv4 address (WHATWG URL, 3.5)."""

_FIRST_LABEL = re.compile(rb"\A([a-z][a-z0-9+.-]*://)[a-z0-9_-]{1,63}(?=\.)")
_LOCAL = re.compile(rb"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[1-9][0-9]{0,4})?")


class AllowedOrigins:
    """The origins whose pages may call the API.

    Args:
        listed: as `CORS_ORIGINS` has them.
        local: whether pages of every port of this machine may too.

    Attributes:
        listed: the same.
        local: the same.
    """

    __slots__ = ("_exact", "_patterns", "listed", "local")

    def __init__(self, listed: Sequence[str], *, local: bool = False) -> None:
        self.listed = listed
        self._exact = {origin.encode() for origin in listed if "*" not in origin}
        self._patterns = {origin.encode() for origin in listed if "*" in origin}
        self.local = local

    def __bool__(self) -> bool:
        return bool(self.listed) or self.local

    def allow(self, origin: bytes) -> bool:
        """Whether this is one of them. It takes a time linear in the length of the text."""
        if origin in self._exact:
            return True
        if self.local and _LOCAL.fullmatch(origin):
            return True
        first = _FIRST_LABEL.match(origin) if self._patterns else None
        return first is not None and first[1] + b"*" + origin[first.end() :] in self._patterns


def check_listed(text: str) -> None:
    """Check an item of `CORS_ORIGINS`: an origin, perhaps with a `*` as its whole first label.

    Raises:
        ValueError: it can never match, or would match more than pages of one owner.
    """
    scheme, pattern, rest = text.partition("://*.")
    if "*" in (rest if pattern else text):
        raise ValueError("may have * only in place of its whole first label: https://*.example.com")
    if not pattern:
        check_origin(text)
        return
    check_origin(f"{scheme}://{rest}")
    host = rest.partition(":")[0]
    # Names below localhost are this machine's own (RFC 6761, 6.3).
    if ("." not in host and host != "localhost") or _is_ipv4(host):
        raise ValueError("needs a domain behind *, such as *.example.com")


def check_origin(text: str) -> None:
    """Check that a page can have this origin.

    Raises:
        ValueError: browsers never send it, or they send it for pages of anybody.
    """
    scheme, separator, rest = text.partition("://")
    if text == "null" or scheme in NO_PAGES:
        raise ValueError("is no page's: browsers send null for files and sandboxed frames")
    if not separator:
        raise ValueError("has no scheme: write https:// in front")
    if not text.isascii():
        raise ValueError("has letters beyond ASCII: write the host as browsers do, with xn--")
    if not _SCHEME.fullmatch(scheme):
        raise ValueError("has no valid scheme: write it in lower case")
    if set(rest) & set("/\\?#"):
        raise ValueError("has a path: end it after the host and the port, without a /")
    if "@" in rest:
        raise ValueError("has a user, which is no part of an origin")
    parts = _HOST_AND_PORT.fullmatch(rest)
    if parts is None:
        raise ValueError("has no valid host")
    _check_host(scheme, parts["host"])
    _check_port(scheme, parts["port"])


def _check_host(scheme: str, host: str) -> None:
    if scheme not in DEFAULT_PORTS:
        if not _OPAQUE_HOST.fullmatch(host):
            raise ValueError("has no valid host")
    elif host.startswith("["):
        _check_ip(IPv6Address, host[1:-1])
    elif host != host.lower():
        raise ValueError("has upper case letters: write it in lower case, as browsers do")
    elif _is_ipv4(host):
        _check_ip(IPv4Address, host)
    elif not _NAME.fullmatch(host):
        raise ValueError("has no valid host")


def _is_ipv4(host: str) -> bool:
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def _check_ip(kind: type[IPv4Address | IPv6Address], text: str) -> None:
    try:
        shortest = str(kind(text))
    except AddressValueError:
        raise ValueError("has no valid IP address") from None
    if text != shortest or "%" in text:
        raise ValueError("has an IP address that browsers write differently")


def _check_port(scheme: str, port: str | None) -> None:
    if port is None:
        return
    if not _PORT.fullmatch(port) or int(port) > 65535:  # noqa: PLR2004 - TCP's largest
        raise ValueError("has no valid port")
    if port == DEFAULT_PORTS.get(scheme):
        raise ValueError(f"has the port {port}, which browsers leave out: leave it out too")
