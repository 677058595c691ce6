"""The end of a connection whose client is still sending.

A socket that is closed with bytes unread resets the connection, and many clients then lose the
answer that says why (a 413, say): measured with 20 MB, Node's fetch now and then, Python's
http.client always. So the way out is closed first, and what still comes in is read and dropped.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from fcntl import ioctl
from termios import TIOCOUTQ

AT_ONCE = struct.pack("ii", 1, 0)
COUNT = struct.Struct("i")


class LingeringTransport(asyncio.Transport):
    """A transport that closes in two steps where its client is still sending.

    Args:
        transport: the server's.
        loop: its loop.
        patience: seconds between the two steps, unless the client leaves before.
        still_sending: whether the client is, as far as one can know.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        patience: float,
        still_sending: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._patience = patience
        self._still_sending = still_sending
        self.lingers = False
        self.write = transport.write  # type: ignore[method-assign]  # a call less for every answer

    def is_closing(self) -> bool:
        return self.lingers or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing() or not self._still_sending():
            self._transport.close()
        else:
            self.lingers = True
            self._transport.write_eof()
            self._transport.resume_reading()
            self._loop.call_later(self._patience, self._transport.close)

    def reset(self) -> None:
        """Close at once, and have the kernel drop what was not taken."""
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self._transport.abort()

    def unacknowledged(self) -> int:
        """Bytes written that the client has not taken, here and in the kernel (tcp(7)).

        The kernel takes megabytes, and takes more only when a third of them has gone. That can take
        a slow client longer than any timeout, and until then the number of bytes here is the same.
        """
        connection = self._transport.get_extra_info("socket")
        (in_kernel,) = COUNT.unpack(ioctl(connection.fileno(), TIOCOUTQ, bytes(COUNT.size)))
        return self._transport.get_write_buffer_size() + int(in_kernel)
