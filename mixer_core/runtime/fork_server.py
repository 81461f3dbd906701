"""A process that has imported everything once, and forks children on its host's word.

``python -m mixer_core.runtime.fork_server PROGRAM SOCKET PLAN``: descriptors of a socket to the
host and of a file with a pickled ``Plan``. Started by ``fork_pool`` only. It ends with its host,
its children do not end with it. It has one thread, no event loop, and writes no file.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import select
import signal
import socket
import sys
import threading
import traceback
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

from . import logs, pool_wire
from .loading import loading
from .parent import Parent, Supervisor
from .process import die_with_parent
from .secrets import secret_values
from .settings import CommonSettings

_PR_SET_NAME = 15
"""Linux ``prctl(2)``."""
NAME_BYTES = 15
"""Longest name of a process."""
THREADS_S = 2.0
"""Longest wait for a child's threads at its end."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fork server is told by its host."""

    preload: str
    """Module that imports, warms and freezes."""
    child_main: str
    """``module:function`` of a child: ``main(identity, settings, parent)``."""
    settings: CommonSettings
    path: str
    """Where the host listens for children."""
    build: str
    """Digest of release and settings."""
    supervisor: Supervisor


def name_process(name: str) -> None:
    """Set what ``ps`` and ``top`` call this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NAME, name.encode()[:NAME_BYTES], 0, 0, 0)


class ForkServer:
    """The loop of the process."""

    def __init__(self, plan: Plan, host: socket.socket) -> None:
        self._plan = plan
        self._host = host
        self._wakeup, self._waker = socket.socketpair()
        self._wakeup.setblocking(False)
        self._waker.setblocking(False)
        self._children: dict[int, str] = {}

    def run(self) -> None:
        """Until the host is gone."""
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._say(pool_wire.Ready())
        poll = select.poll()
        poll.register(self._host.fileno(), select.POLLIN)
        poll.register(self._wakeup.fileno(), select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._wakeup.fileno():
                    self._reap()
                    continue
                identity = self._host.recv(pool_wire.MAX_BYTES).decode()
                if not identity:
                    return
                self._fork(identity)

    def _say(self, message: pool_wire.Message) -> None:
        self._host.send(pool_wire.encode(message))

    def _fork(self, identity: str) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._say(pool_wire.NotForked(identity, error.strerror or str(error)))
            return
        if pid == 0:
            self._become(identity)
        self._children[pid] = identity
        self._say(pool_wire.Forked(identity, pid))

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakeup.recv(4_096)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                identity = self._children.pop(pid, None)
                if identity is not None:
                    self._say(pool_wire.Reaped(identity, os.waitstatus_to_exitcode(status)))

    def _become(self, identity: str) -> NoReturn:
        """What was just forked: a child, until it ends."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for mine in (self._host, self._wakeup, self._waker):
            mine.close()
        name_process(identity)
        exit_code, parent = 1, None
        try:
            plan = self._plan
            parent = Parent(
                plan.path,
                identity,
                plan.build,
                plan.supervisor,
                plan.settings.runtime.log_level,
            )
            resolve(plan.child_main)(identity, plan.settings, parent)
            exit_code = 0
        except BaseException:  # There is no caller: nothing of the fork server may run on in here.
            traceback.print_exc()
        finally:
            leave(exit_code, parent)


def leave(exit_code: int, parent: Parent | None) -> NoReturn:
    """End this child without the interpreter's clean-up, which would touch all shared pages."""
    with contextlib.suppress(Exception):
        if parent is not None:
            parent.bye(exit_code)
        for thread in threading.enumerate():
            if not thread.daemon and thread is not threading.current_thread():
                thread.join(THREADS_S)
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(exit_code)


def resolve(name: str) -> Any:
    """The object that ``module:name`` names."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def main(arguments: list[str]) -> None:
    """Import, then serve."""
    program, host_fd, plan_fd = arguments[0], int(arguments[1]), int(arguments[2])
    die_with_parent(signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # It ends with its host.
    name_process(f"{program}:fork-server")
    host = socket.socket(fileno=host_fd)
    with os.fdopen(plan_fd, "rb") as file:
        plan: Plan = pickle.load(file)
    for fd in (host_fd, plan.supervisor.fd):
        if fd >= 0:
            os.set_inheritable(fd, False)  # Tools that a child starts do not get them.
    logs.setup(plan.settings.runtime.log_level, plan.settings.runtime.log_format)
    logs.conceal(secret_values(os.environ))
    with loading():
        import_module(plan.preload)
        resolve(plan.child_main)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        ForkServer(plan, host).run()


if __name__ == "__main__":
    # By its own name, so that nothing in here exists twice.
    from mixer_core.runtime import fork_server

    fork_server.main(sys.argv[1:])
