"""Fills the file with what the cluster's stream has of a room, each message once.

How far the file knows a room's log stands in the same transaction as what it says, so whoever dies
in the middle, and however many fill at once, nothing is missing and nothing is written twice. What
the file refuses for good is left out, record by record: a bad one must not keep all that follow.

A server that loses its power may lose the end of a stream, and gives the same sequences to other
messages then. So the file knows by a mark which message it has read last. Where that is another one
now the log is read again from its beginning: what the stream has lost stays in the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Literal

from . import deletion
from .causes import journal_errors, moved
from .file import Writer
from .pruning import FILLED
from .record_writer import LOST, RecordWriter
from .records import Record, UsageRecord
from .stream_batch import Batch, Entry, Position, StreamId, Tombstone, local_id, spent_at

Applied = Literal["written", "known", "deleted"]
"""``known``: the file had it; ``deleted``: its conversation is, so nothing of it is kept."""


class Filling:
    """Of one room, on an open journal. Every method raises JournalError."""

    def __init__(self, file: Writer, room: str, node: str) -> None:
        """``node``: name of this machine, whose own spending is counted as such."""
        self._file = file
        self._db = file.db
        self._room = room
        self._node = node
        self._writer = RecordWriter(file.db, file.path)

    def position(self, stream: StreamId) -> Position:
        """How far the file knows the room's log."""
        with journal_errors(self._file.path, "read"):
            return position(self._db, _mark(self._room), stream)

    def set_back(self, stream: StreamId, known: Position) -> None:
        """The stream does not have what was ``known`` of it: all of the log is to be read again.

        What goes on in the room has ended until something of it is found.
        """

        def write() -> None:
            if _set_back(self._db, _mark(self._room), stream, known):
                self._db.execute(
                    "UPDATE conversation SET ended_ms = touched_ms, reason = ? "
                    "WHERE room = ? AND ended_ms IS NULL",
                    (LOST, self._room),
                )

        self._in_transaction(write)

    def apply(
        self, stream: StreamId, entries: Sequence[Entry], after_seq: int, known: Position
    ) -> list[Applied] | None:
        """Write what the log says, unless the file knows it; durable on return.

        Args:
            stream: which one it is of. entries: of the log, in order.
            after_seq: what the file has to know already: entries are missing else.
            known: up to where the log is known then.

        Returns what became of each; None: the file is another one than before, and knows less.
        """
        applied: list[Applied] = []
        is_gap = False

        def write() -> None:
            nonlocal is_gap
            applied.clear()
            before = position(self._db, _mark(self._room), stream).seq
            is_gap = before < after_seq
            if is_gap:
                return
            applied.extend(self._entry(entry, before) for entry in entries)
            if known.seq > before:
                note(self._db, _mark(self._room), stream, known)

        self._in_transaction(write)
        return None if is_gap else applied

    def _entry(self, entry: Entry, known: int) -> Applied:
        if isinstance(entry, Tombstone):
            self._bury(entry)
            return "written"
        if entry.seq <= known:
            return "deleted" if self._is_gone(entry) else "known"
        return self._write(entry) if entry.records else "written"

    def _bury(self, tombstone: Tombstone) -> None:
        """A conversation is deleted: its words go, and none of it is written any more."""
        number, wall_ms = tombstone.conversation, tombstone.wall_ms
        if deletion.is_known(self._db, self._room, number):
            self._db.execute("PRAGMA secure_delete = ON")
            deletion.empty(self._db, self._file.path, number, wall_ms)
            return
        self._db.execute(  # A conversation of another room stays as it is.
            "INSERT OR IGNORE INTO conversation "
            "(id, room, began_ms, touched_ms, ended_ms, reason) VALUES (?, ?, ?, ?, ?, ?)",
            (number, self._room, wall_ms, wall_ms, wall_ms, deletion.DELETED),
        )

    def _write(self, batch: Batch) -> Applied:
        if self._touch(batch) == "deleted":
            return "deleted"
        records = [self._own(record, batch.message.node) for record in batch.records]
        self._db.execute("SAVEPOINT batch")
        try:
            for record in records:
                self._writer.write(batch.conversation, record)
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, *_VALUES):
            self._db.execute("ROLLBACK TO batch")
            self._write_one_by_one(batch.conversation, records)
        self._db.execute("RELEASE batch")
        return "written"

    def _write_one_by_one(self, conversation: int, records: list[Record]) -> None:
        for record in records:
            self._db.execute("SAVEPOINT record")
            try:
                self._writer.write(conversation, record)
            except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, *_VALUES):
                self._db.execute("ROLLBACK TO record")
            self._db.execute("RELEASE record")

    def _is_gone(self, batch: Batch) -> bool:
        """Whether its conversation is deleted, or its number is another room's."""
        row = self._db.execute(
            "SELECT room, reason FROM conversation WHERE id = ?", (batch.conversation,)
        ).fetchone()
        return row is not None and (row[0] != self._room or row[1] == deletion.DELETED)

    def _room_of(self, batch: Batch) -> str:
        """Which room has the number of its conversation; empty: none."""
        row = self._db.execute(
            "SELECT room FROM conversation WHERE id = ?", (batch.conversation,)
        ).fetchone()
        return "" if row is None else str(row[0])

    def _touch(self, batch: Batch) -> Applied:
        """Make or find the conversation; ``deleted``, too, where another room has its number."""
        number, wall_ms = batch.conversation, batch.message.wall_ms
        if not batch.message.conversation:
            self._make_way(number, wall_ms)
        elif self._room_of(batch) not in ("", self._room):
            return "deleted"
        row = self._db.execute(
            "SELECT reason FROM conversation WHERE id = ? AND room = ?", (number, self._room)
        ).fetchone()
        if row is not None and row[0] == deletion.DELETED:
            return "deleted"
        if row is not None:
            self._db.execute(
                "UPDATE conversation SET touched_ms = max(touched_ms, ?), "
                "ended_ms = iif(reason = ?, NULL, ended_ms), reason = iif(reason = ?, '', reason) "
                "WHERE id = ? AND room = ?",
                (wall_ms, LOST, LOST, number, self._room),
            )
            return "written"
        self._writer.end_others(self._room, before=number)
        self._db.execute(
            "INSERT INTO conversation (id, room, began_ms, touched_ms) VALUES (?, ?, ?, ?)",
            (number, self._room, wall_ms, wall_ms),
        )
        return "written"

    def _make_way(self, number: int, began_ms: int) -> None:
        """A conversation that the stream has lost leaves its number to the one that begins."""
        is_other = self._db.execute(
            "SELECT 1 FROM conversation WHERE id = ? AND "
            "(room != ? OR began_ms != ? AND reason != ?)",
            (number, self._room, began_ms, deletion.DELETED),
        ).fetchone()
        if not is_other:
            return
        row = self._db.execute("SELECT max(id) FROM conversation").fetchone()
        moved_to = (local_id(int(row[0])), number)
        self._db.execute("PRAGMA defer_foreign_keys = ON")  # Until the transaction ends.
        self._db.execute("UPDATE conversation SET id = ? WHERE id = ?", moved_to)
        self._db.execute(
            "UPDATE conversation SET ended_ms = ifnull(ended_ms, touched_ms), reason = ? "
            "WHERE id = ? AND reason != ?",
            (LOST, moved_to[0], deletion.DELETED),
        )
        for table in ("item", "session", "usage"):
            self._db.execute(
                f"UPDATE {table} SET conversation = ? WHERE conversation = ?", moved_to
            )

    def _own(self, record: Record, node: str) -> Record:
        if isinstance(record, UsageRecord) and node and node != self._node:
            return spent_at(record, node)
        return record

    def _in_transaction(self, write: Callable[[], None]) -> None:
        _in_transaction(self._file, write)


