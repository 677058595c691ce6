"""The listening socket: how it is opened, and closed without resetting connections."""

import socket
import sys

from taskapi.config import Settings, SettingsError

BACKLOG = 2048

CLOSING_SECONDS = 0.25
"""After new connections are dropped, for those in their handshake to be accepted."""

MINIMUM_HOPS = {
    socket.AF_INET: ((socket.IPPROTO_IP, 21),),  # IP_MINTTL
    socket.AF_INET6: ((socket.IPPROTO_IPV6, 73), (socket.IPPROTO_IP, 21)),  # IPV6_MINHOPCOUNT
}
"""Linux's options by which a socket ignores packets that have too few hops left (RFC 5082). The
socket module has no names for them. An IPv6 socket may have clients of IPv4 too."""

MORE_THAN_ANY = 255
"""Hops. Linux and most other systems send packets with 64."""


def listen(settings: Settings) -> socket.socket:
    """Listen on `API_HOST` and `API_PORT`: first of all, so that a failure leaves nothing to stop.

    Raises:
        SettingsError: the port is in use, or the host has no such address.
    """
    address = (settings.host, settings.api_port)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(address, family=family, dualstack_ipv6=both, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(f"  API_HOST and API_PORT: {error.strerror}") from None


def drop_new_connections(listener: socket.socket) -> None:
    """Have the kernel ignore attempts to connect, in all processes that share the socket.

    A listening socket that is closed resets the connections in its queue, and between the last
    `accept` and `close` another one can always arrive. So the queue is cut off first: a packet that
    is ignored is sent again by its kernel a second later, and then refused. Handshakes under way
    are not affected. Only Linux can do this; elsewhere that moment remains.
    """
    _require_hops(listener, MORE_THAN_ANY)


def admit(connection: socket.socket) -> None:
    """Take packets from everywhere on a connection that was accepted from a closing socket."""
    _require_hops(connection, 0)


def _require_hops(connection: socket.socket, hops: int) -> None:
    if sys.platform == "linux":
        for level, option in MINIMUM_HOPS.get(connection.family, ()):
            connection.setsockopt(level, option, hops)
