"""Deletes a conversation: its words go from the file, not only from sight.

What stays is an entry without words for each item, which tells whoever follows the transcript that
it is gone, and what the conversation has cost, without names: the day's budget counts it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..runtime.errors import JournalError
from .causes import journal_errors
from .file import open_writer
from .pruning import Pruning

DELETED = "deleted"
"""Reason of a conversation's end: nothing is written to it any more."""
ATTEMPTS = 3
"""At cutting the write-ahead log: readers hold it for some milliseconds."""
_WORDS = (
    "participant", "name", "text", "failure", "call", "tool", "arguments", "output", "session",
)  # fmt: skip


def delete(path: Path, room: str, conversation: int, wall_ms: int) -> bool:
    """Delete a conversation of a room, and what SQLite would keep of it; False: there is none.

    It may have been deleted before. Blocks while the file is written anew: some 5 ms a MiB.

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
            _scrub(db, path)
            return found
    finally:
        writer.close()


def is_known(db: sqlite3.Connection, room: str, conversation: int) -> bool:
    """Whether a room has that conversation."""
    row = db.execute(
        "SELECT 1 FROM conversation WHERE id = ? AND room = ?", (conversation, room)
    ).fetchone()
    return row is not None


def empty(db: sqlite3.Connection, path: Path, conversation: int, wall_ms: int) -> None:
    """Take the words out of a conversation, and end it; in a transaction. Raises sqlite3.Error."""
    last = Pruning(db, path).last_revision()
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


def _scrub(db: sqlite3.Connection, path: Path) -> None:
    """Write the file anew, and cut the write-ahead log, which has pages as they were before.

    ``secure_delete`` is not enough: where SQLite moves rows from one page to another, the gaps of
    the old page keep what was there, and nothing that is deleted later is looked for in them.
    """
    db.execute("VACUUM")
    for _ in range(ATTEMPTS):
        is_busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not is_busy:
            return
    raise JournalError(
        f"the write-ahead log of the journal {path} is in use, and still has what was deleted",
        "the words are deleted, but the journal's log still has them: delete once more",
    )