class Graveyard:
    """What is deleted in one stream, of all rooms; on an open journal. Raises JournalError."""

    def __init__(self, file: Writer, stream: StreamId) -> None:
        self._file = file
        self._stream = stream
        self._name = f"gone of {stream.partition}"

    def position(self) -> Position:
        """How far the file knows what is deleted."""
        with journal_errors(self._file.path, "read"):
            return position(self._file.db, self._name, self._stream)

    def set_back(self, known: Position) -> None:
        """The stream does not have what was ``known`` of it: all of it is to be read again."""
        db = self._file.db
        _in_transaction(self._file, lambda: _set_back(db, self._name, self._stream, known))

    def bury(self, tombstones: Sequence[Tombstone], known: Position) -> int:
        """Take out the words of conversations that the file has; returns how many they are.

        Of others nothing comes into it: whoever fills it with a room reads what is deleted, too.
        ``known``: up to where all is known then.
        """
        db, count = self._file.db, 0

        def write() -> None:
            nonlocal count
            db.execute("PRAGMA secure_delete = ON")
            for tombstone in tombstones:
                number = tombstone.conversation
                row = db.execute(
                    "SELECT 1 FROM conversation WHERE id = ? AND room = ? AND reason != ?",
                    (number, tombstone.room, deletion.DELETED),
                ).fetchone()
                if row is not None:
                    deletion.empty(db, self._file.path, number, tombstone.wall_ms)
                    count += 1
            note(db, self._name, self._stream, known)

        _in_transaction(self._file, write)
        return count


def _set_back(db: sqlite3.Connection, name: str, stream: StreamId, known: Position) -> bool:
    """False: somebody has read it again meanwhile."""
    if position(db, name, stream) != known:
        return False
    db.execute("DELETE FROM mark WHERE name = ?", (name,))
    return True


def _in_transaction(file: Writer, write: Callable[[], object]) -> None:
    with journal_errors(file.path, "written"):
        file.db.execute("BEGIN IMMEDIATE")
        try:
            write()
            file.db.execute("COMMIT")
        except BaseException:
            if file.db.in_transaction:
                file.db.execute("ROLLBACK")
            raise
        if not file.is_in_place():
            raise moved(file.path)


_VALUES = (ValueError, TypeError, OverflowError, sqlite3.InterfaceError)


def position(db: sqlite3.Connection, name: str, stream: StreamId) -> Position:
    """How far a reader of a stream has come; nowhere, too, in a stream of that name before.

    Raises sqlite3.Error.
    """
    row = db.execute("SELECT value FROM mark WHERE name = ?", (name,)).fetchone()
    parts = str(row[0]).split(" ") if row is not None else []
    wanted = [str(stream.created_s), str(stream.partition)]
    if parts[:2] != wanted or not parts[2:] or not parts[2].isdigit():
        return Position()
    return Position(int(parts[2]), parts[3] if parts[3:] else "")


def note(db: sqlite3.Connection, name: str, stream: StreamId, known: Position) -> None:
    """A reader of a stream has come this far. Raises sqlite3.Error."""
    db.execute(
        "INSERT OR REPLACE INTO mark (name, value) VALUES (?, ?)",
        (name, f"{stream.created_s} {stream.partition} {known.seq} {known.mark}".rstrip()),
    )


def _mark(room: str) -> str:
    """How far the file knows a room's log."""
    return FILLED + room
