"""A child's line to its host, kept by a thread: it survives the host and finds the next one.

The line says who the child is and whether it is idle; the host says when to end. A call does not
need a host. What ends a child besides its own work: its host's word, the end of supervisord, and
being alone for too long (see ``solitude``). Who was told to end and does not is killed by itself.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from . import pool_wire
from .child_output import ChildOutput
from .errors import WireError
from .log_level import LevelFile
from .process import end_within
from .solitude import Solitude
from .units import S_NS

BEAT_NS = S_NS
"""Between two states; each repeats what an earlier one may have lost."""
END_S = 3.0
"""Longest that a child may take to end after SIGTERM."""
_NO_HOST = "no host"
"""In place of a build."""
SUPERVISOR_POLL_MS = 1_000
"""How often to look for supervisord where the kernel has no pidfd (before Linux 5.3)."""


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The process with which everything ends; pid 0: nobody."""

    pid: int = 0
    started: str = ""
    """Its start time in ticks, which tells it from a later process with the same id."""
    fd: int = -1
    """Its pidfd, readable once it has ended; -1: this kernel has none."""

    def is_gone(self) -> bool:
        """Whether it has ended."""
        return self.pid != 0 and start_time(self.pid) != self.started


def start_time(pid: int) -> str:
    """When a process was started, in ticks since the machine's start; empty: it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def our_supervisor() -> Supervisor:
    """The parent of this process, to be handed to children."""
    pid = os.getppid()
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        fd = -1
    return Supervisor(pid, start_time(pid), fd)


class Parent:
    """What a child knows of its host; ``taken``, ``beat`` and ``bye`` may be called at any time."""

    def __init__(
        self,
        path: str,
        identity: str,
        build: str,
        supervisor: Supervisor,
        log_level: str = "info",
    ) -> None:
        """Starts the thread. ``path``: where the host listens. ``log_level``: of the settings."""
        self.end_reason = ""
        """Why this child has to end, once it was told."""
        self._path = path
        self._identity = identity
        self._build = build
        self._host_build = build
        self._read_build = build
        self._supervisor = supervisor
        self._idle = True
        self._held = False
        self._signaling_ns = 0
        self._beat_ns = 0
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._solitude = Solitude(time.monotonic_ns())
        self._output = ChildOutput()
        self._level = LevelFile(Path(path).parent, log_level)
        threading.Thread(target=self._watch, name="host-watch", daemon=True).start()

    def taken(self) -> None:
        """This child has work: the host may start another idle one."""
        with self._lock:
            self._idle = False
            self._send(self._state())

    def hold(self, held: bool) -> None:
        """Work has come that may yet be refused: meanwhile this child does not retire."""
        self._held = held

    def beat(self, signaling_ns: int) -> None:
        """The event loop turns; ``signaling_ns``: when signaling was there last (monotonic)."""
        self._signaling_ns = signaling_ns
        now_ns = time.monotonic_ns()
        if now_ns - self._beat_ns >= BEAT_NS:
            self._beat_ns = now_ns
            self._level.renew()
            with self._lock:
                self._send(self._state())

    @property
    def has_new_settings(self) -> bool:
        """The host has other settings than this child has read, or has gone, perhaps for others.

        So a child does not wait for the next host to start.
        """
        return self._host_build not in ("", self._read_build)

    def read_settings(self) -> None:
        """This child reads the settings now: say so before it opens the file."""
        self._read_build = self._host_build

    def end_within(self, limit_s: float) -> None:
        """This child ends by itself, at the latest after ``limit_s``, whatever holds it."""
        end_within(limit_s)

    def bye(self, exit_code: int) -> None:
        """This child ends by itself."""
        with self._lock:
            self._send(pool_wire.Bye(exit_code))

    def _state(self) -> pool_wire.State:
        return pool_wire.State(self._identity, self._idle, self._build)

    def _send(self, message: pool_wire.Message) -> None:
        """Send without waiting: a host that is stopped must not stop a call."""
        if self._socket is None:
            return
        try:
            self._socket.send(pool_wire.encode(message), socket.MSG_DONTWAIT)
        except OSError:
            return  # The thread sees the end of the line; the next beat says the same again.

    # The thread

    def _watch(self) -> None:
        poll = select.poll()
        if self._supervisor.fd >= 0:
            poll.register(self._supervisor.fd, select.POLLIN)
        while not self.end_reason:
            self._look_for_host(poll)
            timeout_ms = self._timeout_ms()
            for fd, _ in poll.poll(timeout_ms):
                if fd == self._supervisor.fd:
                    self._end("supervisord has ended")
                else:
                    self._listen(poll)
            if self._supervisor.fd < 0 and self._supervisor.is_gone():
                self._end("supervisord has ended")
            now_ns = time.monotonic_ns()
            self._end(self._solitude.ends(self._idle, self._signaling_ns, now_ns))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(END_S)
        os.kill(os.getpid(), signal.SIGKILL)

    def _timeout_ms(self) -> int | None:
        due_ns = self._solitude.next_timeout_ns()
        slow = SUPERVISOR_POLL_MS if self._supervisor.pid and self._supervisor.fd < 0 else None
        if due_ns is None:
            return slow
        return max(1, (due_ns - time.monotonic_ns()) // 1_000_000 + 1)

    def _end(self, reason: str) -> None:
        self.end_reason = self.end_reason or reason

    def _look_for_host(self, poll: select.poll) -> None:
        if not self._solitude.attempts(time.monotonic_ns()):
            return
        self._output.check()
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            line.connect(self._path)
        except OSError:
            line.close()
            return
        with self._lock:
            self._socket = line
            self._send(self._state())
        self._solitude.found()
        poll.register(line.fileno(), select.POLLIN)

    def _listen(self, poll: select.poll) -> None:
        """Read one packet of the host, or its end."""
        line = self._socket
        if line is None:
            return
        packet, descriptors = b"", list[int]()
        with contextlib.suppress(OSError):
            packet, descriptors, _, _ = socket.recv_fds(line, pool_wire.MAX_BYTES, 1)
        for fd in descriptors:
            self._output.use(fd)
        if packet:
            self._obey(packet)
            return
        poll.unregister(line.fileno())
        with self._lock:
            self._socket = None
        line.close()
        self._host_build = _NO_HOST
        self._solitude.lost(time.monotonic_ns())

    def _obey(self, packet: bytes) -> None:
        try:
            order = pool_wire.decode(packet)
        except WireError:
            return  # Of a later release: nothing that concerns this child.
        if isinstance(order, pool_wire.Welcome):
            self._host_build = order.build
        is_idle = self._idle and not self._held
        if isinstance(order, pool_wire.Order) and (order.what == "end" or is_idle):
            self._end(order.reason or "its host ends it")
