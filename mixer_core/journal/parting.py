"""A log whose shared memory was taken away while somebody may write it: nobody else joins it.

Whoever has the files open goes on with the removed memory, and whoever opens them makes a new one:
both then write the same log without seeing each other, and overwrite what the other has announced.
So a writer copies such files, and the copy takes their place. Whoever still writes the old ones
finds that out after the next commit, which is not announced then.

Which memory belongs to the log is noted in the lock file, since a reader makes a new one, too.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path

from . import place
from .causes import moved

QUIET_S = 0.05
"""Longer than the kernel's clock of file times stands still: the next change shows in them."""
MOST_LOOKS = 100
"""Each writer of the old files commits once at most, and then finds out."""
WAL_HEADER_BYTES = 32
"""It changes when a log begins anew (https://sqlite.org/fileformat2.html#walformat)."""
_FRESH = ".parted"
_FILES = ("", "-wal")


def part(path: Path, lock: int) -> None:
    """Replace the journal by a copy if its log has lost its memory; ``lock``: of ``place.locked``.

    Raises JournalError (``is_moved``), OSError and sqlite3.Error.
    """
    if not place.is_parted(path, lock) or _is_left(path):
        return
    fresh = place.companion(path, _FRESH)
    place.remove(fresh)
    try:
        _copy_quiet(path, fresh)
        _close_log(fresh)
        place.exchange(path, fresh, place.aside_name(path), lock)
    finally:
        place.remove(fresh)


def _is_left(path: Path) -> bool:
    """Whether nobody has the files open; then what the log holds is brought into the main file.

    A connection of exclusive locking needs no shared memory (https://sqlite.org/wal.html#noshm).
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"  # A file that has just gone is not made.
    connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
    with contextlib.closing(connection):
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            return False
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return True


def _copy_quiet(path: Path, fresh: Path) -> None:
    """Copy the file and its log while nobody writes them."""
    before = None
    for _ in range(MOST_LOOKS):
        time.sleep(QUIET_S)
        now = _look(path)
        if now == before:
            for suffix in _FILES[: len(now) - 1]:
                shutil.copyfile(place.companion(path, suffix), place.companion(fresh, suffix))
            fresh.chmod(0o600)
            if _look(path) == now:
                return
        before = now
    raise moved(path)


def _look(path: Path) -> list[object]:
    """What changes when one of the files is written; the log may be gone."""
    try:
        with place.companion(path, "-wal").open("rb") as log:
            found: list[object] = [log.read(WAL_HEADER_BYTES)]
    except FileNotFoundError:
        found = [b""]
    for suffix in _FILES:
        try:
            status = place.companion(path, suffix).stat()
        except FileNotFoundError:
            if not suffix:
                raise moved(path) from None
        else:
            found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
    return found


def _close_log(fresh: Path) -> None:
    """Bring what the copy's log holds into the copy."""
    connection = sqlite3.connect(fresh, isolation_level=None)
    with contextlib.closing(connection):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
