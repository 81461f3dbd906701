"""Runs a tool server so that it can end only itself: ``python -I -S leash.py PARENT COMMAND …``.

It stands between a room's process and a server that speaks on its standard input and output, which
the server has directly. When SIGTERM comes, or the room's process is gone, however it ended, the
server and everything that it started get SIGTERM, and after ``TERM_S`` SIGKILL. What leaves the
process group, or is orphaned, becomes a child of this process (``PR_SET_CHILD_SUBREAPER``) and is
found; should this process be killed itself, the kernel kills the server (``PR_SET_PDEATHSIG``).
Both: Linux, ``prctl(2)``.

It is a program, not a module: standard library only, so that it starts in some 20 ms and holds
about 8 MB.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
TERM_S = 1.0
"""From SIGTERM to SIGKILL."""
KILL_S = 5.0
"""Longest time in which what was killed is waited for."""
LOOK_S = 1.0
"""Between two looks whether the room's process is there; as a rule a signal says so."""
NOT_STARTED = 127
"""Exit code, as of a shell: the command cannot be run."""
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LIBC = ctypes.CDLL(None, use_errno=True)


def main(parent: int, command: list[str]) -> int:
    """Run the command; returns its exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [*_STOPS, signal.SIGCHLD])
    _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _LIBC.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    try:
        server = subprocess.Popen(command, preexec_fn=_prepare)
    except OSError as error:
        print(f"{command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        return NOT_STARTED
    with open(os.devnull, "r+b") as nothing:  # The pipes end when the server closes them.
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
    code = _watch(server.pid, parent)
    _end_all()
    return NOT_STARTED if code is None else code


def _prepare() -> None:
    """In the server, before it runs the command."""
    _LIBC.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [*_STOPS, signal.SIGCHLD])


def _watch(server: int, parent: int) -> int | None:
    """Until the server has ended, or must; returns its exit code, if it has one."""
    while os.getppid() == parent:
        caught = signal.sigtimedwait([*_STOPS, signal.SIGCHLD], LOOK_S)
        if caught is not None and caught.si_signo in _STOPS:
            return None
        for ended, status in _reaped():
            if ended == server:
                return abs(os.waitstatus_to_exitcode(status))
    return None


def _reaped() -> list[tuple[int, int]]:
    """Children that have ended, with their status."""
    ended = []
    with contextlib.suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(one)
    return ended


def _end_all() -> None:
    """End every process below this one: some time by SIGTERM, then by SIGKILL."""
    start_s = time.monotonic()
    asked: set[int] = set()
    while below := _below(os.getpid()):
        waited_s = time.monotonic() - start_s
        if waited_s > TERM_S + KILL_S:
            return
        for process in below:
            number = signal.SIGKILL if waited_s >= TERM_S else signal.SIGTERM
            if number == signal.SIGKILL or process not in asked:
                asked.add(process)
                with contextlib.suppress(OSError):
                    os.kill(process, number)
        signal.sigtimedwait([signal.SIGCHLD], 0.02)
        _reaped()


def _below(ancestor: int) -> set[int]:
    """Everything that descends from a process, the ended ones that wait for us apart."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state not in b"ZX":
                    parents[int(name)] = int(parent)
    found = {ancestor}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {ancestor}


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
