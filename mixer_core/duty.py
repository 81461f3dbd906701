"""Which of several mixers works: the one that holds a lock. The others wait for it, warm.

The kernel passes the lock on the moment its holder ends, so a mixer that is killed is followed by
one that needs to do nothing but bind its sockets.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .runtime.errors import RuntimeDirError
from .runtime.lock_file import LockFile, is_held, path_of
from .runtime.process import ALIVE_S

DUTY = "mixer_duty"
KERNELS = "mixer_kernels"
"""Held while kernels are compiled or loaded: the second mixer finds what the first has compiled."""
DEFERENCE_S = 3.0
"""A standby lets the other mixer begin for this time."""
_LOOK_S = 0.05
_FIRST_WAIT_S = 0.1
"""A lock that is free is taken sooner."""


def defer(runtime_dir: Path) -> None:
    """Wait until another mixer works, or has had time to begin."""
    until_s = time.monotonic() + DEFERENCE_S
    while time.monotonic() < until_s and not is_held(path_of(runtime_dir, DUTY)):
        time.sleep(_LOOK_S)


class Duty:
    """The lock, and the thread that waits for it."""

    def __init__(self, runtime_dir: Path) -> None:
        """Begin to wait."""
        self._lock = LockFile(path_of(runtime_dir, DUTY))
        self._reader, self._writer = os.pipe()
        self._error: RuntimeDirError | None = None
        threading.Thread(target=self._take, name="duty", daemon=True).start()

    def wait(self, stop_fd: int, every_second: Callable[[], None]) -> bool:
        """Wait for the duty; False where ``stop_fd`` became readable before.

        ``every_second`` is called while another mixer has it. Raises RuntimeDirError where the lock
        cannot be used.
        """
        wait_s = _FIRST_WAIT_S
        while True:
            ready, _, _ = select.select([self._reader, stop_fd], [], [], wait_s)
            if stop_fd in ready:
                return False
            if self._error is not None:
                raise self._error
            if ready:
                return True
            every_second()
            wait_s = ALIVE_S

    def renew(self) -> str:
        """See ``LockFile.renew``; only with the duty."""
        return self._lock.renew()

    def _take(self) -> None:
        try:
            self._lock.wait()
        except RuntimeDirError as error:
            self._error = error
        os.write(self._writer, b"\0")
