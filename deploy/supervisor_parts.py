"""Added to supervisord from below: a poll that ends at a signal, and how each child ended."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

from supervisor.options import ServerOptions

ONCE_MORE = b"\0"
"""No signal has number 0: this byte marks a wake-up of our own."""


class SignalWakeup:
    """Stands in supervisord's table of dispatchers; readable when a signal came."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        """The file descriptor to poll."""
        return self._reader.fileno()

    def readable(self) -> bool:
        """Always listening."""
        return True

    def writable(self) -> bool:
        """Never writing."""
        return False

    def handle_read_event(self) -> None:
        """Empty the pipe; after a signal, wake once more to restart what this turn only reaps."""
        if self._reader.recv(256).strip(ONCE_MORE):
            self._writer.send(ONCE_MORE)

    def handle_error(self) -> None:
        """Called in an except clause: do not swallow the error."""
        raise


class NotingOptions(ServerOptions):  # type: ignore[misc]
    """supervisord's options, which also wait for its children: they note how each one ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[tuple[Any, int]] = []
        """supervisord's processes that have ended, with their exit codes (negative: the signal)."""

    def waitpid(self) -> tuple[int | None, int | None]:
        """As supervisord wants it."""
        pid, status = super().waitpid()
        process = self.pidhistory.get(pid)
        if process is not None and status is not None:
            self.ends.append((process, os.waitstatus_to_exitcode(status)))
        return pid, status
