"""The listening socket: how it is opened, and closed without resetting connections."""

import ctypes
import socket
import struct
import sys

from taskapi.config import Settings, SettingsError

BACKLOG = 2048

CLOSING_SECONDS = 0.25
"""After new connections are dropped, for those in their handshake to be accepted."""

SO_ATTACH_FILTER = 26
"""From Linux's asm-generic/socket.h; the socket module does not have it."""

# Classic BPF over a TCP segment: drop it if of its flags SYN is set and ACK is not.
TCP_FLAGS_OFFSET, SYN, ACK = 13, 0x02, 0x10
DROP_NEW_CONNECTIONS = (
    (0x30, 0, 0, TCP_FLAGS_OFFSET),  # load the byte
    (0x54, 0, 0, SYN | ACK),  # and
    (0x15, 0, 1, SYN),  # jump if equal: next, otherwise one further
    (0x06, 0, 0, 0),  # return: drop
    (0x06, 0, 0, 0xFFFFFFFF),  # return: keep all of it
)


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
    """Have the kernel drop every attempt to connect, for all processes that share the socket.

    Closing a listening socket resets the connections in its queue, and another one can always
    arrive between the last `accept` and `close`. So the queue is cut off first: the client's kernel
    repeats a dropped attempt a second later, and is then refused. Only Linux can do this; elsewhere
    that gap remains.
    """
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in DROP_NEW_CONNECTIONS)
    buffer = ctypes.create_string_buffer(program)
    pointer = struct.pack("HP", len(DROP_NEW_CONNECTIONS), ctypes.addressof(buffer))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
