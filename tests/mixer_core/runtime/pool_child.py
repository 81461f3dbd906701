"""What the pool of test_fork_pool.py forks: the preloaded module and the child's life."""

from __future__ import annotations

import os
import signal
import time

from mixer_core.runtime.parent import Parent
from mixer_core.runtime.settings import CommonSettings

PRELOADED_PID = os.getpid()
MUCH_BYTES = 100 << 20


def child_main(identity: str, settings: CommonSettings, parent: Parent) -> None:
    """Announce oneself, take work at SIGUSR1, memory at SIGUSR2, end at SIGTERM."""
    ends: list[int] = []
    memory: list[bytearray] = []
    signal.signal(signal.SIGUSR1, lambda *_: take(identity, parent))
    signal.signal(signal.SIGUSR2, lambda *_: memory.append(bytearray(os.urandom(1)) * MUCH_BYTES))
    signal.signal(signal.SIGTERM, lambda number, _: ends.append(number))
    preloaded = os.getpid() != PRELOADED_PID
    os.write(1, f"child {identity} {os.getpid()} {preloaded}\n".encode())  # In one piece.
    while not ends:
        parent.beat(time.monotonic_ns())
        signal.sigtimedwait([], 0.2)
    print(f"end {identity} {parent.end_reason}", flush=True)


def take(identity: str, parent: Parent) -> None:
    """Get work."""
    parent.taken()
    os.write(1, f"busy {identity}\n".encode())
