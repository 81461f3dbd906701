"""Reading a ZeroMQ socket from an asyncio loop without ``zmq.asyncio`` (a third of its cost).

The socket's file descriptor is edge-triggered: after each wake-up *and after each send* the
``EVENTS`` option must be read until nothing is left, or the socket falls asleep for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import zmq

from .endpoints import readable, try_send

BATCH = 64
"""Most messages handled before the loop's other work gets its turn."""


class DrainedSocket:
    """A socket whose messages go to a callback."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        socket: zmq.Socket[bytes],
        on_message: Callable[[list[bytes]], None],
        on_writable: Callable[[], None] | None = None,
    ) -> None:
        """``on_message`` gets the parts of one message; it must not raise.

        ``on_writable``: called when messages can be sent again after they could not; of a DEALER
        with ``IMMEDIATE`` that is when its peer is back.
        """
        self._loop = loop
        self._socket = socket
        self._on_message = on_message
        self._on_writable = on_writable
        self._was_writable = True
        self._fd = int(socket.getsockopt(zmq.FD))
        self._again: asyncio.Handle | None = None
        loop.add_reader(self._fd, self._drain)
        self._again = loop.call_soon(self._drain)

    def send(self, *parts: bytes) -> bool:
        """Send one message without waiting; False where it was dropped."""
        sent = try_send(self._socket, parts[0]) if len(parts) == 1 else self._send_parts(parts)
        if self._again is None and readable(self._socket):
            self._again = self._loop.call_soon(self._drain)
        return sent

    def close(self) -> None:
        """Stop reading and close the socket."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if not self._socket.closed:
            self._loop.remove_reader(self._fd)
            self._socket.close()

    def _send_parts(self, parts: tuple[bytes, ...]) -> bool:
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                return False
            raise
        return True

    def _drain(self) -> None:
        self._again = None
        for _ in range(BATCH):
            if self._socket.closed or not self._look():
                return
            self._on_message(self._socket.recv_multipart(zmq.NOBLOCK))
        if not self._socket.closed:
            self._again = self._loop.call_soon(self._drain)

    def _look(self) -> bool:
        """Whether a message waits; tells of a peer that is back."""
        events = int(self._socket.getsockopt(zmq.EVENTS))
        if self._on_writable is not None:
            writable = bool(events & zmq.POLLOUT)
            is_back, self._was_writable = writable and not self._was_writable, writable
            if is_back:
                self._on_writable()
        return bool(events & zmq.POLLIN)
