"""Who runs, and whether it still moves: a file that its process locks and touches.

The kernel lets go of the lock (flock(2)) the moment its holder ends, however it ends. The file's
time is the heartbeat that whoever supervises looks at: only its changes count, so that a clock that
is set does no harm.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import IO

from .bound_path import prepare_runtime_dir
from .errors import AlreadyRunningError, RuntimeDirError

_MOVES = "moves"
"""Stands behind the number once its process has touched the file."""


def path_of(runtime_dir: Path, name: str) -> Path:
    """The file of the program ``name``."""
    return runtime_dir / f"{name}.lock"


def holder_of(path: Path) -> int:
    """The process that wrote its number into the file last; 0: none, or it cannot be read."""
    return _content(path)[0]


def moves(path: Path) -> bool:
    """Whether that process has begun to touch the file; before, it may be compiling."""
    return _content(path)[1]


def _content(path: Path) -> tuple[int, bool]:
    try:
        number, _, rest = path.read_text(encoding="ascii").partition(" ")
        return int(number), rest == _MOVES
    except (OSError, ValueError):
        return 0, False


def is_held(path: Path) -> bool:
    """Whether some process holds the lock now."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _sign(file: IO[str], moving: bool) -> None:
    """Write our number; on a full disk the lock is held without it."""
    with contextlib.suppress(OSError):
        file.truncate(0)
        file.write(f"{os.getpid()} {_MOVES}" if moving else str(os.getpid()))
        file.flush()


class LockFile:
    """One lock: ``take`` or ``wait`` for it, ``renew`` it once a second, ``close`` it."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._files: list[IO[str]] = []
        """The last is the one at ``path``; those before are kept locked for who waits at them."""
        self._moving = False

    def take(self) -> None:
        """Take the lock now.

        Raises:
            AlreadyRunningError: somebody holds it; the message names the process.
            RuntimeDirError: the file cannot be opened.
        """
        if not self._open(fcntl.LOCK_EX | fcntl.LOCK_NB):
            holder = holder_of(self._path) or "?"
            raise AlreadyRunningError(
                f"{self._path.stem} already runs in {self._path.parent} (process {holder}): "
                "stop it, or set MIXMINUS_RUNTIME__DIR to another directory"
            )

    def wait(self) -> None:
        """Take the lock when its holder lets go of it: within a millisecond of its end.

        Raises:
            RuntimeDirError: the file cannot be opened.
        """
        self._open(fcntl.LOCK_EX)

    def renew(self) -> str:
        """Touch the file; make and lock it again where it was taken away.

        Returns what was wrong and is mended now; empty: nothing was. Raises RuntimeDirError where
        it cannot be mended, or where another process holds the lock of the new file.
        """
        began, self._moving = not self._moving, True
        if self._is_there():
            if began:
                _sign(self._files[-1], moving=True)
            self._touch()
            return ""
        prepare_runtime_dir(self._path.parent)
        if not self._open(fcntl.LOCK_EX | fcntl.LOCK_NB):
            raise RuntimeDirError(
                f"{self._path} was taken away, and process {holder_of(self._path) or '?'} has the "
                "new one: another mixminus runs in the same directory; stop one of them"
            )
        return f"{self._path} was gone: made again"

    def pass_on(self) -> None:
        """Keep the lock over ``exec``: the program that this process becomes holds it."""
        os.set_inheritable(self._files[-1].fileno(), True)

    def close(self) -> None:
        """Let go of the lock."""
        for file in self._files:
            file.close()
        self._files.clear()

    def __enter__(self) -> LockFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, how: int) -> bool:
        """Lock what is at the path now; False where somebody else holds it."""
        try:
            while True:
                if not self._path.parent.is_dir():
                    prepare_runtime_dir(self._path.parent)
                file = self._path.open("a+", encoding="ascii")
                self._files.append(file)
                fcntl.flock(file, how)
                if self._is_there():
                    _sign(file, self._moving)
                    return True
                self._files.pop().close()  # Taken away while we waited: another one counts now.
        except BlockingIOError:
            self._files.pop().close()
            return False
        except OSError as error:
            raise RuntimeDirError(
                f"the lock {self._path} cannot be used ({error.strerror})"
            ) from error

    def _touch(self) -> None:
        try:
            os.utime(self._files[-1].fileno())
        except OSError as error:
            raise RuntimeDirError(
                f"the lock {self._path} cannot be touched ({error.strerror})"
            ) from error

    def _is_there(self) -> bool:
        """Whether the path still leads to the file that we have locked."""
        ours = os.fstat(self._files[-1].fileno())
        try:
            there = self._path.lstat()
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)
