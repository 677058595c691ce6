"""The address of the client, behind the proxies that an operator trusts.

uvicorn's own middleware for this takes a malformed `X-Forwarded-For` for an address, and does not
find the IPv4 client of an IPv6 socket (`::ffff:10.0.0.1`) in a network of IPv4.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

from taskapi.config_types import Networks
from taskapi.edge.fields import Fields

Address = IPv4Address | IPv6Address

MAX_PROXIES = 16
"""At most so many elements of `X-Forwarded-For` are looked at, from the right."""

MAX_ADDRESS_BYTES = 64
"""Of an element: an IPv6 address in brackets, with a zone and a port, is shorter."""


def client_address(scope: Scope) -> str | None:
    """The address that a request comes from; None where the server knows none (a Unix socket).

    It is the peer's. Where the peer is one of `TRUSTED_PROXIES`, it is the rightmost element of
    `X-Forwarded-For` that is none of them. An element that is no address ends the search, because
    what is left of it may be forged: the address is then that of the proxy on its right.
    """
    peer = scope.get("client")
    if peer is None:
        return None
    # Without an application, the server itself refuses the request.
    app = scope.get("app")
    trusted: Networks = app.settings.trusted_proxies if app is not None else ()
    if not trusted:
        return str(peer[0])
    address = _address(peer[0])
    if address is None:
        return None
    lines = Fields.of(scope).lines(b"x-forwarded-for")
    # Split at the right end only: the client may have sent thousands of commas.
    for element in reversed(b",".join(lines).rsplit(b",", MAX_PROXIES)):
        if not _is_in(address, trusted):
            break
        before = _forwarded(element)
        if before is None:
            break
        address = before
    return str(address)


def network_of(address: str) -> str:
    """What one client may choose its addresses from: for IPv6 a network of 64 bits (RFC 4291)."""
    if ":" not in address:
        return address
    parsed = _address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed or address)


def _is_in(address: Address, networks: Networks) -> bool:
    return any(address in network for network in networks)


def _forwarded(element: bytes) -> Address | None:
    """The address of an element, which may have a port: `192.0.2.1:80`, `[2001:db8::1]:80`."""
    if len(element) > MAX_ADDRESS_BYTES:
        return None
    text = element.decode("latin-1").strip(" \t")
    if text.startswith("["):
        return _address(text[1:].partition("]")[0])
    return _address(text.partition(":")[0] if text.count(":") == 1 else text)


@lru_cache(maxsize=1024)  # parsing takes 2 microseconds, and a balancer has few addresses
def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
