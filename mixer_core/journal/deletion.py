"""Deletes a conversation: its words go from the file, not only from sight.

What stays is an entry without words for each item, which tells whoever follows the transcript that
it is gone, and what the conversation has cost, without names: the day's budget counts it.

That is one transaction. What SQLite would keep of the words in gaps of pages and in its log goes
with ``scrub``, which needs a moment without other users. Until it had one, a mark in the file says
that it is due.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from . import place
from .causes import journal_errors
from .file import open_writer
from .pruning import Pruning

DELETED = "deleted"
"""Reason of a conversation's end: nothing is written to it any more."""
_LEFT = "words left"
"""Name of the mark: what was deleted may still be in gaps of the file."""
_WORDS = (
    "participant", "name", "text", "failure", "call", "tool", "arguments", "output", "session",
)  # fmt: skip


def delete(path: Path, room: str, conversation: int, wall_ms: int) -> bool:
    """Delete a conversation of a room; False: there is none. ``scrub`` must follow.

    It may have been deleted before.

    Args:
        path: of the database. room: its name. conversation: its id. wall_ms: Unix time now.

    Raises:
        JournalError: the journal cannot be written.
    """
    writer = open_writer(path)
    try:
        with journal_errors(path, "written"):
            db = writer.db
            db.execute("PRAGMA secure_delete = ON")
            db.execute("BEGIN IMMEDIATE")
            try:
                found = is_known(db, room, conversation)
                if found:
                    empty(db, path, conversation, wall_ms)
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
            return found
    finally:
        writer.close()


def scrub(path: Path) -> bool:
    """Remove what SQLite has kept of deleted words; False: others use the file, try again soon.

    Does nothing where nothing was deleted. Else it blocks while the file is written anew: some 5 ms
    a MiB. ``secure_delete`` is not enough: where SQLite moves rows from one page to another, the
    gaps of the old page keep what was there, and nothing that is deleted later is looked for in
    them. The write-ahead log is cut, since it has pages as they were before.

    Raises:
        JournalError: the journal cannot be read or written.
    """
    if not place.is_there(path):
        return True
    writer = open_writer(path)
    try:
        with journal_errors(path, "written"):
            return _scrubbed(writer.db)
    finally:
        writer.close()


def _scrubbed(db: sqlite3.Connection) -> bool:
    row = db.execute("SELECT value FROM mark WHERE name = ?", (_LEFT,)).fetchone()
    if row is None:
        return True
    try:
        db.execute("VACUUM")
        is_busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not is_busy:  # Another deletion may have left another mark meanwhile.
            db.execute("DELETE FROM mark WHERE name = ? AND value = ?", (_LEFT, row[0]))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        return False
    return not is_busy


def is_known(db: sqlite3.Connection, room: str, conversation: int) -> bool:
    """Whether a room has that conversation."""
    row = db.execute(
        "SELECT 1 FROM conversation WHERE id = ? AND room = ?", (conversation, room)
    ).fetchone()
    return row is not None


def empty(db: sqlite3.Connection, path: Path, conversation: int, wall_ms: int) -> None:
    """Take the words out of a conversation, and end it; in a transaction. Raises sqlite3.Error."""
    last = Pruning(db, path).last_revision()
    db.execute("INSERT OR REPLACE INTO mark (name, value) VALUES (?, ?)", (_LEFT, last))
    db.execute(
        f"UPDATE item SET removed = 1, {', '.join(f'{name} = {chr(39) * 2}' for name in _WORDS)}, "
        "revision = ? + place.number FROM (SELECT rowid AS row, row_number() "
        "OVER (ORDER BY position) AS number FROM item WHERE conversation = ?) AS place "
        "WHERE item.rowid = place.row",
        (last, conversation),
    )
    db.execute("DELETE FROM session WHERE conversation = ?", (conversation,))
    db.execute("UPDATE usage SET shares = '[]' WHERE conversation = ?", (conversation,))
    db.execute(
        "UPDATE conversation SET ended_ms = ifnull(ended_ms, ?), reason = ? WHERE id = ?",
        (wall_ms, DELETED, conversation),
    )
