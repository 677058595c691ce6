"""How a connection ends whose client is still sending (a lingering close).

Closing a socket with unread bytes resets the connection, and many clients then lose the response,
such as a 413. Measured with 20 MB: Node's fetch sometimes, Python's http.client always. So the
write side is closed first, and what still arrives is read and dropped.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from fcntl import ioctl
from termios import TIOCOUTQ

NO_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER on, with 0 seconds: closing discards what is unsent, and resets the connection."""

INT = struct.Struct("i")


class LingeringTransport(asyncio.Transport):
    """A transport that closes in two steps if its client is still sending.

    Args:
        transport: the server's.
        loop: its loop.
        timeout: seconds between the two steps, unless the client disconnects before.
        send_timeout: seconds for the client to take what was written before the connection closes.
        is_client_sending: whether it is, as far as the server can know.

    Attributes:
        timeout: as above.
        lingering: whether the first step is done.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        timeout: float,
        send_timeout: float,
        is_client_sending: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self.timeout = timeout
        self._send_timeout = send_timeout
        self._is_client_sending = is_client_sending
        self.lingering = False
        self._reset_timer: asyncio.TimerHandle | None = None
        # These save a call for each response.
        self.write = transport.write  # type: ignore[method-assign]
        self.writelines = transport.writelines  # type: ignore[method-assign]

    def is_closing(self) -> bool:
        return self.lingering or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing() or not self._is_client_sending():
            self._transport.close()
            if self._reset_timer is None and self._transport.get_write_buffer_size():
                # It would wait for ever for a client that takes nothing any more.
                self._reset_timer = self._loop.call_later(self._send_timeout, self.reset)
        else:
            self.lingering = True
            self._transport.write_eof()
            self._transport.resume_reading()
            self._loop.call_later(self.timeout, self._transport.close)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def cancel_reset(self) -> None:
        """To be called when the connection is lost."""
        if self._reset_timer is not None:
            self._reset_timer.cancel()

    def forget_client(self) -> None:
        """To be called after that: it does not matter any more whether the client is sending."""
        self._is_client_sending = bool

    def reset(self) -> None:
        """Close at once, and discard what the client has not received."""
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._transport.abort()

    def unacknowledged(self) -> int:
        """Written bytes that the client has not acknowledged, in this buffer and the kernel's.

        TIOCOUTQ (tcp(7)) counts the latter, which are megabytes. The kernel accepts more only when
        a third of them is acknowledged, which can take a slow client longer than any timeout. Until
        then this process's own buffer does not change.
        """
        connection = self._transport.get_extra_info("socket")
        (in_kernel,) = INT.unpack(ioctl(connection.fileno(), TIOCOUTQ, bytes(INT.size)))
        return self._transport.get_write_buffer_size() + int(in_kernel)
