"""What the pool of test_forkpool.py forks: the preloaded module and the child's life."""

from __future__ import annotations

import os
import signal
import sys

from mixer_core.runtime.fork_pool import Parent
from mixer_core.runtime.settings import CommonSettings

PRELOADED_PID = os.getpid()


def child_main(identity: str, settings: CommonSettings, parent: Parent) -> None:
    """Announce oneself, take work at SIGUSR1, end at SIGTERM."""
    signal.signal(signal.SIGUSR1, lambda *_: parent.taken())
    preloaded = os.getpid() != PRELOADED_PID
    os.write(1, f"child {identity} {os.getpid()} {preloaded}\n".encode())  # In one piece.
    while True:
        signal.pause()
        sys.stdout.flush()
