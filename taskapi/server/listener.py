"""The listening socket: how it is opened, and how it is closed without resetting anybody."""

import ctypes
import socket
import struct
import sys

from taskapi.config import Settings, SettingsError

BACKLOG = 2048

CLOSING_SECONDS = 0.25
"""Once new connections are dropped, for those whose handshake is under way to be accepted."""

SO_ATTACH_FILTER = 26
"""Linux's number for it (asm-generic/socket.h); the socket module has no name."""

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
    """Listen on `API_HOST` and `API_PORT`, before anything that would have to be stopped again.

    Raises:
        SettingsError: another process listens there, or there is no such address.
    """
    address = (settings.host, settings.api_port)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(address, family=family, dualstack_ipv6=both, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(f"  API_HOST and API_PORT: {error.strerror}") from None


def drop_new_connections(listener: socket.socket) -> None:
    """Have the kernel drop every attempt to connect, in all processes that share the socket.

    A listening socket that is closed resets the connections in its queue, and between the last
    `accept` and `close` another one can always arrive. So the queue is cut off first: an attempt
    that is dropped is repeated by its kernel a second later, and then refused. Only Linux can do
    this; elsewhere that moment remains.
    """
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in DROP_NEW_CONNECTIONS)
    buffer = ctypes.create_string_buffer(program)
    pointer = struct.pack("HP", len(DROP_NEW_CONNECTIONS), ctypes.addressof(buffer))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
