"""supervisord that acts on signals at once; ``python -m deploy.supervise`` takes its arguments.

supervisord looks at its signals when its poll returns, which takes up to a second, and restarts a
dead program one poll later. Here a signal ends the poll, so that neither Ctrl-C nor the restart of
a killed program has to wait. Each program gets its own secrets and nobody else's.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

from mixer_core.runtime.sweep import sweep

from .secret_variables import Shares, take

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


class WakingSupervisor(Supervisor):  # type: ignore[misc]
    """supervisord whose poll ends when a signal comes."""

    def runforever(self) -> None:
        """The main loop, with the wake-up in its table."""
        wakeup = SignalWakeup()
        table: dict[int, Any] = asyncore.socket_map
        table[wakeup.fileno()] = wakeup
        super().runforever()


def hand_out(shares: Shares, groups: list[Any]) -> None:
    """Add each program's secrets to what supervisord sets in its environment."""
    for group in groups:
        for program in group.process_configs:
            own = shares.get(program.name, {})
            program.environment = {**(program.environment or {}), **own}


def main(arguments: list[str]) -> int:
    """Run until stopped; returns the exit code."""
    shares = take()
    options = ServerOptions()
    options.realize(arguments, doc=__doc__)
    hand_out(shares, options.process_group_configs)
    options.first = True
    options.test = False
    try:
        WakingSupervisor(options).main()
    except asyncore.ExitNow:
        pass
    finally:
        options.close_httpservers()
        options.close_logger()
        sweep(Path(os.environ["SUPERVISED_DIR"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
