"""Where a child's log goes when its host's pipe is gone: it is kept until the next host has it.

supervisord closes its end of a program's output when the program has ended, but the children of
that program still write there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select

STREAMS = (1, 2)
KEPT_BYTES = 256 * 1024
"""Most that is kept; what is written after that is lost."""


class ChildOutput:
    """Standard output and error of this process."""

    def __init__(self) -> None:
        self._kept = -1
        """File with what was written meanwhile; -1: none."""
        self._redirected: list[int] = []

    def check(self) -> None:
        """Keep what is written from now on, where nobody reads it."""
        broken = [fd for fd in STREAMS if fd not in self._redirected and _is_broken(fd)]
        if not broken:
            return
        with contextlib.suppress(OSError):
            if self._kept < 0:
                self._kept = _bounded_file()
            for fd in broken:
                os.dup2(self._kept, fd)
                self._redirected.append(fd)

    def use(self, output: int) -> None:
        """A host has given its own output, which belongs to this object from now on."""
        self.check()
        for fd in self._redirected:
            os.dup2(output, fd)
        self._redirected.clear()
        if self._kept >= 0:
            size = os.lseek(self._kept, 0, os.SEEK_CUR)
            with contextlib.suppress(OSError):
                os.write(output, os.pread(self._kept, size, 0))
            os.close(self._kept)
            self._kept = -1
        os.close(output)


def _bounded_file() -> int:
    """A file in memory that cannot grow. Raises OSError."""
    file = os.memfd_create("child-output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, KEPT_BYTES)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
    return file


def _is_broken(fd: int) -> bool:
    """Whether it is a pipe that nobody reads any more, or is closed."""
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))
