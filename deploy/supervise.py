"""supervisord that acts on signals at once; ``python -m deploy.supervise`` takes its arguments.

supervisord looks at its signals when its poll returns, which takes up to a second, and restarts a
dead program one poll later. Here a signal ends the poll, so that neither Ctrl-C nor the restart of
a killed program has to wait. Each program gets its own secrets and nobody else's.

Two more ends than supervisord knows: a program that no longer moves is killed (``watchdog``), and a
program that ends with exit code 78 ends all of them, because no restart would help it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from mixer_core.runtime.errors import EXIT_CONFIG
from mixer_core.runtime.lock_file import holder_of, moves, path_of
from mixer_core.runtime.sweep import sweep

from .secret_variables import Shares, take
from .watchdog import Frozen, Sign, Watchdog

DIR_VARIABLE, WATCHDOG_VARIABLE = "SUPERVISED_DIR", "SUPERVISED_WATCHDOG_S"
CONTROL_SOCKET = "supervisor.sock"
"""As the configuration names it."""
MOST_BACKOFF_S = 30
"""Longest pause between two attempts to start a program that ends at once."""

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
        self.ends: list[tuple[str, int]] = []
        """Programs that have ended, with their exit codes (negative: the signal)."""

    def waitpid(self) -> tuple[int | None, int | None]:
        """As supervisord wants it."""
        pid, status = super().waitpid()
        process = self.pidhistory.get(pid)
        if process is not None and status is not None:
            self.ends.append((process.config.name, os.waitstatus_to_exitcode(status)))
        return pid, status


class WakingSupervisor(Supervisor):  # type: ignore[misc]
    """supervisord whose poll ends when a signal comes; it also ends what does not move."""

    def __init__(self, options: NotingOptions, runtime_dir: Path, watchdog: Watchdog) -> None:
        super().__init__(options)
        self._runtime_dir = runtime_dir
        self._watchdog = watchdog
        self._last_lines: dict[str, str] = {}
        self.misconfigured = ""
        """The last line of the program that ended everything; empty: none did."""

    def runforever(self) -> None:
        """The main loop, with the wake-up in its table."""
        wakeup = SignalWakeup()
        table: dict[int, Any] = asyncore.socket_map
        table[wakeup.fileno()] = wakeup
        events.subscribe(events.ProcessLogStdoutEvent, self._note_line)
        super().runforever()

    def tick(self, now: float | None = None) -> None:
        """After each turn: who has ended, who does not move, what was taken away."""
        super().tick(now)
        self._see_ends()
        now_ns = time.monotonic_ns()
        if self._watchdog.is_due(now_ns) and self.options.mood == SupervisorStates.RUNNING:
            self._look(now_ns)

    def _note_line(self, event: Any) -> None:
        lines = event.data.decode(errors="replace").split("\n")
        written = [line for line in lines if line.strip()]
        if written:
            self._last_lines[event.process.config.name] = written[-1]

    def _see_ends(self) -> None:
        ends, self.options.ends = self.options.ends, []
        for program, exit_code in ends:
            if exit_code == EXIT_CONFIG and not self.misconfigured:
                line = self._last_lines.get(program, "it did not say why")
                self.misconfigured = line if line.startswith(program) else f"{program}: {line}"
                self.options.mood = SupervisorStates.SHUTDOWN

    def _look(self, now_ns: int) -> None:
        processes = [p for group in self.process_groups.values() for p in group.processes.values()]
        running = {process.config.name: process.pid for process in processes if process.pid}
        signs = {program: sign_of(path_of(self._runtime_dir, program)) for program in running}
        for frozen in self._watchdog.look(running, signs, now_ns):
            end(frozen)
        for process in processes:
            process.backoff = min(process.backoff, MOST_BACKOFF_S)
        if self._runtime_dir.is_dir() and not (self._runtime_dir / CONTROL_SOCKET).exists():
            self.options.close_httpservers()
            with contextlib.suppress(SystemExit):  # supervisord's way to say that it cannot.
                self.options.openhttpservers(self)


def sign_of(path: Path) -> Sign:
    """What a program's lock file says."""
    try:
        return Sign(holder_of(path), path.stat().st_mtime_ns, moves(path))
    except OSError:
        return Sign(0, 0)


def end(frozen: Frozen) -> None:
    """Kill it, which works for a stopped process, too; supervisord starts it anew."""
    print(
        f"mixminus: {frozen.program} (process {frozen.pid}) has not moved for {frozen.looks} s: "
        "it is ended and started anew",
        flush=True,
    )
    with contextlib.suppress(ProcessLookupError):
        os.kill(frozen.pid, signal.SIGKILL)


def hand_out(shares: Shares, groups: list[Any]) -> None:
    """Add each program's secrets to what supervisord sets in its environment."""
    for group in groups:
        for program in group.process_configs:
            own = shares.get(program.name, {})
            program.environment = {**(program.environment or {}), **own}


def watchdog_of(env: Mapping[str, str]) -> Watchdog:
    """The watchdog of the settings, which ``mixminus run`` has put into the environment."""
    return Watchdog(int(env.get(WATCHDOG_VARIABLE, "0")) or sys.maxsize)


def append_to(descriptor: int) -> None:
    """Write at the end where ``descriptor`` is a file: supervisord opens it again for the programs.

    A shell's ``> file`` gives an offset of its own, and what is written there would go over theirs.
    """
    with contextlib.suppress(OSError):  # A closed one.
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_APPEND)


def main(arguments: list[str]) -> int:
    """Run until stopped; returns the exit code."""
    for descriptor in (1, 2):
        append_to(descriptor)
    shares = take()
    options = NotingOptions()
    options.realize(arguments, doc=__doc__)
    hand_out(shares, options.process_group_configs)
    options.first = True
    options.test = False
    runtime_dir = Path(os.environ[DIR_VARIABLE])
    supervisor = WakingSupervisor(options, runtime_dir, watchdog_of(os.environ))
    try:
        supervisor.main()
    except asyncore.ExitNow:
        pass
    finally:
        options.close_httpservers()
        options.close_logger()
        sweep(runtime_dir)
    if supervisor.misconfigured:
        print(supervisor.misconfigured, file=sys.stderr, flush=True)
        return EXIT_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
