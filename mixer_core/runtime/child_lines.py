"""The host's ends of its children's lines: a socket in the runtime directory, a line per child."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from . import pool_wire
from .bound_path import BoundListener, patiently
from .errors import WireError

LOG_FD = 2
BACKLOG = 256
PAUSE_S = 0.5
"""Until the next attempt to accept where there is no descriptor left."""
MAX_LINES = 1_024
"""Lines at once; more than any number of children that the settings allow."""


class _Line:
    """One connection; it is a child's once it has said its first state."""

    def __init__(self, line: socket.socket, pid: int) -> None:
        self.socket = line
        self.pid = pid
        self.identity = ""
        self.bye: int | None = None


class ChildLines:
    """Accepts children of this user, reads what they say, tells them what to do."""

    def __init__(
        self,
        path: Path,
        on_state: Callable[[pool_wire.State, int], None],
        on_end: Callable[[str, int | None], None],
        build: str = "",
    ) -> None:
        """``on_state(state, pid)``; ``on_end(identity, exit_code)``, None where it said none.

        ``build``: digest of this host's release and settings.

        Raises:
            RuntimeDirError: the socket cannot be bound.
        """
        self._on_state = on_state
        self._on_end = on_end
        self._build = build
        self._loop = asyncio.get_running_loop()
        self._lines: set[_Line] = set()
        self._by_identity: dict[str, _Line] = {}
        self._pause: asyncio.TimerHandle | None = None
        kind = socket.SOCK_SEQPACKET
        self._listener = patiently(
            lambda: BoundListener(path, self._listen, self._unlisten, BACKLOG, kind)
        )

    def renew(self) -> str:
        """As ``BoundListener.renew``: children find this host, or it is said why not."""
        return self._listener.renew()

    def tell(self, identity: str, order: pool_wire.Order) -> None:
        """Give an order; one that does not arrive is followed by force."""
        line = self._by_identity.get(identity)
        if line is not None:
            with contextlib.suppress(OSError):
                line.socket.send(pool_wire.encode(order), socket.MSG_DONTWAIT)

    def drop(self, identity: str) -> None:
        """The child has ended: its line may go."""
        line = self._by_identity.pop(identity, None)
        if line is not None:
            self._close(line)

    def close(self) -> None:
        """Close all lines and remove the socket."""
        self._close_lines()
        self._listener.remove()

    def leave(self) -> None:
        """Close all lines; the socket's path tells the next host that there may be children."""
        self._close_lines()
        self._listener.close()

    def _close_lines(self) -> None:
        for line in list(self._lines):
            self._close(line)
        self._by_identity.clear()

    def _listen(self, listener: socket.socket) -> None:
        self._loop.add_reader(listener.fileno(), self._accept)

    def _unlisten(self, listener: socket.socket) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(listener.fileno())

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.socket.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:  # No descriptor is left: those who wait stay in line.
            listener = self._listener.socket
            self._loop.remove_reader(listener.fileno())
            self._pause = self._loop.call_later(PAUSE_S, self._listen, listener)
            return
        pid, uid = peer_of(accepted)
        if uid != os.getuid() or len(self._lines) >= MAX_LINES:
            accepted.close()
            return
        accepted.setblocking(False)
        line = _Line(accepted, pid)
        self._lines.add(line)
        self._loop.add_reader(accepted.fileno(), self._readable, line)

    def _readable(self, line: _Line) -> None:
        try:
            packet = line.socket.recv(pool_wire.MAX_BYTES)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._lost(line)
            return
        try:
            message = pool_wire.decode(packet)
        except WireError:
            return  # Of another release: its end is seen all the same.
        if isinstance(message, pool_wire.Bye):
            line.bye = message.exit_code
        elif isinstance(message, pool_wire.State) and line.identity in ("", message.identity):
            if not line.identity:
                self._welcome(line, message.identity)
            self._on_state(message, line.pid)

    def _welcome(self, line: _Line, identity: str) -> None:
        """A child has said who it is; it may write its log to where ours goes."""
        line.identity = identity
        self._by_identity[identity] = line
        with contextlib.suppress(OSError):
            packet = pool_wire.encode(pool_wire.Welcome(self._build))
            socket.send_fds(line.socket, [packet], [LOG_FD], socket.MSG_DONTWAIT)

    def _lost(self, line: _Line) -> None:
        self._close(line)
        if self._by_identity.get(line.identity) is line:
            del self._by_identity[line.identity]
            self._on_end(line.identity, line.bye)

    def _close(self, line: _Line) -> None:
        if line in self._lines:
            self._lines.discard(line)
            self._loop.remove_reader(line.socket.fileno())
            line.socket.close()


def peer_of(line: socket.socket) -> tuple[int, int]:
    """Process and user id at the other end of a local socket."""
    credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", credentials)
    return pid, uid
