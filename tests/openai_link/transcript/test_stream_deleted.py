"""A conversation that is deleted while its room goes on, on another node: its words stay away, and
none of those to come is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mixer_core.journal.file import journal_path
from mixer_core.journal.records import ClosedRecord, ForgottenRecord, ItemRecord, Record
from mixer_core.runtime.errors import JournalError

from .journal_writer import item, usage
from .stream_world import NOW_MS, Process, Stream, on

LATE = ItemRecord(replace(item(1).item, text="what was said before, now whole"))
LONG = ItemRecord(replace(item(5).item, text="x" * 3_000))


@pytest.fixture
def folders(tmp_path: Path) -> Callable[[str], Path]:
    return lambda node: journal_path(tmp_path / node)


def said(path: Path) -> list[str]:
    """The items whose words a file has, in order."""
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT item FROM item WHERE text != '' ORDER BY conversation, position"
        return [str(row[0]) for row in db.execute(sql)]


def costs(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [str(row[0]) for row in db.execute("SELECT key FROM usage ORDER BY key")]


def fill(stream: Stream, path: Path) -> None:
    """As signaling of a node does."""
    process = Process(on(stream), path, "observer", 0)
    process.journal.catch_up(0)
    process.end()


@pytest.mark.parametrize("is_known", [True, False], ids=["the file knows it", "nobody knows it"])
@pytest.mark.parametrize("owners", [1, 2])
def test_late_words_of_a_deleted_conversation_stay_away_and_new_ones_are_kept(
    folders: Callable[[str], Path], owners: int, is_known: bool
) -> None:
    stream = Stream(payload=2_048)
    for epoch in range(1, owners + 1):  # The second one's claim stays where the words go.
        process = Process(on(stream), folders("a"), "a", epoch)
        process.recover()
        process.write(item(10 * epoch), item(1))
        if epoch < owners:
            process.end()
    assert process.owner.conversation is not None
    stream.delete(process.owner.conversation)
    if is_known:
        fill(stream, folders("a"))
    process.write(LATE, item(3), usage(3))
    process.write(LATE)
    process.write(LONG, LATE, item(4))
    process.end()
    fill(stream, folders("b"))
    for node in "ab":
        assert sorted(said(folders(node))) == ["i3", "i4", "i5"], node
        assert costs(folders(node)) == ["r3"], node


@pytest.mark.parametrize("end", [ClosedRecord(NOW_MS, "empty"), ForgottenRecord(NOW_MS)])
def test_the_end_of_a_deleted_conversation_is_no_end_of_the_next_one(
    folders: Callable[[str], Path], end: Record
) -> None:
    stream = Stream()
    process = Process(on(stream), folders("a"), "a", 1)
    process.recover()
    process.write(item(1))
    assert process.owner.conversation is not None
    stream.delete(process.owner.conversation)
    process.write(end, item(2))
    process.end()
    fill(stream, folders("b"))
    assert said(folders("a")) == said(folders("b")) == ["i2"]


def test_what_was_written_before_its_conversation_was_deleted_is_not_written_again(
    folders: Callable[[str], Path],
) -> None:
    """Signaling fills the same file, and may be faster than who has sent the words."""
    stream, before = Stream(), [True]
    conversation: list[int] = []

    def delete(what: str) -> None:
        if what == "after publish" and conversation and before:
            before.clear()
            fill(stream, folders("a"))
            stream.delete(conversation[0])
            fill(stream, folders("a"))

    process = Process(on(stream), folders("a"), "a", 1, delete)
    process.recover()
    process.write(item(1))
    assert process.owner.conversation is not None
    conversation.append(process.owner.conversation)
    process.write(item(2), usage(2))
    process.write(item(3), usage(3))
    process.end()
    fill(stream, folders("b"))
    assert said(folders("a")) == said(folders("b")) == ["i3"]
    assert costs(folders("a")) == ["r2", "r3"] and not before


def test_words_that_signaling_has_found_deleted_begin_another_conversation(
    folders: Callable[[str], Path],
) -> None:
    """It fills the file with them before who has sent them does."""
    stream = Stream()

    def look(what: str) -> None:
        if what == "after publish" and is_deleted:
            fill(stream, folders("a"))

    is_deleted = False
    process = Process(on(stream), folders("a"), "a", 1, look)
    process.recover()
    process.write(item(1))
    assert process.owner.conversation is not None
    stream.bury(process.owner.conversation)
    is_deleted = True
    process.write(item(2), usage(2))
    process.write(item(3))
    process.end()
    fill(stream, folders("b"))
    assert said(folders("a")) == said(folders("b")) == ["i2", "i3"]
    assert costs(folders("a")) == ["r2"]


@pytest.mark.parametrize("looks_at_ids_last", [True, False])
def test_an_answer_that_is_lost_with_its_message_does_not_swallow_what_comes_next(
    folders: Callable[[str], Path], looks_at_ids_last: bool
) -> None:
    """The stream remembers the ids of messages that were taken out."""
    stream = Stream(looks_at_ids_last=looks_at_ids_last)
    process = Process(on(stream), folders("a"), "a", 1)
    process.recover()
    process.write(item(1))
    assert process.owner.conversation is not None
    stream.loses = 1
    with pytest.raises(JournalError):
        process.write(item(2), LATE)
    stream.delete(process.owner.conversation)
    process.journal.write([item(2), LATE, item(3)], NOW_MS)
    process.end()
    fill(stream, folders("b"))
    # What it is told to have is what was taken out; what it refuses is written anew.
    kept = ["i2", "i3"] if looks_at_ids_last else ["i3"]
    assert said(folders("a")) == said(folders("b")) == kept
