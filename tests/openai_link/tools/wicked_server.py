"""An MCP server that does not want to end, in the ways that its arguments name.

First argument: a file that gets the ids of all its processes. The others are its ways.
"""

from __future__ import annotations

import os
import signal
import sys
import time

PIDS, WAYS = sys.argv[1], set(sys.argv[2:])


def note_pid() -> None:
    with open(PIDS, "a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")


def stay() -> None:
    """For as long as nobody kills it."""
    if "ignores_term" in WAYS:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    note_pid()
    while True:
        time.sleep(1)


def fork() -> None:
    """A child, a grandchild and one in a session of its own, all with the server's pipes."""
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                stay()
            stay()
        stay()


def flood() -> None:
    for _ in range(200_000):
        if "floods_errors" in WAYS:
            os.write(2, b"something is wrong\n" * 50)
        if "floods_output" in WAYS:
            os.write(1, b"this is no message\n" * 50)
        if "endless_line" in WAYS:
            os.write(1, b"x" * 65_536)
        if "deep" in WAYS:
            os.write(1, b"[" * 30_000 + b"\n")
    time.sleep(1)


def main() -> None:
    if "forks" in WAYS:
        fork()
    if "leaves" in WAYS:  # What it started stays behind.
        note_pid()
        time.sleep(0.3)
        return
    if WAYS & {"floods_errors", "floods_output", "endless_line", "deep"}:
        note_pid()
        while True:
            flood()
    if "ends_with_input" in WAYS:
        note_pid()
        sys.stdin.read()
        return
    stay()


if __name__ == "__main__":
    main()
