"""The bound ends of the audio sockets: one ``epoll`` over all connections, no thread, no loop.

ZeroMQ's PULL and PUB on the wire (``bus.zmtp``), read and written on the mixer's own thread, so
that a frame in and a frame out wake one thread and not three.
"""

from __future__ import annotations

import resource
import select
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from .bus import endpoints
from .bus.endpoints import Endpoint
from .bus.outgoing import Outgoing
from .bus.zmtp import Parser, hello
from .runtime.bound_path import BoundListener
from .runtime.errors import FrameError
from .runtime.units import S_NS

TOPIC_BYTES = 4
"""Length of a stream's topic; topics of this length are looked up directly."""
BACKLOG = 256
MAX_CONNECTIONS = 4_096
"""Of both kinds together, where the process may open that many files."""
OTHER_FILES = 64
"""File descriptors kept free for everything that is not a connection."""
MAX_TOPICS = 64
"""Most subscriptions of one listener; ours have one."""
READ_BYTES = 64 * 1024
_SUBSCRIBE = 1


class _Peer:
    """One connection."""

    __slots__ = ("connection", "outgoing", "parser", "topics")

    def __init__(self, connection: socket.socket, outgoing: Outgoing) -> None:
        self.connection = connection
        self.outgoing = outgoing
        self.parser = Parser()
        self.topics: set[bytes] = set()


