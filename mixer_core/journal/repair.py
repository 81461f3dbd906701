"""Puts a damaged journal aside, and a new one with what can be read of it in its place.

Everybody who has the old file open finds after the next commit that it is another one, and writes
that commit again, before it is told to anybody (``place``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..runtime.errors import JournalError
from . import place, salvage
from .causes import damaged, journal_errors, moved
from .file import BUSY_TIMEOUT_S, Writer, make_schema, open_reader, tolerant

PAGE_BYTES = 4_096
"""Of the files that SQLite makes."""
HEADER_BYTES = 100
"""Of the first page (https://sqlite.org/fileformat.html)."""
LEAST_PAGES = 32
"""More than the first pages of all tables and indexes."""
MOST_GROWTH = 16
"""A header that says that so many times more pages are missing is damaged."""
_FRESH, _SCRATCH = ".fresh", ".scratch"


@dataclass(frozen=True, slots=True)
class Mended:
    """A damaged file was put aside."""

    aside: Path
    """Where it is now."""
    items: int
    """How many of what was said could be read, and are in the new file."""


def check(connection: sqlite3.Connection, path: Path, most_bytes: int = 64 << 20) -> None:
    """Raise JournalError (``is_damage``) where the file is damaged.

    It reads the whole file; one that is larger than ``most_bytes`` is taken as it is.
    """
    with journal_errors(path, "read"):
        try:
            if path.stat().st_size > most_bytes:
                return
        except FileNotFoundError as error:
            raise moved(path) from error
        words = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if words != "ok":
        raise damaged(path, " ".join(words.split())[:200])


def mend(path: Path) -> Mended | None:
    """Put a damaged journal aside; None: it is not damaged (any more).

    Raises:
        JournalError: that is not possible, or something else is wrong with it.
    """
    with journal_errors(path, "mended"):
        path = place.resolved(path)
        with place.locked(path) as lock:
            if not place.is_there(path) or not _is_damaged(path):
                return None
            # From here on nobody's commit counts who has the file open.
            place.companion(path, "-shm").unlink(missing_ok=True)
            with _fresh(path) as fresh:
                items = _rescued(path, fresh)
            aside = place.aside_name(path)
            _exchange(path, aside, lock)
            return Mended(aside, items)


def renew(writer: Writer) -> bool:
    """The main file is there, and its companions were removed: replace it by a copy.

    Whoever opens the file now has other companions than those who have it open. False: somebody
    has replaced it meanwhile.

    Raises:
        JournalError: that is not possible.
    """
    path = writer.path
    with journal_errors(path, "renewed"), place.locked(path) as lock:
        if writer.is_in_place() or not writer.is_main_in_place():
            return False
        with _fresh(path) as fresh:
            writer.db.backup(fresh)
            fresh.execute("PRAGMA journal_mode = DELETE")
        is_alone = place.marks(path)[1] is None
        _exchange(path, None if is_alone else place.aside_name(path), lock)
        return True


def _is_damaged(path: Path) -> bool:
    try:
        connection = open_reader(path)
        try:
            check(connection, path)
        finally:
            connection.close()
    except JournalError as error:
        if not error.is_damage:
            raise
        return True
    return False


def _rescued(path: Path, fresh: sqlite3.Connection) -> int:
    """Copy what can be read; where the first page is lost, with that of a new file."""
    make_schema(fresh, path)
    for source in _sources(path):
        connection = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        with contextlib.closing(connection):
            fresh.execute("BEGIN")
            with contextlib.suppress(sqlite3.Error):
                tolerant(connection)
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                if items := salvage.copy(connection, fresh):
                    fresh.execute("COMMIT")
                    return items
            fresh.execute("ROLLBACK")
    return 0


def _sources(path: Path) -> Iterator[Path]:
    """The damaged file; a copy with its whole length; copies with the first page of a new file."""
    yield path
    scratch = place.companion(path, _SCRATCH)
    try:
        for first in (_header(path), _first_page(2, path), _first_page(0, path)):
            place.remove(scratch)
            shutil.copyfile(path, scratch)
            if place.companion(path, "-wal").exists():
                shutil.copyfile(place.companion(path, "-wal"), place.companion(scratch, "-wal"))
            with scratch.open("r+b") as file:
                file.write(first)
                file.truncate(int.from_bytes(first[28:32], "big") * PAGE_BYTES)
            yield scratch
    finally:
        place.remove(scratch)


def _header(path: Path) -> bytes:
    """That of the damaged file, with the number of pages that it has or should have."""
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES).ljust(HEADER_BYTES, b"\0")
    return _with_pages(header, path, int.from_bytes(header[28:32], "big"))


def _first_page(vacuum: int, path: Path) -> bytes:
    """That of a new journal, where all tables begin on the same pages as in every other."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with contextlib.closing(connection):
        connection.execute(f"PRAGMA auto_vacuum = {vacuum}")
        make_schema(connection, path)
        page = connection.serialize()[:PAGE_BYTES]
    has_log = place.companion(path, "-wal").exists()
    return _with_pages(page[:18] + (b"\2\2" if has_log else page[18:20]) + page[20:], path, 0)


def _with_pages(page: bytes, path: Path, wanted: int) -> bytes:
    """A first page that says how many pages there are, at offset 28 of its header.

    A file that was cut lacks pages that others lead to: they are empty then.
    """
    pages = max(LEAST_PAGES, path.stat().st_size // PAGE_BYTES)
    if pages < wanted <= pages * MOST_GROWTH:
        pages = wanted
    return page[:28] + pages.to_bytes(4, "big") + page[32:]


@contextlib.contextmanager
def _fresh(path: Path) -> Iterator[sqlite3.Connection]:
    """A new file beside ``path``, for ``_exchange``; removed if it could not be filled."""
    fresh = place.companion(path, _FRESH)
    place.remove(fresh)
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(fresh, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA synchronous = OFF")  # ``_exchange`` flushes it.
        yield connection
    except BaseException:
        connection.close()
        place.remove(fresh)
        raise
    connection.close()


def _exchange(path: Path, aside: Path | None, lock: int) -> None:
    """Put the new file into the journal's place. Raises OSError, and nothing is left behind."""
    fresh = place.companion(path, _FRESH)
    try:
        place.exchange(path, fresh, aside, lock)
    finally:
        place.remove(fresh)
