"""Deletes old entries, in short transactions, and keeps the file from growing for ever.

What is old: ``retention``. When the journal is larger than it may be, the oldest words go, whatever
their age.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .causes import journal_errors
from .retention import DAY_MS, EARLIEST_MS, Look, is_stale, oldest_ms

BATCH_ROWS = 500
"""Rows that one transaction deletes at most: other writers wait for it."""
BATCH_PAGES = 256
"""Pages that one transaction gives back to the file system."""
ROOM_LEFT = 0.9
"""A journal that is too large is made smaller than it may be, so that this is seldom."""
_LOOK, _REVISION = "look", "revision"
FILLED = "stream of "
"""Before a room's name: how far the file knows the room's log of the cluster."""
_TABLES = ("item", "usage")


class Pruning:
    """Of one open journal. Every method raises JournalError."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        """``path``: of the main file, for errors."""
        self._db = db
        self._path = path

    def last_revision(self) -> int:
        """The highest revision that there is or was. Raises sqlite3.Error."""
        row = self._db.execute(
            "SELECT max(ifnull((SELECT max(revision) FROM item), 0), "
            "ifnull((SELECT value FROM mark WHERE name = ?), 0))",
            (_REVISION,),
        ).fetchone()
        return int(row[0])

    def by_age(self, now: Look, keep_ms: int, own: int | None) -> int | None:
        """Delete what is older than ``keep_ms``; returns the number of rows.

        None: it is too soon after the last time, by any process. ``own``: the conversation that is
        being written to, which stays.
        """
        with journal_errors(self._path, "written"):
            before = self._look()
            oldest = oldest_ms(before, now, keep_ms)
            if oldest is None:
                if is_stale(before, now):
                    self._keep(_LOOK, now.as_text())
                return None
            self._keep(_LOOK, now.as_text())
            return self.before(oldest, now.wall_ms, own)

    def before(self, oldest: int, now_ms: int, own: int | None) -> int:
        """Delete what began before a Unix time; returns the number of rows."""
        with journal_errors(self._path, "written"):
            count = sum(
                self._delete(table, self._last_old(table, oldest, now_ms)) for table in _TABLES
            )
            count += self._delete_empty(oldest, now_ms, own)
            self.shrink()
        return count

    def by_size(self, most_bytes: int) -> int:
        """Delete the oldest words of a journal that is too large; returns the number of rows."""
        count = 0
        with journal_errors(self._path, "written"):
            if self._bytes() <= most_bytes:
                return 0
            while self._bytes() > most_bytes * ROOM_LEFT:
                row = self._db.execute(
                    "SELECT max(rowid) FROM (SELECT rowid FROM item ORDER BY rowid LIMIT ?)",
                    (BATCH_ROWS,),
                ).fetchone()
                if row[0] is None:
                    break
                count += self._delete("item", int(row[0]))
            self.shrink()
        return count

    def _last_old(self, table: str, oldest: int, now_ms: int) -> int | None:
        """The last row of those that may go."""
        young = self._db.execute(
            f"SELECT min(rowid) FROM {table} WHERE wall_ms BETWEEN ? AND ?",
            (oldest, now_ms + DAY_MS),
        ).fetchone()[0]
        last = self._db.execute(
            f"SELECT max(rowid) FROM {table} WHERE wall_ms >= ? AND wall_ms < ? AND rowid < ?",
            (EARLIEST_MS, oldest, (1 << 62) if young is None else young),
        ).fetchone()[0]
        return None if last is None else int(last)

    def _delete(self, table: str, last: int | None) -> int:
        """Delete the rows up to one, some at a time."""
        if last is None:
            return 0
        if table == "item":
            self._keep(_REVISION, self.last_revision())
        count = 0
        while True:
            deleted = self._db.execute(
                f"DELETE FROM {table} WHERE rowid IN "
                f"(SELECT rowid FROM {table} WHERE rowid <= ? LIMIT {BATCH_ROWS})",
                (last,),
            ).rowcount
            count += deleted
            if deleted < BATCH_ROWS:
                return count

    def _delete_empty(self, oldest: int, now_ms: int, own: int | None) -> int:
        """Delete conversations of which nothing is left, and what is known of old sessions."""
        self._db.execute(
            "DELETE FROM session WHERE ifnull(ended_ms, started_ms) < ? AND conversation != ?",
            (oldest, own or -1),
        )
        count = self._db.execute(
            "DELETE FROM conversation WHERE (touched_ms < ? OR touched_ms > ?) AND id != ? "
            "AND NOT EXISTS (SELECT 1 FROM item WHERE item.conversation = conversation.id) "
            "AND NOT EXISTS (SELECT 1 FROM usage WHERE usage.conversation = conversation.id)",
            (oldest, now_ms + DAY_MS, own or -1),
        ).rowcount
        self._db.execute(
            "DELETE FROM mark WHERE name LIKE ? AND NOT EXISTS "
            "(SELECT 1 FROM conversation WHERE room = substr(mark.name, ?))",
            (f"{FILLED}%", len(FILLED) + 1),
        )
        return count

    def shrink(self) -> None:
        """Give free pages back; files of earlier programs keep theirs, and use them again."""
        while self._number("auto_vacuum") == 2 and (free := self._number("freelist_count")):
            self._db.execute(f"PRAGMA incremental_vacuum({BATCH_PAGES})").fetchall()
            if self._number("freelist_count") >= free:
                return

    def _bytes(self) -> int:
        """Without free pages."""
        used = self._number("page_count") - self._number("freelist_count")
        return used * self._number("page_size")

    def _number(self, pragma: str) -> int:
        return int(self._db.execute(f"PRAGMA {pragma}").fetchone()[0])

    def _look(self) -> Look | None:
        row = self._db.execute("SELECT value FROM mark WHERE name = ?", (_LOOK,)).fetchone()
        return None if row is None else Look.from_text(row[0])

    def _keep(self, name: str, value: str | int) -> None:
        self._db.execute("INSERT OR REPLACE INTO mark (name, value) VALUES (?, ?)", (name, value))
