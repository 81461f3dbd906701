"""Writes records of one room into the journal's database: plain SQL, no threads.

A store belongs to one room for the lifetime of its link process. The first record begins a
conversation, or continues one after ``recover``; ``ClosedRecord`` ends it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mixer_core.journal import deletion, repair
from mixer_core.journal.causes import journal_errors, moved
from mixer_core.journal.file import open_writer
from mixer_core.journal.filling import Applied, Filling
from mixer_core.journal.pruning import Pruning
from mixer_core.journal.reading import day_cost_usd, read_items
from mixer_core.journal.record_writer import LOST, RecordWriter
from mixer_core.journal.records import (
    ClosedRecord,
    ForgottenRecord,
    HistoryItem,
    ItemRecord,
    Record,
    UsageRecord,
)
from mixer_core.journal.stream_batch import Entry, Position, StreamId, local_id

INTERRUPTED = json.dumps(
    {"error": "the gateway was restarted before the tool answered; it may have been carried out"}
)
"""Output of a tool that was running when the link process died."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """A conversation that goes on."""

    items: list[HistoryItem] = field(default_factory=list)
    changes: list[ItemRecord] = field(default_factory=list)
    """Those that are not final in the file."""
    touched_ms: int = 0
    """When it was last written, Unix time."""


class JournalStore:
    """One room's writer. Every method raises JournalError if the database cannot be used."""

    def __init__(self, path: Path, room: str, conversation: int | None = None) -> None:
        """Open the database; it is created if there is none.

        ``conversation``: continue this one, of an earlier store of this process.
        """
        self._path = path
        self._room = room
        self._file = open_writer(path)
        self._db = self._file.db
        self._conversation = conversation
        self._deleted: list[int] = []
        """Conversations of this process that were deleted: what is late does not come back."""
        self._writer = RecordWriter(self._db, path)

    @property
    def pruning(self) -> Pruning:
        """What is deleted in time."""
        return self._writer.pruning

    @property
    def conversation(self) -> int | None:
        """The conversation that is written to; None: the next record begins one."""
        return self._conversation

    def recover(self, oldest_ms: int) -> list[HistoryItem]:
        """Continue the room's newest conversation if nobody ended it; returns its items.

        They are all final now: transcripts stay as they are, and a tool without output has failed,
        because nobody knows how far it came.

        Args:
            oldest_ms: Unix time; a conversation last written before that is not continued.
        """
        found = self.resume(oldest_ms)
        if found.changes:
            self.write(found.changes, found.touched_ms)
        return found.items

    def resume(self, oldest_ms: int) -> Resumed:
        """As ``recover``; what became final is for the caller to write."""
        with journal_errors(self._path, "read"):
            row = self._db.execute(
                "SELECT id, ended_ms, touched_ms FROM conversation WHERE room = ? "
                "AND reason != ? ORDER BY id DESC LIMIT 1",
                (self._room, LOST),
            ).fetchone()
            if row is None or row[1] is not None or row[2] < oldest_ms:
                return Resumed()
            self._conversation = int(row[0])
            items = read_items(self._db, self._conversation)
        ended = [_ended(item) for item in items]
        changes = [ItemRecord(new) for new, old in zip(ended, items, strict=True) if new != old]
        return Resumed(ended, changes, int(row[2]))

    def position(self, node: str, stream: StreamId) -> Position:
        """How far the file knows the room's log in the cluster's stream."""
        return Filling(self._file, self._room, node).position(stream)

    def set_back(self, node: str, stream: StreamId, known: Position) -> None:
        """The stream does not have what was ``known`` of it, see ``Filling``."""
        Filling(self._file, self._room, node).set_back(stream, known)

    def fill(
        self,
        node: str,
        stream: StreamId,
        entries: Sequence[Entry],
        after_seq: int,
        known: Position,
    ) -> list[Applied] | None:
        """Write what the cluster's stream has, see ``Filling``; ``node``: of this machine."""
        filling = Filling(self._file, self._room, node)
        return filling.apply(stream, entries, after_seq, known)

    def continue_with(self, conversation: int | None) -> None:
        """That is the conversation that is written to."""
        self._conversation = conversation

    def items(self) -> list[HistoryItem]:
        """The items of the conversation that is written to, as they are."""
        if self._conversation is None:
            return []
        with journal_errors(self._path, "read"):
            return read_items(self._db, self._conversation)

    def goes_on(self, conversation: int) -> bool:
        """Whether a conversation is known here and has not ended."""
        with journal_errors(self._path, "read"):
            row = self._db.execute(
                "SELECT 1 FROM conversation WHERE id = ? AND room = ? AND ended_ms IS NULL",
                (conversation, self._room),
            ).fetchone()
            return row is not None

    def is_deleted(self, conversation: int) -> bool:
        """Whether a conversation is known here as one whose words were taken out."""
        with journal_errors(self._path, "read"):
            row = self._db.execute(
                "SELECT 1 FROM conversation WHERE id = ? AND room = ? AND reason = ?",
                (conversation, self._room, deletion.DELETED),
            ).fetchone()
            return row is not None

    def has(self, conversations: Iterable[int], record: Record) -> bool:
        """Whether one of the conversations has the item, deleted or not, or the costs that a record
        tells of."""
        with journal_errors(self._path, "read"):
            if isinstance(record, ItemRecord):
                return self._has_item(conversations, record.item.item)
            return isinstance(record, UsageRecord) and any(
                self._writer.has_usage(number, record) for number in conversations
            )

    def write(self, records: Iterable[Record], wall_ms: int) -> None:
        """One transaction, durable when this returns; nothing is written if it raises.

        Raises:
            JournalError: it could not be written; ``is_moved``: it is durable in files that nobody
                finds, so write it again.
        """
        with journal_errors(self._path, "written"):
            before = self._conversation
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for record in records:
                    self._write(record, wall_ms)
                self._db.execute("COMMIT")
            except BaseException:
                self._conversation = before
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            if not self._file.is_in_place():
                self._conversation = before
                raise moved(self._path)

    def leave(self) -> None:
        """The files were moved: what is committed is brought together there, and they are closed.

        Where only SQLite's companions of the main file are gone, it is replaced by a copy, since
        others may have opened it with other companions.
        """
        try:
            if not repair.renew(self._file):
                self._file.flush()
        finally:
            self.close()

    @property
    def was_empty(self) -> bool:
        """The file was there and had nothing in it, which no program does."""
        return self._file.was_empty

    def check(self, most_bytes: int) -> None:
        """Raise JournalError where the file is damaged; it reads all of one that is not larger."""
        repair.check(self._db, self._path, most_bytes)

    def day_usd(self, day: str) -> float:
        """What a local day has cost so far, over all rooms."""
        with journal_errors(self._path, "read"):
            return day_cost_usd(self._db, day)

    def room_usd(self, day: str) -> float:
        """What a local day has cost so far in this room."""
        with journal_errors(self._path, "read"):
            return day_cost_usd(self._db, day, self._room)

    def close(self) -> None:
        """Close the database."""
        self._file.close()

    def _write(self, record: Record, wall_ms: int) -> None:
        if isinstance(record, ClosedRecord | ForgottenRecord) and self._conversation is None:
            return
        conversation = self._touch(wall_ms)
        if isinstance(record, ItemRecord) and self._has_item(self._deleted, record.item.item):
            return  # It is of a conversation that was deleted.
        self._writer.write(conversation, record)
        if isinstance(record, ForgottenRecord):
            self._deleted.append(conversation)
        if isinstance(record, ClosedRecord | ForgottenRecord):
            self._conversation = None

    def _touch(self, wall_ms: int) -> int:
        """The conversation to write to; begins one if there is none."""
        if self._conversation is not None:
            touched = self._db.execute(
                "UPDATE conversation SET touched_ms = max(touched_ms, ?) "
                "WHERE id = ? AND room = ? AND reason != ?",
                (wall_ms, self._conversation, self._room, deletion.DELETED),
            )
            if touched.rowcount:  # Else it is not in this file, or somebody has deleted it.
                return self._conversation
            self._note_deleted(self._conversation)
        self._writer.end_others(self._room)
        row = self._db.execute("SELECT ifnull(max(id), 0) FROM conversation").fetchone()
        self._conversation = number = local_id(int(row[0]))
        self._db.execute(
            "INSERT INTO conversation (id, room, began_ms, touched_ms) VALUES (?, ?, ?, ?)",
            (number, self._room, wall_ms, wall_ms),
        )
        return number

    def _note_deleted(self, conversation: int) -> None:
        """Note that a conversation was deleted, if that is why it is not written to any more."""
        found = self._db.execute(
            "SELECT 1 FROM conversation WHERE id = ? AND reason = ?",
            (conversation, deletion.DELETED),
        )
        if found.fetchone():
            self._deleted.append(conversation)

    def _has_item(self, conversations: Iterable[int], item: str) -> bool:
        return any(
            self._db.execute(
                "SELECT 1 FROM item WHERE conversation = ? AND item = ?", (number, item)
            ).fetchone()
            for number in conversations
        )


def _ended(item: HistoryItem) -> HistoryItem:
    """An item whose process has died before completing it."""
    if item.pending:
        return replace(item, ok=False, output=INTERRUPTED, final=True)
    return replace(item, final=True)


def is_gone(error: BaseException) -> bool:
    """Whether the conversation no longer exists (somebody deleted it)."""
    return isinstance(error.__cause__, sqlite3.IntegrityError)


def fails_for_good(error: BaseException) -> bool:
    """Whether trying the same write again cannot help: the record is bad, not the disk."""
    return isinstance(
        error.__cause__,
        sqlite3.IntegrityError
        | sqlite3.ProgrammingError
        | sqlite3.InterfaceError
        | sqlite3.DataError
        | ValueError
        | TypeError
        | OverflowError,
    )
