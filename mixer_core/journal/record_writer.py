"""Writes records into the rows of a conversation: the SQL that every writer of the file shares.

Which conversation it is decides whoever calls: a link that has the room (``journal_store`` there),
or who fills the file from the cluster's stream (``filling``). Everything here is part of a
transaction of the caller.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import fields
from pathlib import Path

from . import deletion
from .pruning import Pruning
from .records import (
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

PROCESS_ENDED = "its process ended"
"""Reason of a conversation's end that nobody has told."""
LOST = "the cluster has lost it"
"""Reason of the end of one that the cluster's stream does not have any more."""
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


class RecordWriter:
    """Of one open journal. Methods raise sqlite3.Error, and what SQLite refuses as a value."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        """``path``: of the main file, for errors."""
        self._db = db
        self._path = path
        self.pruning = Pruning(db, path)
        """What is deleted in time."""

    def write(self, conversation: int, record: Record) -> None:
        """Write one record of a conversation that is there."""
        match record:
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
            case ForgottenRecord(forgotten_ms):
                self._db.execute("PRAGMA secure_delete = ON")
                deletion.empty(self._db, self._path, conversation, forgotten_ms)

    def has_usage(self, conversation: int, record: UsageRecord) -> bool:
        """Whether a conversation has these costs."""
        row = self._db.execute(
            "SELECT 1 FROM usage WHERE conversation = ? AND kind = ? AND key = ?",
            (conversation, record.kind, _key(record)),
        ).fetchone()
        return row is not None

    def end_others(self, room: str, before: int | None = None) -> None:
        """What goes on in a room is over: another conversation begins.

        ``before``: only conversations with a smaller id; None: all.
        """
        self._db.execute(
            "UPDATE conversation SET ended_ms = touched_ms, reason = ? "
            "WHERE room = ? AND ended_ms IS NULL AND id < ?",
            (PROCESS_ENDED, room, (1 << 62) if before is None else before),
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
                _key(record),
                record.model,
                record.wall_ms,
                record.day,
                record.cost_usd,
                json.dumps(record.shares, ensure_ascii=False),
                record.status,
                *(getattr(record.tokens, name) for name in TOKEN_NAMES),
            ),
        )


def _key(record: UsageRecord) -> str:
    """By which the file knows what was used."""
    return record.key or f"at-{record.wall_ms}"
