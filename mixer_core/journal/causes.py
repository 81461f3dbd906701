"""What an error of the journal's file means, in words: for the log, and for people."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..runtime.errors import JournalError

FULL = "the disk is full: make room, and it goes on by itself"
READ_ONLY = (
    "its disk or directory may only be read: make it writable for the gateway, and it goes on "
    "by itself"
)
DAMAGED = "it is damaged"
_NO_RIGHT = "the gateway has no right to it: check the owner and the mode of it and its directory"
_BAD_DISK = "the disk fails: check it and its file system"
_NO_DIRECTORY = "its directory is none: remove what is in its place"
_FILES = "too many files are open: raise the limit on open files"
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_OF_SQLITE: Mapping[int, str] = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: _NO_RIGHT,
    sqlite3.SQLITE_IOERR: _BAD_DISK,
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check the owner and the mode of its directory",
    sqlite3.SQLITE_BUSY: "another program holds it: end that program",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}
"""By primary result code (https://sqlite.org/rescode.html)."""
_OF_SYSTEM: Mapping[int | None, str] = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EROFS: READ_ONLY,
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EIO: _BAD_DISK,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.ENOTDIR: _NO_DIRECTORY,
    errno.EEXIST: _NO_DIRECTORY,
}


def unusable(path: Path, cause: str) -> JournalError:
    """The journal is there, and is not what it should be."""
    return JournalError(
        f"the journal {path} cannot be used ({cause})", f"the journal cannot be used ({cause})"
    )


@contextlib.contextmanager
def journal_errors(path: Path, what: str) -> Iterator[None]:
    """Turn system errors, SQLite errors and values that SQLite refuses into a JournalError.

    ``what`` is what could not be done to the journal, as a participle.
    """
    try:
        yield
    except (OSError, sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY_DBMOVED:
            raise moved(path) from error
        cause, detail = _cause(error)
        is_damage = isinstance(error, sqlite3.Error) and _code(error) in _DAMAGE
        raise JournalError(
            f"the journal {path} cannot be {what} ({cause}{detail})",
            f"the journal cannot be {what} ({cause})",
            is_damage=is_damage,
        ) from error


def moved(path: Path) -> JournalError:
    """The files are no longer those of their names."""
    return JournalError(
        f"the file of the journal {path} was moved or removed",
        "the file of the journal was moved or removed",
        is_moved=True,
    )


def damaged(path: Path, detail: str) -> JournalError:
    """A check of the file has found damage; ``detail``: its words."""
    return JournalError(
        f"the journal {path} cannot be trusted ({DAMAGED}; {detail})",
        f"the journal cannot be trusted ({DAMAGED})",
        is_damage=True,
    )


def _cause(error: Exception) -> tuple[str, str]:
    """What it is in words, and what else the log should have."""
    if isinstance(error, OSError):
        said = error.strerror or type(error).__name__
        cause = _OF_SYSTEM.get(error.errno)
        return (cause, f"; {said}") if cause else (said, "")
    if isinstance(error, sqlite3.Error) and (code := _code(error)) in _OF_SQLITE:
        return _OF_SQLITE[code], f"; {error}"
    return "something that was said cannot be stored", f"; {error}"


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where it has none."""
    code = getattr(error, "sqlite_errorcode", None)  # An attribute only where SQLite gave it.
    return int(code) & 0xFF if code is not None else 0
