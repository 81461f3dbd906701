"""Writes records of one room into the journal's database: plain SQL, no threads.

A store belongs to one room for the lifetime of its link process. The first record begins a
conversation, or continues one after ``recover``; ``ClosedRecord`` ends it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path

from mixer_core.journal import deletion, repair
from mixer_core.journal.causes import journal_errors, moved
from mixer_core.journal.file import open_writer
from mixer_core.journal.pruning import Pruning
from mixer_core.journal.reading import day_cost_usd, read_items
from mixer_core.journal.records import (
    TOKEN_NAMES,
    ClosedRecord,
    ForgottenRecord,
    HistoryItem,
    ItemRecord,
    Record,
    RemovedRecord,
    SessionRecord,
    UsageRecord,
)

INTERRUPTED = json.dumps(
    {"error": "the gateway was restarted before the tool answered; it may have been carried out"}
)
"""Output of a tool that was running when the link process died."""
_ITEM_NAMES = tuple(f.name for f in fields(HistoryItem))
_UPSERT_ITEM = (
    f"INSERT INTO item (conversation, revision, {', '.join(_ITEM_NAMES)}) "
    f"VALUES ({', '.join('?' * (len(_ITEM_NAMES) + 2))}) "
    "ON CONFLICT (conversation, item) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in ("revision", *_ITEM_NAMES[1:]))
)
_INSERT_USAGE = (
    "INSERT INTO usage (conversation, kind, key, model, wall_ms, day, cost_usd, shares, status, "
    f"{', '.join(TOKEN_NAMES)}) VALUES ({', '.join('?' * (len(TOKEN_NAMES) + 9))}) "
    "ON CONFLICT DO NOTHING"
)


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
        self.pruning = Pruning(self._db, path)
        """What is deleted in time."""

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
        with journal_errors(self._path, "read"):
            row = self._db.execute(
                "SELECT id, ended_ms, touched_ms FROM conversation WHERE room = ? "
                "ORDER BY id DESC LIMIT 1",
                (self._room,),
            ).fetchone()
            if row is None or row[1] is not None or row[2] < oldest_ms:
                return []
            self._conversation = int(row[0])
            items = read_items(self._db, self._conversation)
        ended = [_ended(item) for item in items]
        changed = [new for new, old in zip(ended, items, strict=True) if new != old]
        if changed:
            self.write(map(ItemRecord, changed), row[2])
        return ended

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
        match record:
            case ItemRecord(item) if self._is_deleted(item.item):
                return
            case ItemRecord(item):
                values = (getattr(item, name) for name in _ITEM_NAMES)
                self._db.execute(_UPSERT_ITEM, (conversation, self._revision(), *values))
            case RemovedRecord(name):
                self._db.execute(
                    "UPDATE item SET removed = 1, text = '', arguments = '', output = '', "
                    "revision = ? WHERE conversation = ? AND item = ?",
                    (self._revision(), conversation, name),
                )
            case SessionRecord():
                self._session(conversation, record)
            case UsageRecord():
                self._usage(conversation, record)
            case ClosedRecord(ended_ms, reason):
                self._db.execute(
                    "UPDATE conversation SET ended_ms = ?, reason = ? WHERE id = ?",
                    (ended_ms, reason, conversation),
                )
                self._conversation = None
            case ForgottenRecord(forgotten_ms):
                self._db.execute("PRAGMA secure_delete = ON")
                deletion.empty(self._db, self._path, conversation, forgotten_ms)
                self._deleted.append(conversation)
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
        self._db.execute(
            "UPDATE conversation SET ended_ms = touched_ms, reason = 'its process ended' "
            "WHERE room = ? AND ended_ms IS NULL",
            (self._room,),
        )
        cursor = self._db.execute(
            "INSERT INTO conversation (room, began_ms, touched_ms) VALUES (?, ?, ?)",
            (self._room, wall_ms, wall_ms),
        )
        assert cursor.lastrowid is not None
        self._conversation = cursor.lastrowid
        return cursor.lastrowid

    def _note_deleted(self, conversation: int) -> None:
        """Note that a conversation was deleted, if that is why it is not written to any more."""
        found = self._db.execute(
            "SELECT 1 FROM conversation WHERE id = ? AND reason = ?",
            (conversation, deletion.DELETED),
        )
        if found.fetchone():
            self._deleted.append(conversation)

    def _is_deleted(self, item: str) -> bool:
        """Whether an item is one of a conversation that was deleted."""
        return any(
            self._db.execute(
                "SELECT 1 FROM item WHERE conversation = ? AND item = ?", (number, item)
            ).fetchone()
            for number in self._deleted
        )

    def _revision(self) -> int:
        """The next revision; the transaction holds the only write lock."""
        return self.pruning.last_revision() + 1

    def _session(self, conversation: int, record: SessionRecord) -> None:
        column = "started_ms" if record.started else "ended_ms"
        self._db.execute(
            f"INSERT INTO session (conversation, session, {column}, reason) VALUES (?, ?, ?, ?) "
            f"ON CONFLICT (conversation, session) DO UPDATE SET {column} = excluded.{column}, "
            "reason = excluded.reason",
            (conversation, record.session, record.wall_ms, record.reason),
        )

    def _usage(self, conversation: int, record: UsageRecord) -> None:
        self._db.execute(
            _INSERT_USAGE,
            (
                conversation,
                record.kind,
                record.key or f"at-{record.wall_ms}",
                record.model,
                record.wall_ms,
                record.day,
                record.cost_usd,
                json.dumps(record.shares, ensure_ascii=False),
                record.status,
                *(getattr(record.tokens, name) for name in TOKEN_NAMES),
            ),
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
