"""The path of a Unix socket that we listen on: whether it is still ours, and making it ours again.

A runtime directory goes away under running programs: logind removes it when its user logs out,
cleaners of ``/tmp`` do after some days. Connections live on, but nobody new finds the socket. So
whoever listens looks at the path once a second, and binds again where it is not the one it made.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .errors import RuntimeDirError

MAX_PATH_BYTES = 107
"""Length of ``sun_path`` on Linux less its terminator (unix(7))."""
_FRESH = "~"
"""Last letter of the name under which a socket is made before it takes the place of another."""
_CURE = "set MIXMINUS_RUNTIME__DIR to a directory that you own"
PATIENCE_S = 1.0
_RETRY_S = 0.002
T = TypeVar("T")
Mark = tuple[int, int]
"""Device and inode of a socket's file."""


def check_length(path: Path, suffix: str = "") -> None:
    """Raise RuntimeDirError where ``path`` and ``suffix`` do not fit into a socket's address."""
    over = len(os.fsencode(path)) + len(suffix) - MAX_PATH_BYTES
    if over > 0:
        raise RuntimeDirError(
            f"the path of the socket {path} is {over} bytes too long: set MIXMINUS_RUNTIME__DIR "
            f"to a directory whose path has at most {len(os.fsencode(path.parent)) - over} bytes"
        )


def prepare_runtime_dir(path: Path) -> str:
    """Make the directory with mode 0700, or check that it is ours and private.

    Returns what was wrong with it and is mended now, in words; empty: nothing.

    Raises:
        RuntimeDirError: it cannot be made, belongs to somebody else, or cannot be written.
    """
    mended = ""
    try:
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            mended = f"{path} was missing and is made again"
        link, status = path.lstat(), path.stat()
    except OSError as error:
        raise RuntimeDirError(
            f"the runtime directory {path} cannot be created ({error.strerror}): {_CURE}"
        ) from error
    if status.st_uid != os.getuid():
        raise RuntimeDirError(f"the runtime directory {path} belongs to another user: {_CURE}")
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in (os.getuid(), 0):
        raise RuntimeDirError(
            f"the runtime directory {path} is a link that another user has made: {_CURE}"
        )
    probe = path / f".probe-{os.getpid()}"
    try:
        if status.st_mode & 0o077:
            os.chmod(path, 0o700)
            mended = f"{path} was open to other users and is private again"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RuntimeDirError(
            f"the runtime directory {path} is not writable ({error.strerror}): {_CURE}"
        ) from error
    return mended


def is_answered(path: Path, kind: int = socket.SOCK_STREAM) -> bool:
    """Whether somebody listens at ``path``, with a socket of that kind."""
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:  # Somebody does, but has many to accept before us.
            return True
        except OSError:
            return False
    return True


def patiently(bind: Callable[[], T]) -> T:
    """``bind()``, again and again for a moment: whoever had the path may be about to end.

    Raises RuntimeDirError where it still cannot. It blocks: only for the start.
    """
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return bind()
        except RuntimeDirError:
            if time.monotonic() >= until_s:
                raise
        time.sleep(_RETRY_S)


class BoundPath:
    """The path of one listening socket, and the mark by which we know that it is still ours."""

    def __init__(self, path: Path, kind: int = socket.SOCK_STREAM) -> None:
        """Nothing is bound yet. Raises RuntimeDirError where the path is too long."""
        check_length(path)
        self.path = path
        self._kind = kind
        self._mark: Mark | None = None

    def listen(self, backlog: int) -> socket.socket:
        """A listening socket of this path (not blocking), in place of what was there.

        There is no moment in which nobody is there: the new socket takes the path in one step.

        Raises:
            RuntimeDirError: another program listens there, or the path cannot be used.
        """
        if is_answered(self.path, self._kind):
            raise RuntimeDirError(
                f"another program listens at {self.path}: stop it, or set MIXMINUS_RUNTIME__DIR "
                "to another directory"
            )
        fresh = self.path.with_name(self.path.name[:-1] + _FRESH)
        listener = socket.socket(socket.AF_UNIX, self._kind)
        try:
            listener.setblocking(False)
            fresh.unlink(missing_ok=True)
            listener.bind(str(fresh))
            listener.listen(backlog)
            mark = mark_of(fresh)
            fresh.replace(self.path)
        except OSError as error:
            listener.close()
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise RuntimeDirError(f"cannot bind {self.path}: {error.strerror}") from error
        self._mark = mark
        return listener

    def fault(self) -> str:
        """What is wrong with the path, in words; empty: it leads to the socket that we bound.

        Two ``lstat(2)``: cheap enough for once a second.
        """
        try:
            directory = self.path.parent.stat()
        except OSError:
            return f"{self.path.parent} is gone"
        if directory.st_uid != os.getuid() or directory.st_mode & 0o077:
            return f"{self.path.parent} is open to other users"
        if self.is_ours():
            return ""
        is_gone = mark_of(self.path) is None
        return f"{self.path} is gone" if is_gone else f"{self.path} is not what was bound"

    def is_ours(self) -> bool:
        """Whether the path leads to the socket that we bound, whoever may use its directory."""
        return self._mark is not None and mark_of(self.path) == self._mark


class BoundListener:
    """A listening socket that stays reachable: call ``renew`` once a second."""

    def __init__(
        self,
        path: Path,
        watch: Callable[[socket.socket], None],
        unwatch: Callable[[socket.socket], None],
        backlog: int = 128,
        kind: int = socket.SOCK_STREAM,
    ) -> None:
        """Bind, and ``watch`` the socket (it does not block). The directory is there.

        ``watch``: tell whoever polls of a new socket; ``unwatch``: that it is about to be closed.
        Raises RuntimeDirError.
        """
        self._bound = BoundPath(path, kind)
        self._watch = watch
        self._unwatch = unwatch
        self._backlog = backlog
        self.socket = self._bound.listen(backlog)
        """Another one after ``renew`` has bound again."""
        watch(self.socket)

    @property
    def path(self) -> Path:
        """Where it is reached."""
        return self._bound.path

    def renew(self) -> str:
        """Look whether the path still leads here; if not, bind again.

        Returns what was wrong and is mended now, for the log; empty: nothing was. Connections that
        were accepted are not touched.

        Raises:
            RuntimeDirError: it cannot be mended now. Call again later.
        """
        fault = self._bound.fault()
        if not fault:
            return ""
        prepare_runtime_dir(self.path.parent)
        if not self._bound.fault():  # The directory alone was at fault.
            return f"{fault}: mended"
        old, self.socket = self.socket, self._bound.listen(self._backlog)
        self._unwatch(old)
        old.close()
        self._watch(self.socket)
        return f"{fault}: bound again"

    def close(self) -> None:
        """Close the socket; its path stays until somebody else takes it."""
        self._unwatch(self.socket)
        self.socket.close()

    def remove(self) -> None:
        """Close the socket, and remove its path if it is still ours."""
        self.close()
        if self._bound.is_ours():
            with contextlib.suppress(OSError):
                self.path.unlink()


def mark_of(path: Path) -> Mark | None:
    """Device and inode of what stands at ``path`` itself, not behind a link; None: nothing."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
