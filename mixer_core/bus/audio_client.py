"""The connecting ends of the audio sockets, for asyncio processes: frames to and from the mixer.

ZeroMQ's PUSH and SUB on the wire (``zmtp``), read and written on the loop's own thread. They
reconnect by themselves; nothing is queued while the mixer is away.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from ..runtime.errors import FrameError
from .endpoints import AUDIO_IN, AUDIO_OUT, Endpoint
from .outgoing import Outgoing
from .zmtp import Parser, hello, subscribe

RECONNECT_S = 0.02
"""Delay between two attempts to reach the mixer."""
READ_BYTES = 64 * 1024


class _Connection:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        path: Path,
        kind: str,
        buffer_bytes: int,
        on_message: Callable[[bytes], None],
        first_message: bytes | None = None,
    ) -> None:
        """``first_message``: sent first on every new connection."""
        self._loop = loop
        self._path = str(path)
        self._hello = hello(kind)
        self._buffer_bytes = buffer_bytes
        self._on_message = on_message
        self._first_message = first_message
        self._socket: socket.socket | None = None
        self._outgoing: Outgoing | None = None
        self._retry: asyncio.TimerHandle | None = None
        self.is_ready = False
        """Messages can be sent."""
        self._connect()

    def close(self) -> None:
        """Close; what was sent still arrives. Harmless when closed."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._drop()

    def send(self, message: bytes) -> bool:
        """Send one message without waiting; False where it was dropped."""
        outgoing = self._outgoing
        if outgoing is None or not self.is_ready:
            return False
        try:
            sent = outgoing.send(message)
        except OSError:
            self._lost()
            return False
        if outgoing.is_stuck:
            assert self._socket is not None
            self._loop.add_writer(self._socket.fileno(), self._flush)
        return sent

    def _connect(self) -> None:
        self._retry = None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            outgoing = Outgoing(connection, self._buffer_bytes)
            connection.connect(self._path)
            outgoing.greet(self._hello)
        except OSError:  # Not there yet, or just going away: try until it works.
            connection.close()
            self._retry = self._loop.call_later(RECONNECT_S, self._connect)
            return
        self._socket, self._outgoing, self._parser = connection, outgoing, Parser()
        self._loop.add_reader(connection.fileno(), self._read)

    def _read(self) -> None:
        connection = self._socket
        assert connection is not None
        try:
            data = connection.recv(READ_BYTES)
            messages = self._parser.feed(data) if data else None
        except BlockingIOError:
            return
        except (OSError, FrameError):
            messages = None
        if messages is None:
            self._lost()
            return
        if not self.is_ready and self._parser.is_ready:
            self.is_ready = True
            if self._first_message is not None:
                self.send(self._first_message)
        for message in messages:
            if self._socket is not connection:  # Closed while handling the previous message.
                return
            self._on_message(message)

    def _flush(self) -> None:
        assert self._socket is not None and self._outgoing is not None
        try:
            if self._outgoing.flush():
                self._loop.remove_writer(self._socket.fileno())
        except OSError:
            self._lost()

    def _lost(self) -> None:
        self._drop()
        if self._retry is None:
            self._retry = self._loop.call_later(RECONNECT_S, self._connect)

    def _drop(self) -> None:
        connection, self._socket, self._outgoing = self._socket, None, None
        self.is_ready = False
        if connection is not None:
            self._loop.remove_reader(connection.fileno())
            self._loop.remove_writer(connection.fileno())
            connection.close()


class AudioPush:
    """Frames to the mixer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, runtime_dir: Path) -> None:
        """Begin to connect. Raises RuntimeDirError where the path is too long for a socket."""
        path, buffer_bytes = _place(AUDIO_IN, runtime_dir)
        self._connection = _Connection(loop, path, "PUSH", buffer_bytes, _ignore)

    @property
    def is_connected(self) -> bool:
        """The mixer is there and takes messages."""
        return self._connection.is_ready

    def send(self, message: bytes) -> bool:
        """Send one message without waiting; False where the queue is full or the mixer is away."""
        return self._connection.send(message)

    def close(self) -> None:
        """Close; what was sent still arrives. Harmless when closed."""
        self._connection.close()


class AudioSub:
    """What the mixer publishes for one listener."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        runtime_dir: Path,
        topic: bytes,
        on_message: Callable[[bytes], None],
    ) -> None:
        """``on_message`` gets each message whose first bytes are ``topic``.

        It must not raise; once it has closed this, it is not called again.
        Raises RuntimeDirError where the path is too long for a socket.
        """
        path, buffer_bytes = _place(AUDIO_OUT, runtime_dir)
        self._connection = _Connection(
            loop, path, "SUB", buffer_bytes, on_message, first_message=subscribe(topic)
        )

    def close(self) -> None:
        """Close. Harmless when closed."""
        self._connection.close()


def _place(endpoint: Endpoint, runtime_dir: Path) -> tuple[Path, int]:
    return endpoint.path(runtime_dir), endpoint.buffer_bytes


def _ignore(_: bytes) -> None:
    """A PULL socket sends no messages."""
