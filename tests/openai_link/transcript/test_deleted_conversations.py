"""A conversation that is deleted while its link writes: what is late does not bring it back."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mixer_core.journal import conversations, deletion, reading
from mixer_core.journal.records import ClosedRecord, ForgottenRecord, ItemRecord
from openai_link.transcript.journal_store import JournalStore

from .journal_writer import item, usage

NOW_MS = 1 << 41


def late(number: int) -> ItemRecord:
    """Words of an item that come after it."""
    return ItemRecord(replace(item(number).item, text="late words", final=True))


def rooms_words(path: Path) -> list[str]:
    found = reading.transcript(path, "home", 100, None)
    return [] if found is None else [entry.item for entry in found.items]


def test_the_link_deletes_its_own_conversation_and_begins_another(short_dir: Path) -> None:
    path = short_dir / "j"
    store = JournalStore(path, "home")
    store.write([item(1), usage(1), item(2)], NOW_MS)
    store.write([ForgottenRecord(NOW_MS)], NOW_MS)
    assert store.conversation is None and rooms_words(path) == []
    store.write([late(2), item(3)], NOW_MS)
    assert rooms_words(path) == ["i3"]
    assert [one.id for one in conversations.listed(path, "home", 9)] == [2]
    store.close()
    assert deletion.scrub(path)
    raw = path.read_bytes()
    assert b"word 1" not in raw and b"late words" not in raw
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT cost_usd, shares FROM usage").fetchall() == [(0.01, "[]")]


def test_what_another_process_deletes_does_not_come_back_with_what_is_late(short_dir: Path) -> None:
    path = short_dir / "j"
    store = JournalStore(path, "home")
    store.write([item(1), item(2)], NOW_MS)
    assert store.conversation is not None
    assert deletion.delete(path, "home", store.conversation, NOW_MS)
    store.write([late(2), item(3)], NOW_MS)
    store.write([late(1), late(3)], NOW_MS)
    assert rooms_words(path) == ["i3"]
    assert JournalStore(path, "home").recover(0) == [late(3).item]


def test_a_deleted_conversation_is_not_recovered(short_dir: Path) -> None:
    path = short_dir / "j"
    store = JournalStore(path, "home")
    store.write([ForgottenRecord(NOW_MS)], NOW_MS)
    store.write([item(1), ForgottenRecord(NOW_MS)], NOW_MS)
    assert JournalStore(path, "home").recover(0) == []
    store.write([ClosedRecord(NOW_MS, "empty")], NOW_MS)
    assert rooms_words(path) == []


@pytest.mark.parametrize("seed", range(40))
def test_rows_that_grew_and_moved_leave_no_word_in_any_file(short_dir: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = short_dir / "j"
    store = JournalStore(path, "home")
    for number in range(60):
        words = "secret " * chance.randrange(chance.choice([3, 10, 60, 300]))
        grown = replace(item(chance.randrange(1, 12)).item, text=words)
        store.write([ItemRecord(grown), usage(number)], NOW_MS)
    assert store.conversation is not None
    assert deletion.delete(path, "home", store.conversation, NOW_MS)
    assert deletion.scrub(path)
    store.write([item(99)], NOW_MS)
    assert [file.name for file in short_dir.iterdir() if b"secret" in file.read_bytes()] == []
    store.close()
