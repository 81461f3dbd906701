"""Fills the file with what the cluster's stream has of a room, each message once.

How far the file knows a room's log stands in the same transaction as what it says, so whoever dies
in the middle, and however many fill at once, nothing is missing and nothing is written twice. What
the file refuses for good is left out, record by record: a bad one must not keep all that follow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Literal

from . import deletion
from .causes import journal_errors, moved
from .file import Writer
from .pruning import FILLED
from .record_writer import RecordWriter
from .records import Record, UsageRecord
from .stream_batch import Batch, Entry, StreamId, Tombstone, spent_at

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

    def position(self, stream: StreamId) -> int:
        """The sequence up to which the file knows the room's log; 0: nothing of it."""
        with journal_errors(self._file.path, "read"):
            return position(self._db, _mark(self._room), stream)

    def apply(
        self, stream: StreamId, entries: Sequence[Entry], after_seq: int, known_seq: int
    ) -> list[Applied] | None:
        """Write what the log says, unless the file knows it; durable on return.

        Args:
            stream: which one it is of. entries: of the log, in order.
            after_seq: what the file has to know already: entries are missing else.
            known_seq: up to where the log is known then.

        Returns what became of each; None: the file is another one than before, and knows less.
        """
        applied: list[Applied] = []
        is_gap = False

        def write() -> None:
            nonlocal is_gap
            applied.clear()
            known = position(self._db, _mark(self._room), stream)
            is_gap = known < after_seq
            if is_gap:
                return
            applied.extend(self._entry(entry, known) for entry in entries)
            if known_seq > known:
                note(self._db, _mark(self._room), stream, known_seq)

        self._in_transaction(write)
        return None if is_gap else applied

    def _entry(self, entry: Entry, known: int) -> Applied:
        if isinstance(entry, Tombstone):
            self._bury(entry)
            return "written"
        if entry.seq <= known:
            return "known"
        return self._write(entry) if entry.records else "written"

    def _bury(self, tombstone: Tombstone) -> None:
        """A conversation is deleted: its words go, and none of it is written any more."""
        number, wall_ms = tombstone.conversation, tombstone.wall_ms
        if deletion.is_known(self._db, self._room, number):
            self._db.execute("PRAGMA secure_delete = ON")
            deletion.empty(self._db, self._file.path, number, wall_ms)
            return
        self._db.execute(
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

    def _touch(self, batch: Batch) -> Applied:
        """Make or find the conversation."""
        number, wall_ms = batch.conversation, batch.message.wall_ms
        row = self._db.execute("SELECT reason FROM conversation WHERE id = ?", (number,)).fetchone()
        if row is not None and row[0] == deletion.DELETED:
            return "deleted"
        if row is not None:
            self._db.execute(
                "UPDATE conversation SET touched_ms = max(touched_ms, ?) WHERE id = ?",
                (wall_ms, number),
            )
            return "written"
        self._writer.end_others(self._room, before=number)
        self._db.execute(
            "INSERT INTO conversation (id, room, began_ms, touched_ms) VALUES (?, ?, ?, ?)",
            (number, self._room, wall_ms, wall_ms),
        )
        return "written"

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

    def position(self) -> int:
        """The sequence up to which the file knows what is deleted."""
        with journal_errors(self._file.path, "read"):
            return position(self._file.db, self._name, self._stream)

    def bury(self, tombstones: Sequence[Tombstone], known_seq: int) -> int:
        """Take out the words of conversations that the file has; returns how many they are.

        Of others nothing comes into it: whoever fills it with a room reads what is deleted, too.
        ``known_seq``: up to where all is known then.
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
            note(db, self._name, self._stream, known_seq)

        _in_transaction(self._file, write)
        return count


def _in_transaction(file: Writer, write: Callable[[], None]) -> None:
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


def position(db: sqlite3.Connection, name: str, stream: StreamId) -> int:
    """How far a reader of a stream has come; 0: nowhere, or in a stream of that name before.

    Raises sqlite3.Error.
    """
    row = db.execute("SELECT value FROM mark WHERE name = ?", (name,)).fetchone()
    parts = str(row[0]).split(" ") if row is not None else []
    wanted = [str(stream.created_s), str(stream.partition)]
    return int(parts[2]) if parts[:2] == wanted and parts[2:] and parts[2].isdigit() else 0


def note(db: sqlite3.Connection, name: str, stream: StreamId, seq: int) -> None:
    """A reader of a stream has come this far. Raises sqlite3.Error."""
    db.execute(
        "INSERT OR REPLACE INTO mark (name, value) VALUES (?, ?)",
        (name, f"{stream.created_s} {stream.partition} {seq}"),
    )


def _mark(room: str) -> str:
    """How far the file knows a room's log."""
    return FILLED + room
