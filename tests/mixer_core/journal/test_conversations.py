"""Conversations one by one: the list, one of them, the search, and what deleting leaves."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mixer_core.journal import conversations, deletion, file, reading
from mixer_core.journal.file import open_writer
from mixer_core.journal.reading import ITEM_COLUMNS
from mixer_core.journal.records import HistoryItem

SECRET = "Geheimnis-Zimtschnecke"
HELLO = HistoryItem("u1", 10, "message", "user", "p-1", "Änne", "Wo ist der Schlüssel?", 1_000)
ANSWER = HistoryItem("a1", 20, "message", "assistant", text="Unter der Matte.", wall_ms=2_000)
LAMP = HistoryItem(
    "t1", 30, "tool", "assistant", tool="set_light", arguments='{"to": 50}', output="ok", ok=True
)


def fill(path: Path, room: str, items: Sequence[HistoryItem], ended_ms: int | None = 9_000) -> int:
    """Write a conversation by SQL, as this layer may not know the link's writer."""
    with closing(open_writer(path).db) as db:
        cursor = db.execute(
            "INSERT INTO conversation (room, began_ms, touched_ms, ended_ms) VALUES (?, 1, 1, ?)",
            (room, ended_ms),
        )
        marks = ", ".join("?" * len(ITEM_COLUMNS.split(", ")))
        for item in items:
            values = [getattr(item, name) for name in ITEM_COLUMNS.split(", ")]
            db.execute(
                f"INSERT INTO item (conversation, revision, {ITEM_COLUMNS}) VALUES (?, "
                f"(SELECT ifnull(max(revision), 0) + 1 FROM item), {marks})",
                (cursor.lastrowid, *values),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


def test_the_list_has_what_was_said_in_the_room_newest_first(path: Path) -> None:
    first = fill(path, "home", [HELLO, ANSWER, LAMP])
    fill(path, "attic", [HELLO])
    fill(path, "home", [])
    last = fill(path, "home", [ANSWER], ended_ms=None)
    newest, oldest = conversations.listed(path, "home", 50)
    assert (newest.id, newest.entries, newest.ended_ms) == (last, 1, None)
    assert newest.begins_with == "Unter der Matte."
    assert (oldest.id, oldest.entries, oldest.people) == (first, 3, ("Änne",))
    assert oldest.begins_with == "Wo ist der Schlüssel?"
    assert [one.id for one in conversations.listed(path, "home", 50, before=last)] == [first]
    assert [one.id for one in conversations.listed(path, "home", 1)] == [last]
    assert conversations.newest(path, "home") == last
    assert conversations.running(path, "home") == last
    assert conversations.running(path, "attic") is None


def test_who_speaks_at_once_with_somebody_is_listed_once(path: Path) -> None:
    names = ("Änne", "Änne, Ben", "Ben, Änne", "Cem")
    fill(path, "home", [replace(HELLO, item=f"u{n}", position=n, name=names[n]) for n in range(4)])
    assert conversations.listed(path, "home", 1)[0].people == ("Änne", "Ben", "Cem")


def test_one_conversation_is_of_its_room_only_and_bounded(path: Path) -> None:
    number = fill(path, "home", [HELLO, ANSWER, LAMP])
    found = conversations.conversation(path, "home", number)
    assert found is not None and found.is_whole
    assert [item.item for item in found.items] == ["u1", "a1", "t1"]
    newest = conversations.conversation(path, "home", number, limit=2)
    assert newest is not None and not newest.is_whole
    assert [item.item for item in newest.items] == ["a1", "t1"]
    assert conversations.conversation(path, "attic", number) is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("schlüssel", ["u1"]),
        ("SCHLÜSSEL wo", ["u1"]),
        ("änne", ["u1"]),
        ("der", ["a1", "u1"]),
        ("light 50", ["t1"]),
        ("schlüssel matte", []),
        ("50%", []),
        ("set_light", ["t1"]),
        ("setxlight", []),
        ("\\", []),
        ("' OR 1=1 --", []),
        ("   ", []),
    ],
)
def test_a_search_finds_all_words_in_any_case_and_nothing_is_a_pattern(
    path: Path, query: str, found: list[str]
) -> None:
    fill(path, "home", [HELLO, ANSWER, LAMP])
    fill(path, "attic", [HELLO])
    hits = conversations.search(path, "home", query, 10)
    assert [hit.item.item for hit in hits.hits] == found
    assert hits.is_complete


@pytest.mark.parametrize("text", ["İSTANBUL", "istanbu\u0301l", "Ça va à l'école?", "100 % Öl_\\"])
def test_whatever_was_said_is_found_by_its_own_words(path: Path, text: str) -> None:
    fill(path, "home", [replace(HELLO, text=text)])
    for query in (text, text.lower(), unicodedata.normalize("NFC", text), *text.split()):
        assert conversations.search(path, "home", query, 10).hits, query


