"""Messages into a local stream socket without waiting: whole or not at all."""

from __future__ import annotations

import socket

from .zmtp import encode


class Outgoing:
    """What one connection sends. The kernel's send buffer is the queue; if full, messages drop."""

    def __init__(self, connection: socket.socket, buffer_bytes: int) -> None:
        """``buffer_bytes`` bounds the queue; the kernel counts about 2.3 kB for a 1 kB message.

        Raises OSError where ``connection`` is closed.
        """
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes // 2)
        self._connection = connection
        self._rest = b""

    @property
    def is_stuck(self) -> bool:
        """The end of a message waits for room: call ``flush`` when the socket is writable."""
        return bool(self._rest)

    def send(self, message: bytes) -> bool:
        """False where the message was dropped because the peer does not keep up.

        Raises OSError where the connection is lost.
        """
        if self._rest and not self.flush():
            return False
        return self._write(encode(message))

    def greet(self, data: bytes) -> None:
        """Send ``data`` unframed: the first bytes of the connection. Raises OSError."""
        self._write(data)

    def flush(self) -> bool:
        """Send what waits; False while something still does. Raises OSError."""
        rest, self._rest = self._rest, b""
        if not self._write(rest):
            self._rest = rest
        return not self._rest

    def _write(self, data: bytes) -> bool:
        try:
            sent = self._connection.send(data)
        except BlockingIOError:
            return False
        if sent < len(data):
            self._rest = data[sent:]
        return True
