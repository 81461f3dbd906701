"""The journal's files in their directory: what is there, whose it is, and who may exchange it.

SQLite keeps three files, and finds two of them by name: ``-wal`` holds what is committed and not
yet in the main file, ``-shm`` is shared memory. People move and delete files. A program that keeps
its files open then writes where nobody will look, and whoever opens the name meanwhile may join the
shared memory of one file with the content of another (https://sqlite.org/howtocorrupt.html). So a
writer knows its files by device and inode (``marks``) and looks after each commit, and files are
made, opened and exchanged under one lock (``flock(2)``).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from ..runtime.files import sync_directory, sync_file
from .causes import moved, unusable

Marks = tuple[tuple[int, int] | None, ...]
"""Device and inode of the main file and its two companions; None: it is not there."""
MOST_TRIES = 100
"""To take a lock that others remove."""
MAX_ASIDE = 3
"""Files put aside that are kept, the newest."""
_SUFFIXES = ("", "-wal", "-shm")
_NOTE_BYTES = 48
_KINDS = ((stat.S_ISDIR, "directory"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Nobody else makes, opens for writing or exchanges the journal meanwhile. Raises OSError.

    Yields the lock file's descriptor. A lock file that was removed while it was waited for, or
    whose directory was exchanged, locks nothing: the one in its place is taken.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    for _ in range(MOST_TRIES):
        lock = os.open(_lock_path(path), flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_in_place(lock, path):
                yield lock
                return
        finally:
            os.close(lock)
    raise OSError(errno.ESTALE, "its lock file is exchanged again and again", str(path))


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _is_in_place(lock: int, path: Path) -> bool:
    """Whether the lock file beside ``path`` is still this one."""
    try:
        return os.path.samestat(os.fstat(lock), os.stat(_lock_path(path)))
    except FileNotFoundError:
        return False


def marks(path: Path) -> Marks:
    """Which files are there now. Raises OSError."""
    found: list[tuple[int, int] | None] = []
    for suffix in _SUFFIXES:
        try:
            status = os.stat(f"{path}{suffix}")
        except FileNotFoundError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino))
    return tuple(found)


def note_memory(found: Marks, lock: int) -> None:
    """Write into the lock file which shared memory the log has. Raises OSError."""
    os.pwrite(lock, _memory_line(found), 0)


def note_end(path: Path, lock: int) -> None:
    """After a close: forget that if the log is gone, since it was the last one. Raises OSError."""
    if marks(path)[1] is None:
        os.ftruncate(lock, 0)


def is_parted(path: Path, lock: int) -> bool:
    """Whether somebody may write with a shared memory that is no longer there.

    Who has died leaves the files and the note as they are. Raises OSError, and JournalError
    (``is_moved``) where the lock is that of other files.
    """
    _, log, memory = found = marks(path)
    noted = os.pread(lock, _NOTE_BYTES, 0)
    found_parted = noted != _memory_line(found) if noted else log is not None and memory is None
    if found_parted and not _is_in_place(lock, path):
        raise moved(path)
    return found_parted


def _memory_line(found: Marks) -> bytes:
    device, inode = found[2] or (0, 0)
    return f"{device} {inode}".encode().ljust(_NOTE_BYTES - 1) + b"\n"


def is_there(path: Path) -> bool:
    """Whether there is a file. Raises JournalError where it is something else, and OSError."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise unusable(path, "there is a link to nothing in its place: move it away") from None
        return False
    if stat.S_ISREG(mode):
        return True
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "device")
    raise unusable(path, f"there is a {kind} in its place: move it away")


def resolved(path: Path) -> Path:
    """Where the files are: SQLite has them beside what a link leads to. Raises JournalError."""
    return Path(os.path.realpath(path)) if is_there(path) else path


def make(path: Path, lock: int) -> None:
    """Make an empty file; the lock is held. What an earlier one has left there is put aside.

    Raises OSError.
    """
    if companion(path, "-wal").exists():
        companion(path, "-wal").rename(companion(aside_name(path), "-wal"))
    companion(path, "-shm").unlink(missing_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    os.ftruncate(lock, 0)
    sync_directory(path.parent)


def exchange(path: Path, fresh: Path, aside: Path | None, lock: int) -> None:
    """Put ``fresh`` in place of the journal, flushed; the lock is held. Raises OSError.

    ``aside``: where the old file and its ``-wal`` go; None: they are not needed.
    """
    sync_file(fresh)
    if aside is not None:
        try:
            os.link(path, aside)
        except OSError:  # A file system without such links.
            path.rename(aside)
        if companion(path, "-wal").exists():
            companion(path, "-wal").rename(companion(aside, "-wal"))
    companion(path, "-wal").unlink(missing_ok=True)
    companion(path, "-shm").unlink(missing_ok=True)
    sync_directory(path.parent)
    os.replace(fresh, path)
    os.ftruncate(lock, 0)
    sync_directory(path.parent)
    _forget_old(path)


def aside_name(path: Path) -> Path:
    """A name that is not taken, for a file that is put aside now."""
    clock = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1_000):
        name = f"{path.name}.aside-{clock}" + (f"-{number}" if number else "")
        found = path.with_name(name)
        if not found.exists() and not companion(found, "-wal").exists():
            return found
    raise FileExistsError(17, "there are too many files put aside", str(path))


def put_aside(path: Path) -> list[Path]:
    """The files that were put aside and are still there."""
    return sorted(resolved(path).parent.glob(f"{path.name}.aside-*"))


def companion(path: Path, suffix: str) -> Path:
    """One of the files that SQLite has beside the main file."""
    return path.with_name(f"{path.name}{suffix}")


def remove(path: Path) -> None:
    """Remove a file and all that SQLite may have beside it. Raises OSError."""
    for suffix in (*_SUFFIXES, "-journal"):
        companion(path, suffix).unlink(missing_ok=True)


def _forget_old(path: Path) -> None:
    """Files put aside must not fill the disk."""
    found = [p for p in path.parent.glob(f"{path.name}.aside-*") if not p.name.endswith("-wal")]
    for old in sorted(found)[:-MAX_ASIDE]:
        old.unlink(missing_ok=True)
        companion(old, "-wal").unlink(missing_ok=True)