def test_a_search_says_when_there_is_more_and_shows_what_stands_around(path: Path) -> None:
    long = replace(HELLO, item="long", text=f"{'bla ' * 200}Nadel{' heu' * 200}")
    fill(path, "home", [long])
    fill(path, "home", [replace(HELLO, text="Nadel")])
    hits = conversations.search(path, "home", "nadel", 1)
    assert [hit.item.item for hit in hits.hits] == ["u1"] and not hits.is_complete
    _, older = conversations.search(path, "home", "nadel", 2).hits
    assert "Nadel" in older.snippet and len(older.snippet) < 180
    assert older.snippet.startswith("… ") and older.snippet.endswith(" …")


def test_a_search_ends_in_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [replace(HELLO, item=f"u{n}", position=n) for n in range(200)]
    fill(path, "home", many)
    monkeypatch.setattr(conversations, "SEARCH_S", 0.0)
    monkeypatch.setattr(conversations, "PROGRESS_STEPS", 1)
    assert not conversations.search(path, "home", "schlüssel", 10).is_complete


def test_what_is_deleted_is_in_none_of_the_files_any_more(path: Path) -> None:
    """Long words, on pages of their own, and short ones; in the log of a writer that is open."""
    said = [
        replace(HELLO, item=f"u{n}", position=n, text=f"{SECRET} {'x' * (n * 900)}", name=SECRET)
        for n in range(12)
    ]
    kept = fill(path, "home", [ANSWER])
    other = open_writer(path)  # A link of another room keeps the log alive.
    number = fill(path, "home", [*said, replace(LAMP, output=SECRET)])
    usage = "INSERT INTO usage VALUES (?, 'response', 'r', 'm', 1, 'day', 0,0,0,0,0,0,0,0,0.0, 0.5"
    other.db.execute(f"{usage}, ?, '')", (number, f'[["p-1", "{SECRET}", 1.0]]'))
    files = [path, path.with_name(f"{path.name}-wal")]
    assert any(SECRET.encode() in one.read_bytes() for one in files)
    cursor = reading.transcript(path, "home", 1, None)
    assert deletion.delete(path, "home", number, 5_000)
    assert deletion.scrub(path)
    assert not any(SECRET.encode() in one.read_bytes() for one in files)
    assert [one.id for one in conversations.listed(path, "home", 9)] == [kept]
    assert not conversations.search(path, "home", SECRET, 9).hits
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT sum(cost_usd), max(shares) FROM usage").fetchone() == (0.5, "[]")
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert cursor is not None
    since = reading.transcript(path, "home", 100, cursor.cursor)
    assert since is not None and not since.items
    assert sorted(since.removed) == sorted([*(item.item for item in said), "t1"])
    other.close()


def test_a_file_in_use_is_scrubbed_once_it_is_free(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody reads an older state, its pages stay; the file knows that they are to go."""
    monkeypatch.setattr(file, "BUSY_TIMEOUT_S", 0.05)
    number = fill(path, "home", [replace(HELLO, text=SECRET)])
    fill(path, "attic", [ANSWER])
    due = "SELECT count(*) FROM mark WHERE name = 'words left'"
    writer = open_writer(path)  # Keeps the log alive.
    files = [path, path.with_name(f"{path.name}-wal")]
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM item").fetchall()
        assert deletion.delete(path, "home", number, 5_000)
        assert not conversations.search(path, "home", SECRET, 9).hits
        assert not deletion.scrub(path)
        assert any(SECRET.encode() in one.read_bytes() for one in files)
    assert writer.db.execute(due).fetchone() == (1,)
    assert deletion.scrub(path)
    assert not any(SECRET.encode() in one.read_bytes() for one in files)
    assert writer.db.execute(due).fetchone() == (0,)
    writer.close()


def test_without_a_journal_there_is_nothing_to_scrub(tmp_path: Path) -> None:
    assert deletion.scrub(tmp_path / "j")
    assert not (tmp_path / "j").exists()


def test_deleting_is_of_one_room_and_may_be_done_twice(path: Path) -> None:
    number = fill(path, "home", [HELLO])
    assert not deletion.delete(path, "attic", number, 5_000)
    assert not deletion.delete(path, "home", number + 1, 5_000)
    assert len(conversations.listed(path, "home", 9)) == 1
    assert deletion.delete(path, "home", number, 5_000)
    assert deletion.delete(path, "home", number, 5_000)
    assert not conversations.listed(path, "home", 9)


def test_a_transcript_is_bounded_in_words_and_its_cursor_misses_none(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_CHARS", 250)
    said = [replace(HELLO, item=f"i{n}", position=n, text="x" * 100) for n in range(6)]
    fill(path, "home", said)
    found = reading.transcript(path, "home", 1_000, None)
    assert found is not None and [one.item for one in found.items] == ["i4", "i5"]
    after, seen = 0, list[str]()
    for _ in said:
        found = reading.transcript(path, "home", 1_000, after)
        assert found is not None and len(found.items) <= 2
        after = found.cursor
        seen += [one.item for one in found.items]
    assert seen == [one.item for one in said]
    monkeypatch.setattr(reading, "MAX_CHARS", 50)
    found = reading.transcript(path, "home", 1_000, None)
    assert found is not None and [one.item for one in found.items] == ["i5"], "one at least"
