"""How the kernel notices that nobody is at the other end of a connection.

PostgreSQL's documentation, 34.1.2: `keepalives*` and `tcp_user_timeout`. The defaults differ from
libpq's, which are the system's (on Linux: noticed after two hours).
"""

import socket
from collections.abc import Mapping

from taskapi.libpq.errors import UrlError

KEPT_ALIVE = "keepalives"

SOCKET_OPTIONS = {
    "keepalives_idle": ("TCP_KEEPIDLE", 60),
    "keepalives_interval": ("TCP_KEEPINTVL", 10),
    "keepalives_count": ("TCP_KEEPCNT", 3),
}
"""With a default in seconds, or probes: a firewall or NAT sees a packet every minute. The shortest
memory of those that clouds document is Azure's, 4 minutes (tcp-reset-idle-timeout)."""

USER_TIMEOUT = "tcp_user_timeout"
DEFAULT_USER_TIMEOUT = 5000
"""Milliseconds that what was sent may stay without an acknowledgement. Half of `REQUEST_TIMEOUT`,
so that a read has time for a second connection. The kernel answers, not PostgreSQL, so a slow
statement does not count."""

SocketOption = tuple[int, int, int]


def socket_options(parameters: Mapping[str, str]) -> list[SocketOption]:
    """Arguments for `setsockopt`, as far as this system has them; 0 leaves one to the system."""
    wanted = [(USER_TIMEOUT, "TCP_USER_TIMEOUT", DEFAULT_USER_TIMEOUT)]
    options: list[SocketOption] = []
    if int(parameters.get(KEPT_ALIVE, 1)):
        options.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
        wanted += [(name, option, value) for name, (option, value) in SOCKET_OPTIONS.items()]
    for name, option, default in wanted:
        value = int(parameters.get(name, default))
        number = getattr(socket, option, None)
        if value > 0 and number is not None:
            options.append((socket.IPPROTO_TCP, number, value))
    return options


def check_socket_options(parameters: Mapping[str, str]) -> None:
    """Have the kernel say whether it takes these values.

    Raises:
        UrlError: it does not.
    """
    with socket.socket() as probe:
        for option in socket_options(parameters):
            try:
                probe.setsockopt(*option)
            except OSError:
                raise UrlError(
                    "has keepalives_idle, keepalives_interval, keepalives_count or "
                    "tcp_user_timeout with a number that this system does not take"
                ) from None