class AudioServer:
    """Both audio sockets: ``poll``, ``receive``, ``publish``. Watches other descriptors too."""

    def __init__(self, runtime_dir: Path, max_connections: int = MAX_CONNECTIONS) -> None:
        """Bind both. Raises RuntimeDirError.

        ``max_connections`` is lowered to what the process may open: a connection that could not be
        accepted for lack of a descriptor would keep ``poll`` from ever waiting.
        """
        self._max_connections = min(max_connections, _descriptors() - OTHER_FILES)
        self._epoll = select.epoll()
        self._in = self._listen(endpoints.AUDIO_IN, runtime_dir)
        self._out = self._listen(endpoints.AUDIO_OUT, runtime_dir)
        self._senders: dict[int, _Peer] = {}
        self._listeners: dict[int, _Peer] = {}
        self._by_topic: dict[bytes, list[_Peer]] = {}
        self._by_prefix: list[tuple[bytes, _Peer]] = []
        """Subscriptions to topics of other lengths."""
        self._deserted: list[bytes] = []
        self.dropped = 0
        """Messages that a listener could not take."""
        self.refused = 0
        """Connections closed: another protocol, too many subscriptions, or too many connections."""

    def watch(self, descriptor: int) -> None:
        """Have ``poll`` return when ``descriptor`` is readable. Raises OSError."""
        self._epoll.register(descriptor, select.EPOLLIN)

    def poll(self, wait_ns: int) -> list[int]:
        """Wait for at most ``wait_ns`` (rounded up to ms); the descriptors that are ready."""
        return [fd for fd, _ in self._epoll.poll(max(0, wait_ns) / S_NS)]

    def receive(self, ready: list[int], on_message: Callable[[bytes], None]) -> None:
        """Take what has arrived at ``ready``; connections come and go in here.

        ``on_message`` may ``publish``. If it raises, the rest of what the same sender sent in the
        same read is lost; others are read in the next turn.
        """
        for descriptor in ready:
            sender = self._senders.get(descriptor)
            if sender is not None:
                self._read(descriptor, sender, on_message)
            elif descriptor in self._listeners:
                self._serve(descriptor, self._listeners[descriptor])
            elif descriptor == self._in.socket.fileno():
                self._accept(self._in.socket, endpoints.AUDIO_IN, "PULL", self._senders)
            elif descriptor == self._out.socket.fileno():
                self._accept(self._out.socket, endpoints.AUDIO_OUT, "PUB", self._listeners)

    def publish(self, message: bytes) -> None:
        """Send to every subscriber; one that does not keep up misses it (counted).

        ``message``: at most ``zmtp.MAX_MESSAGE_BYTES``, its topic first. Raises nothing.
        """
        for peer in self._by_topic.get(message[:TOPIC_BYTES], ()):
            self._send(peer, message)
        for prefix, peer in self._by_prefix:
            if message.startswith(prefix):
                self._send(peer, message)

    def take_deserted(self) -> list[bytes]:
        """The topics that lost their last subscriber since the last call."""
        if not self._deserted:
            return self._deserted
        deserted, self._deserted = self._deserted, []
        return [topic for topic in deserted if topic not in self._by_topic]

    def renew(self) -> str:
        """Bind again what is no longer reached by its path; call it once a second.

        Returns what was wrong and is mended now; empty: nothing was. Connections stay.
        Raises RuntimeDirError where it cannot be mended now.
        """
        return "; ".join(words for words in (self._in.renew(), self._out.renew()) if words)

    def close(self) -> None:
        """Close everything at once."""
        for peer in (*self._senders.values(), *self._listeners.values()):
            peer.connection.close()
        self._in.close()
        self._out.close()
        self._epoll.close()

    def _listen(self, endpoint: Endpoint, runtime_dir: Path) -> BoundListener:
        return BoundListener(
            endpoint.path(runtime_dir),
            watch=lambda listener: self._epoll.register(listener.fileno(), select.EPOLLIN),
            unwatch=lambda listener: self._epoll.unregister(listener.fileno()),
            backlog=BACKLOG,
        )

    def _accept(
        self, listener: socket.socket, endpoint: Endpoint, kind: str, peers: dict[int, _Peer]
    ) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # It went away again; the next one wakes us by itself.
            return
        if len(self._senders) + len(self._listeners) >= self._max_connections:
            self.refused += 1
            connection.close()
            return
        peer = _Peer(connection, Outgoing(connection, endpoint.buffer_bytes))
        peers[connection.fileno()] = peer
        self._epoll.register(connection.fileno(), select.EPOLLIN)
        try:
            peer.outgoing.greet(hello(kind))
        except OSError:
            self._forget(connection.fileno())

    def _read(self, descriptor: int, peer: _Peer, on_message: Callable[[bytes], None]) -> None:
        for message in self._take(descriptor, peer):
            on_message(message)

    def _serve(self, descriptor: int, peer: _Peer) -> None:
        """A listener subscribes, has room again, or is gone."""
        if peer.outgoing.is_stuck:
            self._unstick(descriptor, peer)
        for message in self._take(descriptor, peer):
            self._subscribe(peer, message)
        if len(peer.topics) > MAX_TOPICS:
            self.refused += 1
            self._forget(descriptor)

    def _take(self, descriptor: int, peer: _Peer) -> list[bytes]:
        try:
            data = peer.connection.recv(READ_BYTES)
            if data:
                return peer.parser.feed(data)
        except BlockingIOError:
            return []
        except OSError:
            pass  # As good as an end of file: the peer is gone.
        except FrameError:
            self.refused += 1
        self._forget(descriptor)
        return []

    def _subscribe(self, peer: _Peer, message: bytes) -> None:
        topic = message[1:]
        if message[:1] == bytes((_SUBSCRIBE,)):
            if topic not in peer.topics:
                peer.topics.add(topic)
                self._index(peer, topic)
        elif message[:1] == b"\0" and topic in peer.topics:
            peer.topics.discard(topic)
            self._unindex(peer, topic)

    def _index(self, peer: _Peer, topic: bytes) -> None:
        if len(topic) == TOPIC_BYTES:
            self._by_topic.setdefault(topic, []).append(peer)
        else:
            self._by_prefix.append((topic, peer))

    def _unindex(self, peer: _Peer, topic: bytes) -> None:
        if len(topic) != TOPIC_BYTES:
            self._by_prefix.remove((topic, peer))
            return
        peers = self._by_topic[topic]
        peers.remove(peer)
        if not peers:
            del self._by_topic[topic]

    def _send(self, peer: _Peer, message: bytes) -> None:
        try:
            if not peer.outgoing.send(message):
                self.dropped += 1
            elif peer.outgoing.is_stuck:
                events = select.EPOLLIN | select.EPOLLOUT
                self._epoll.modify(peer.connection.fileno(), events)
        except OSError:
            self.dropped += 1  # Its descriptor is readable now: ``receive`` forgets it.

    def _unstick(self, descriptor: int, peer: _Peer) -> None:
        try:
            if peer.outgoing.flush():
                self._epoll.modify(descriptor, select.EPOLLIN)
        except OSError:
            self._epoll.modify(descriptor, select.EPOLLIN)

    def _forget(self, descriptor: int) -> None:
        peer = self._senders.pop(descriptor, None) or self._listeners.pop(descriptor, None)
        if peer is None:
            return
        for topic in peer.topics:
            self._unindex(peer, topic)
            if len(topic) == TOPIC_BYTES and topic not in self._by_topic:
                self._deserted.append(topic)
        self._epoll.unregister(descriptor)
        peer.connection.close()


def _descriptors() -> int:
    """How many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
