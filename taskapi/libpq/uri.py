"""The syntax of a connection URL: text to parameters, as libpq's `conninfo_uri_parse` reads it.

PostgreSQL's documentation, 34.1.1.2 "Connection URIs". It differs from RFC 3986: `#` and `?` may
stand in a password, `+` is a plus sign, and there may be several hosts.
"""

import re
from urllib.parse import unquote

from taskapi.libpq.errors import UrlError

SCHEME = re.compile(r"postgres(?:ql)?(?:\+[a-z0-9_]+)?://", re.IGNORECASE)
"""With the driver that SQLAlchemy's URLs name."""

HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(?::(?P<port>[^:]*))?")
"""One of the list, an IPv6 address in brackets."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,62}")

NOT_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")

UNENCODED = (
    "needs the special characters of its user and password encoded: @ as %40, / as %2F, : as %3A "
    "and % as %25"
)


def parameters_of(url: str) -> dict[str, str]:
    """The parameters in a URL, by libpq's names, decoded.

    Raises:
        UrlError: it is not a connection URL.
    """
    text = _unwrapped(url)
    scheme = SCHEME.match(text)
    if scheme is None:
        raise UrlError("must start with postgresql://")
    if any(ord(character) < ord(" ") for character in text):
        raise UrlError("contains a line end or a tab: write it in one line")
    authority, path, query = _split(text[scheme.end() :])
    user, at, hosts = authority.rpartition("@")
    found = _credentials(user) if at else {}
    found |= _hosts(hosts)
    if path:
        found["dbname"] = _decoded(path)
    # Of two, the later one is meant, and each is stronger than what stands in front.
    return found | _queried(query)


def _unwrapped(text: str) -> str:
    """A URL that was copied with white space, in quotes, or as Neon's console shows it for psql."""
    text = text.strip()
    if text.startswith("psql "):
        text = text.removeprefix("psql").strip()
    for quote in ("'", '"'):
        text = text.removeprefix(quote).removesuffix(quote)
    return text


def _split(text: str) -> tuple[str, str, str]:
    """Authority, path and query. The first `@` ends the password, in which a `?` may stand."""
    credentials, at, rest = text.partition("@")
    if not at or "/" in credentials or "?" in credentials.partition(":")[0]:
        credentials, at, rest = "", "", text
    target, _, query = rest.partition("?")
    if "@" in target:
        raise UrlError(UNENCODED)
    hosts, _, path = target.partition("/")
    if " " in hosts + path:
        raise UrlError("contains a space: write it as %20, or remove it")
    return f"{credentials}{at}{hosts}", path, query


def _credentials(text: str) -> dict[str, str]:
    user, colon, password = text.partition(":")
    found = {"user": _decoded(user)} if user else {}
    return found | {"password": _decoded(password)} if colon else found


def _hosts(text: str) -> dict[str, str]:
    if not text:
        return {}
    matches = [HOST.fullmatch(part) for part in text.split(",")]
    if not all(matches):
        raise UrlError(
            "is not a valid URL: write host:port, an IPv6 address in brackets, commas between "
            "several, and : in a user or password as %3A"
        )
    hosts = [match["name"].strip("[]") for match in matches if match]
    ports = [match["port"] or "" for match in matches if match]
    found = {"host": ",".join(map(_decoded, hosts))}
    return found | {"port": ",".join(map(_decoded, ports))} if any(ports) else found


def _queried(query: str) -> dict[str, str]:
    found = {}
    query = query.removesuffix("&")  # which libpq takes at the end, and nowhere else
    for number, part in enumerate(query.split("&") if query else (), start=1):
        name, equals, value = part.partition("=")
        # Not repeated: behind an unencoded ? of a password, it would be the rest of that.
        if not equals or not NAME.fullmatch(name):
            raise UrlError(f"has a parameter, number {number}, that is not name=value: & is %26")
        found[name] = _decoded(value)
    return found


def _decoded(text: str) -> str:
    if NOT_ENCODED.search(text):
        raise UrlError("has a % without two hexadecimal digits behind it: write % as %25")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise UrlError("is not in UTF-8 where it is encoded with %") from None
