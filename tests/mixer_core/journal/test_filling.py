"""A stream that has lost its end: no room gets another one's words, and nothing is passed over."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixer_core.journal.file import Writer, journal_path, open_writer
from mixer_core.journal.filling import Filling, Graveyard
from mixer_core.journal.record_writer import LOST
from mixer_core.journal.records import (
    ClosedRecord,
    HistoryItem,
    ItemRecord,
    SessionRecord,
    Tokens,
    UsageRecord,
)
from mixer_core.journal.stream_batch import (
    EPOCH_S,
    Batch,
    Message,
    Position,
    StreamId,
    Tombstone,
)

STREAM = StreamId(EPOCH_S + 60_000_000)
NUMBER = STREAM.conversation(5)
SAID = (
    ItemRecord(HistoryItem("i1", 1, "message", "user", text="of home")),
    SessionRecord("s1", True, 1),
    UsageRecord("r", "response", "m", 7, "2026-11-22", Tokens(1), 0.5),
)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Writer]:
    writer = open_writer(journal_path(tmp_path), "NORMAL")
    yield writer
    writer.close()


def batch(seq: int, name: str, text: str, conversation: int = 0) -> Batch:
    record = ItemRecord(HistoryItem(name, seq, "message", "user", text=text))
    message = Message("w", seq, 1, wall_ms=seq, conversation=conversation)
    return Batch(message, seq, seq, conversation or STREAM.conversation(seq), (record,))


def words(db: sqlite3.Connection) -> list[tuple[str, str]]:
    return db.execute(
        "SELECT room, text FROM item JOIN conversation ON conversation = id ORDER BY room, item"
    ).fetchall()


def test_a_number_that_a_room_has_lost_is_taken_by_another_room(file: Writer) -> None:
    home, other = Filling(file, "home", "a"), Filling(file, "other", "a")
    begun = Batch(Message("w", 1, 1, wall_ms=5), 5, 5, NUMBER, SAID)
    assert home.apply(STREAM, [begun], 0, Position(5, "m")) == ["written"]
    news = [batch(5, "i1", "of other"), batch(6, "i2", "more of other", NUMBER)]
    assert other.apply(STREAM, news, 0, Position(6, "n")) == ["written", "written"]
    assert words(file.db) == [
        ("home", "of home"),
        ("other", "of other"),
        ("other", "more of other"),
    ]
    home_id, reason = file.db.execute(
        "SELECT id, reason FROM conversation WHERE room = 'home'"
    ).fetchone()
    assert reason == LOST
    for table in ("session", "usage"):
        assert file.db.execute(f"SELECT conversation FROM {table}").fetchall() == [(home_id,)]
    late = [batch(7, "i3", "late words of home", NUMBER)]
    assert home.apply(STREAM, late, 5, Position(7, "o")) == ["deleted"]
    assert home.apply(STREAM, late, 5, Position(7, "o")) == ["deleted"], "known, and not in it"
    ended = Batch(Message("w", 9, 1, conversation=NUMBER), 8, 8, NUMBER, (ClosedRecord(9, "left"),))
    home.apply(STREAM, [ended, Tombstone("home", NUMBER, 9)], 7, Position(9, "p"))
    assert len(words(file.db)) == 3 and "late" not in str(words(file.db))
    open_ones = "SELECT room FROM conversation WHERE ended_ms IS NULL"
    assert file.db.execute(open_ones).fetchall() == [("other",)]


def test_a_position_is_of_one_message_and_is_set_back_once(file: Writer) -> None:
    filling = Filling(file, "home", "a")
    known = Position(5, "m")
    filling.apply(STREAM, [batch(5, "i1", "lost")], 0, known)
    assert filling.position(STREAM) == known
    filling.set_back(STREAM, Position(5, "another"))
    assert filling.position(STREAM) == known, "somebody has read it again"
    filling.set_back(STREAM, known)
    assert filling.position(STREAM) == Position()
    reasons = "SELECT id, reason FROM conversation ORDER BY id"
    assert file.db.execute(reasons).fetchall() == [(NUMBER, LOST)]
    filling.apply(STREAM, [batch(4, "i2", "new"), batch(5, "i3", "x", 99)], 0, Position(5, "n"))
    assert file.db.execute(reasons).fetchall()[1:] == [
        (STREAM.conversation(4), ""),
        (NUMBER, LOST),
    ]
    filling.apply(STREAM, [batch(6, "i4", "it is there", NUMBER)], 5, Position(6, "o"))
    assert file.db.execute(reasons).fetchall()[-1] == (NUMBER, "")


def test_a_position_without_a_mark_is_read(file: Writer) -> None:
    value = f"{STREAM.created_s} {STREAM.partition} 5"
    file.db.execute("INSERT INTO mark VALUES ('stream of home', ?)", (value,))
    assert Filling(file, "home", "a").position(STREAM) == Position(5)


def test_what_is_deleted_is_read_again_where_the_stream_lost_its_end(file: Writer) -> None:
    Filling(file, "home", "a").apply(STREAM, [batch(5, "i1", "words")], 0, Position(5, "m"))
    graveyard = Graveyard(file, STREAM)
    graveyard.bury([], Position(9, "m"))
    assert graveyard.position() == Position(9, "m")
    graveyard.set_back(Position(9, "m"))
    assert graveyard.position() == Position()
    assert graveyard.bury([Tombstone("home", NUMBER)], Position(7, "n")) == 1
    assert graveyard.position() == Position(7, "n") and words(file.db) == [("home", "")]
