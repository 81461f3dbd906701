"""The connecting ends of the audio sockets, for asyncio processes: frames to and from the mixer.

ZeroMQ's PUSH and SUB on the wire (``zmtp``), read and written on the loop's own thread. They
reconnect by themselves, within milliseconds of the mixer's end if another one waits. No audio is
queued while there is none, or where its queue is full; what is said only once, such as typed words,
is kept for some seconds.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

from ..runtime.bound_path import Mark, mark_of
from ..runtime.errors import FrameError
from .endpoints import AUDIO_IN, AUDIO_OUT, Endpoint
from .outgoing import Outgoing
from .zmtp import Parser, hello, subscribe

FIRST_RETRY_S = 0.01
"""From the loss of the mixer to the first attempt to reach the next one."""
MOST_RETRY_S = 0.2
RETRY_SHARE = 0.05
"""Later attempts come after this share of the time that the mixer has been away."""
MOST_KEPT = 32
"""Messages that wait for a mixer; each has at most 16 KiB."""
KEPT_S = 3.0
"""Later people are told that the mixer is away."""
READ_BYTES = 64 * 1024


def retry_s(away_s: float) -> float:
    """Delay before the next attempt when the mixer has been away for ``away_s``."""
    return min(MOST_RETRY_S, FIRST_RETRY_S + away_s * RETRY_SHARE)


class _Connection:
    """One connection, from ``connect`` to its loss."""

    def __init__(
        self, line: _Line, loop: asyncio.AbstractEventLoop, path: Path, buffer_bytes: int
    ) -> None:
        """Connect and greet. Raises OSError where nobody listens."""
        self._line = line
        self._loop = loop
        self.mark: Mark | None = mark_of(path)
        """Of the socket that it leads to."""
        self._parser = Parser()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.is_ready = False
        """Messages can be sent."""
        try:
            self._outgoing = Outgoing(self._socket, buffer_bytes)
            self._socket.connect(str(path))
            self._outgoing.greet(line.greeting)
        except OSError:
            self._socket.close()
            raise
        self._is_open = True
        loop.add_reader(self._socket.fileno(), self._read)

    def send(self, message: bytes) -> bool:
        """Send one message without waiting; False where it was dropped."""
        if not self.is_ready:
            return False
        outgoing = self._outgoing
        try:
            sent = outgoing.send(message)
        except OSError:
            self._line.lost(self)
            return False
        if outgoing.is_stuck:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        return sent

    def close(self) -> None:
        """Close; what was sent still arrives. Harmless when closed."""
        if not self._is_open:
            return
        self._is_open = self.is_ready = False
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()

    def _read(self) -> None:
        try:
            data = self._socket.recv(READ_BYTES)
            messages = self._parser.feed(data) if data else None
        except BlockingIOError:
            return
        except (OSError, FrameError):
            messages = None
        if messages is None:
            self._line.lost(self)
            return
        if not self.is_ready and self._parser.is_ready:
            self.is_ready = True
            self._line.ready(self)
        for message in messages:
            if not self._is_open:  # Closed while handling the previous message.
                return
            self._line.on_message(message)

    def _flush(self) -> None:
        try:
            if self._outgoing.flush():
                self._loop.remove_writer(self._socket.fileno())
        except OSError:
            self._line.lost(self)


class _Line:
    """A connection that is made again when it is lost, and follows the path to another socket."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        runtime_dir: Path,
        endpoint: Endpoint,
        kind: str,
        on_message: Callable[[bytes], None],
        on_ready: Callable[[], None],
        first_message: bytes | None = None,
    ) -> None:
        """``first_message``: sent first on every new connection, before ``on_ready`` is called."""
        self._loop = loop
        self._path = endpoint.path(runtime_dir)
        self._buffer_bytes = endpoint.buffer_bytes
        self.greeting = hello(kind)
        self.on_message = on_message
        self._on_ready = on_ready
        self._first_message = first_message
        self._current: _Connection | None = None
        self._next: _Connection | None = None
        """To another socket that has taken the path; ``_current`` is used until it is ready."""
        self._retry: asyncio.TimerHandle | None = None
        self._away_since_s = loop.time()
        self._connect()

    @property
    def is_ready(self) -> bool:
        """Messages can be sent."""
        return self._current is not None and self._current.is_ready

    def send(self, message: bytes) -> bool:
        """Send one message without waiting; False where it was dropped."""
        current = self._current
        return current is not None and current.send(message)

    def follow(self) -> None:
        """Where another socket has taken the path, go there: what is heard here is not the room."""
        current = self._current
        if current is None or self._next is not None:
            return
        mark = mark_of(self._path)
        if mark is None or mark == current.mark:
            return
        self._next = self._attempt()

    def close(self) -> None:
        """Close; what was sent still arrives. Harmless when closed."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        for connection in (self._current, self._next):
            if connection is not None:
                connection.close()
        self._current = self._next = None

    def ready(self, connection: _Connection) -> None:
        """The peer of ``connection`` has said everything that precedes messages."""
        if connection is self._next:
            old, self._current, self._next = self._current, connection, None
            if old is not None:
                old.close()
        if self._first_message is not None:
            self.send(self._first_message)
        self._on_ready()

    def lost(self, connection: _Connection) -> None:
        """``connection`` has ended, or its peer speaks another protocol."""
        if connection.is_ready:
            self._away_since_s = self._loop.time()
        connection.close()
        if connection is self._next:
            self._next = None
        elif connection is self._current:
            self._current, self._next = self._next, None
            if self._current is None:
                self._try_later()

    def _connect(self) -> None:
        self._retry = None
        self._current = self._attempt()
        if self._current is None:
            self._try_later()

    def _try_later(self) -> None:
        delay_s = retry_s(self._loop.time() - self._away_since_s)
        self._retry = self._loop.call_later(delay_s, self._connect)

    def _attempt(self) -> _Connection | None:
        try:
            return _Connection(self, self._loop, self._path, self._buffer_bytes)
        except OSError:  # Not there yet, or just going away.
            return None


def _ignore(_: bytes) -> None:
    """A PULL socket sends no messages."""


def _nothing() -> None:
    """Nobody wants to know."""


class AudioPush:
    """Frames to the mixer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        runtime_dir: Path,
        on_ready: Callable[[], None] = _nothing,
    ) -> None:
        """Begin to connect. ``on_ready`` is called on every new connection.

        Raises RuntimeDirError where the path is too long for a socket.
        """
        self._on_ready = on_ready
        self._loop = loop
        self._kept: deque[tuple[float, bytes]] = deque()
        """What waits for a mixer, or for one that stands still, and since when."""
        self._again: asyncio.TimerHandle | None = None
        """The next attempt to send it, while the mixer is there."""
        self._is_new = False
        """The mixer came after what is kept, and has yet to be told who we are."""
        self._line = _Line(loop, runtime_dir, AUDIO_IN, "PUSH", _ignore, self._ready)

    @property
    def is_connected(self) -> bool:
        """The mixer is there and takes messages."""
        return self._line.is_ready

    def send(self, message: bytes) -> bool:
        """Send one message without waiting; False where the queue is full or the mixer is away."""
        return self._line.send(message)

    def send_or_keep(self, message: bytes) -> bool:
        """For what is said only once: kept while the mixer is away (``release``) or its queue full.

        False where it is dropped: as many are kept as may be.
        """
        if not self._kept and self._line.send(message):
            return True
        if len(self._kept) >= MOST_KEPT:
            return False
        self._kept.append((self._loop.time(), message))
        self._try_again()
        return True

    def release(self) -> None:
        """Send what was kept and is not too old; the mixer has been told who we are."""
        self._is_new = False
        now_s = self._loop.time()
        while self._kept and self._line.is_ready:
            since_s, message = self._kept[0]
            if now_s - since_s <= KEPT_S and not self._line.send(message):
                self._try_again()
                return
            self._kept.popleft()

    def _ready(self) -> None:
        self._is_new = bool(self._kept)
        self._on_ready()

    def _try_again(self) -> None:
        if self._again is None and self._line.is_ready and not self._is_new:
            self._again = self._loop.call_later(FIRST_RETRY_S, self._retry)

    def _retry(self) -> None:
        self._again = None
        if not self._is_new:
            self.release()

    def follow(self) -> None:
        """Go to another mixer that has taken the path; call it once a second."""
        self._line.follow()

    def close(self) -> None:
        """Close; what was sent still arrives. Harmless when closed."""
        if self._again is not None:
            self._again.cancel()
        self._line.close()


class AudioSub:
    """What the mixer publishes for one listener."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        runtime_dir: Path,
        topic: bytes,
        on_message: Callable[[bytes], None],
        on_ready: Callable[[], None] = _nothing,
    ) -> None:
        """``on_message`` gets each message whose first bytes are ``topic``.

        It must not raise; once it has closed this, it is not called again. ``on_ready`` is called
        on every new connection, when the topic has been asked for.
        Raises RuntimeDirError where the path is too long for a socket.
        """
        first = subscribe(topic)
        self._line = _Line(loop, runtime_dir, AUDIO_OUT, "SUB", on_message, on_ready, first)

    @property
    def is_connected(self) -> bool:
        """The mixer is there."""
        return self._line.is_ready

    def follow(self) -> None:
        """Go to another mixer that has taken the path; call it once a second."""
        self._line.follow()

    def close(self) -> None:
        """Close. Harmless when closed."""
        self._line.close()
