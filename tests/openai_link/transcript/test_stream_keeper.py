"""The journal of a clustered room: nothing lost, nothing twice, one owner, whatever dies when."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mixer_core.journal.deletion import DELETED
from mixer_core.journal.file import journal_path
from mixer_core.journal.records import (
    ClosedRecord,
    ForgottenRecord,
    HistoryItem,
    ItemRecord,
    Record,
    RemovedRecord,
)
from mixer_core.journal.retention import DAY_MS
from mixer_core.journal.stream_batch import Reader, StreamId
from mixer_core.runtime.errors import JournalError, StaleJournalError
from openai_link.transcript.journal_store import INTERRUPTED, JournalStore

from .journal_writer import item, usage
from .stream_world import NOW_MS, Killed, Process, Stream, on


@pytest.fixture
def folders(memory_dir: Path) -> Callable[[str], Path]:
    return lambda node: journal_path(memory_dir / node)


@pytest.fixture
def memory_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory: what the disk does is the subject of other tests."""
    import shutil
    import tempfile

    path = Path(tempfile.mkdtemp(prefix="mm-", dir="/dev/shm"))
    yield path
    shutil.rmtree(path)


TOOL = ItemRecord(replace(item(90).item, kind="tool", call="c1", tool="look", ok=None))
LONG = ItemRecord(replace(item(1).item, item="i1b", text="x" * 3_000))
WRITES: tuple[tuple[Record, ...], ...] = (
    (item(1), usage(1)),
    (LONG,),
    (item(2), ClosedRecord(NOW_MS, "empty"), item(3), usage(3)),
    (TOOL,),
)
"""Two conversations: one message, some pieces, the end of one and the beginning of the next."""


def small() -> Stream:
    """A stream that takes a kilobyte of records at once."""
    return Stream(payload=2_048)


Row = tuple[object, ...]


def rows(path: Path) -> dict[str, list[Row]]:
    """What the file has, without revisions."""
    with closing(sqlite3.connect(path)) as db:
        return {
            "conversation": db.execute(
                "SELECT id, room, ended_ms IS NULL, reason = ? FROM conversation ORDER BY id",
                (DELETED,),
            ).fetchall(),
            "item": db.execute(
                "SELECT conversation, item, length(text), output, ok, removed FROM item "
                "ORDER BY conversation, position, item"
            ).fetchall(),
            "usage": db.execute(
                "SELECT conversation, key, cost_usd FROM usage ORDER BY conversation, key"
            ).fetchall(),
        }


def observed(stream: Stream, path: Path) -> dict[str, list[Row]]:
    """What a node has that was never an owner, and fills its file now."""
    process = Process(on(stream), path, "observer", 0)
    process.journal.catch_up(0)
    process.end()
    return rows(path)


def run(process: Process) -> None:
    """All that a process does."""
    process.recover()
    for records in WRITES:
        process.write(*records)


@dataclass
class At:
    """Does something at the n-th point."""

    number: int
    do: Callable[[], None]
    seen: int = 0
    name: str = ""

    def __call__(self, what: str) -> None:
        if self.seen == self.number:
            self.name = what
            self.seen += 1  # Not again for points in ``do``.
            self.do()
            return
        self.seen += 1


def points() -> int:
    """How many points there are in the life of a process."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="mm-", dir="/dev/shm") as folder:
        at = At(-1, lambda: None)
        process = Process(on(small()), journal_path(Path(folder)), "a", 1, at)
        run(process)
        process.end()
        return at.seen


POINTS = points()


def words(found: dict[str, list[Row]]) -> list[object]:
    return [row[1] for row in found["item"]]


def check(stream: Stream, safe: list[Record], one: dict[str, list[Row]], other: Path) -> None:
    """Whatever was acknowledged is there once, and the same on every node."""
    assert observed(stream, other) == one
    names = words(one)
    assert len(names) == len(set(names)), names
    said = [record.item.item for record in safe if isinstance(record, ItemRecord)]
    assert set(said) <= set(names), (said, names)
    keys = [row[1] for row in one["usage"]]
    assert len(keys) == len(set(keys))


def test_the_table_of_points_has_all_of_them() -> None:
    assert POINTS > 60, "before and after each request and each use of the file"


@pytest.mark.parametrize("is_same_machine", [True, False])
@pytest.mark.parametrize("number", range(POINTS))
def test_an_owner_dies_anywhere_and_the_next_one_goes_on(
    number: int, is_same_machine: bool, folders: Callable[[str], Path]
) -> None:
    stream = small()

    def die() -> None:
        raise Killed

    first = Process(on(stream), folders("a"), "a", 1, At(number, die))
    with pytest.raises(Killed):
        run(first)
    first.keeper.point = lambda what: None
    first.keeper.close()

    node = "a" if is_same_machine else "b"
    second = Process(on(stream), folders(node), node, 2)
    recovered = second.recover()
    second.write(item(70), usage(70))
    second.end()

    found = rows(folders(node))
    check(stream, [*first.safe, *second.safe], found, folders("c"))
    expected = ["i1", "i1b", "i2", "i3", "i90"]
    assert [name for name in words(found) if name != "i70"] == expected[: len(words(found)) - 1]
    for row in found["item"]:
        if row[1] == "i90":
            assert (row[3], row[4]) == (INTERRUPTED, 0), "nobody knows how far the tool came"
    open_ones = [row[0] for row in found["conversation"] if row[2]]
    assert open_ones == [row[0] for row in found["item"] if row[1] == "i70"]
    assert set(recovered) <= set(words(found))


@pytest.mark.parametrize("number", range(POINTS))
def test_an_owner_freezes_anywhere_and_is_refused_when_it_goes_on(
    number: int, folders: Callable[[str], Path]
) -> None:
    stream = small()
    second = Process(on(stream), folders("b"), "b", 2)

    def take_over() -> None:
        second.recover()
        second.write(item(70))

    at = At(number, take_over)
    first = Process(on(stream), folders("a"), "a", 1, at)
    try:
        run(first)
    except StaleJournalError as error:
        assert "another one does" in error.words
    else:
        assert number >= POINTS - 12, "only a write that is acknowledged already ends well"
    with pytest.raises(StaleJournalError):
        first.write(item(71))
    second.write(item(72))
    first.end()
    second.end()
    check(stream, [*first.safe, *second.safe], rows(folders("b")), folders("c"))
    assert "i71" not in words(rows(folders("b")))


@pytest.mark.parametrize("lost", range(1, 4))
def test_a_lost_acknowledgement_is_asked_for_again(
    lost: int, folders: Callable[[str], Path]
) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    written = [*(record for records in WRITES for record in records)]
    done = 0
    stream.loses = lost
    for _ in range(lost):
        with pytest.raises(JournalError, match="NATS does not answer") as raised:
            first.write(*written[done:])
        done += raised.value.written
        if lost == 2:
            stream.idents.clear()  # It was longer than two minutes ago.
    first.write(*written[done:])
    first.end()
    assert words(rows(folders("a"))) == ["i1", "i1b", "i2", "i3", "i90"]
    check(stream, first.safe, rows(folders("a")), folders("c"))


def test_what_could_not_be_sent_goes_out_later_with_what_was_said_since(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    stream.is_away = True
    with pytest.raises(JournalError, match="NATS does not answer") as raised:
        first.write(item(1))
    assert raised.value.written == 0
    stream.is_away = False
    first.write(item(1), item(2))
    first.end()
    assert words(observed(stream, folders("b"))) == ["i1", "i2"]


CALLED = ItemRecord(HistoryItem("i5", 5, "tool", "assistant", tool="lights", call="c1"))
ANSWERED = ItemRecord(replace(CALLED.item, output="on", ok=True, final=True))


def outcome(found: dict[str, list[Row]]) -> tuple[object, ...]:
    """Output of ``CALLED``, and whether it succeeded."""
    (row,) = [row for row in found["item"] if row[1] == CALLED.item.item]
    return row[3:5]


def begun(stream: Stream, path: Path) -> Process:
    """Of node a, which has the room first: one item of its conversation is written."""
    process = Process(on(stream), path, "a", 1)
    process.recover()
    process.write(item(1))
    return process


def test_a_room_begins_without_the_stream_and_claims_it_later(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    begun(stream, folders("a")).end()
    stream.is_away = True
    again = Process(on(stream), folders("a"), "a", 1)
    items, changes = again.journal.recover(0)
    assert [one.item for one in items] == ["i1"], "its own file knows the conversation"
    stream.is_away = False
    again.write(*changes, item(2))
    again.end()
    found = observed(stream, folders("b"))
    assert words(found) == ["i1", "i2"]
    assert len(found["conversation"]) == 1


def test_a_room_waits_for_its_log_while_the_servers_elect_a_leader(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    begun(stream, folders("a"))
    stream.is_away, stream.pauses = True, 3
    second = Process(on(stream), folders("b"), "b", 2)
    assert second.recover() == ["i1"]


def test_a_room_that_began_without_its_log_goes_on_with_the_conversation_in_it(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    begun(stream, folders("a"))
    stream.is_away = True
    second = Process(on(stream), folders("b"), "b", 2)
    assert second.recover() == [], "its own file knows nothing of the room"
    stream.is_away = False
    second.write(item(2))
    found = observed(stream, folders("c"))
    assert words(found) == ["i1", "i2"]
    assert len(found["conversation"]) == 1
    assert rows(folders("b"))["conversation"] == found["conversation"]


def test_what_the_owner_before_has_finished_stays_where_the_own_file_knows_it_as_open(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    first = begun(stream, folders("a"))
    first.write(CALLED)
    second = Process(on(stream), folders("b"), "b", 2)
    second.journal.catch_up(0)
    first.write(ANSWERED)
    stream.is_away = True
    items, changes = second.journal.recover(0)
    assert [one.item for one in items] == ["i1", "i5"]
    stream.is_away = False
    second.write(*changes, item(6))
    found = observed(stream, folders("c"))
    assert outcome(found) == ("on", 1)


def test_what_the_owner_before_had_left_open_is_ended_where_its_log_is_read_late(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    begun(stream, folders("a")).write(CALLED)
    stream.is_away = True
    second = Process(on(stream), folders("b"), "b", 2)
    second.recover()
    stream.is_away = False
    second.write(item(6), item(7))
    found = observed(stream, folders("c"))
    assert words(found) == ["i1", "i5", "i6", "i7"]
    assert outcome(found) == (INTERRUPTED, 0)


def test_what_the_owner_before_ends_itself_before_its_log_is_claimed_stays_as_it_is(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    first = begun(stream, folders("a"))
    first.write(CALLED)
    late = [lambda: first.write(ANSWERED)]

    def claims(what: str) -> None:
        if what == "before publish" and late:
            late.pop()()

    stream.is_away = True
    second = Process(on(stream), folders("b"), "b", 2, claims)
    second.recover()
    stream.is_away = False
    second.write(item(6))
    found = observed(stream, folders("c"))
    assert not late and words(found) == ["i1", "i5", "i6"]
    assert outcome(found) == ("on", 1)


@pytest.mark.parametrize("end", [ClosedRecord(NOW_MS), ForgottenRecord(NOW_MS)])
def test_a_room_that_began_without_its_log_leaves_what_has_ended(
    end: ClosedRecord | ForgottenRecord, folders: Callable[[str], Path]
) -> None:
    stream = small()
    begun(stream, folders("a")).write(end)
    stream.is_away = True
    second = Process(on(stream), folders("b"), "b", 2)
    second.recover()
    stream.is_away = False
    second.write(item(2))
    assert len(observed(stream, folders("c"))["conversation"]) == 2


def test_a_room_that_has_gone_to_another_epoch_is_not_claimed(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    Process(on(stream), folders("b"), "b", 7).recover()
    late = Process(on(stream), folders("a"), "a", 6)
    with pytest.raises(StaleJournalError, match="epoch 7"):
        late.recover()


def test_who_fills_late_does_not_bring_back_what_was_before(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    first.write(item(1))
    late = [*stream.kept.values()]
    first.write(RemovedRecord("i1"), ClosedRecord(NOW_MS))
    first.end()
    ident = StreamId(stream.created_s)
    reader = Reader(ident)
    entries = [batch for kept in late if (batch := reader.add(kept.seq, kept.data)) is not None]
    store = JournalStore(folders("a"), "home")
    assert store.fill("a", ident, entries, 0, reader.known) == ["known", "known"]
    store.close()
    assert [row[5] for row in rows(folders("a"))["item"]] == [1]


def test_the_file_may_fail_while_the_stream_works(folders: Callable[[str], Path]) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    first.write(item(1))
    first.keeper.close()
    folders("a").parent.chmod(0o500)
    folders("a").chmod(0)
    try:
        first.write(item(2))
    finally:
        folders("a").parent.chmod(0o700)
        folders("a").chmod(0o600)
    assert first.troubles == [], "the words are safe"
    first.write(item(3))
    assert words(rows(folders("a"))) == ["i1", "i2", "i3"]
    first.end()


def test_a_file_that_is_taken_away_is_filled_from_the_stream(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    run(first)
    for file in folders("a").parent.iterdir():
        file.unlink()
    first.write(item(80))
    first.end()
    found = rows(folders("a"))
    assert words(found) == ["i1", "i1b", "i2", "i3", "i80", "i90"]
    check(stream, first.safe, found, folders("b"))


def test_messages_that_were_too_old_fence_nobody(folders: Callable[[str], Path]) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    first.write(item(1))
    stream.kept.clear()
    first.write(item(2))
    first.end()
    assert words(rows(folders("a"))) == ["i1", "i2"]
    assert words(observed(stream, folders("b"))) == ["i2"]


SENT = 8
"""Messages of ``run``: a claim, the first, a long one in pieces, an end, two more."""


@pytest.mark.parametrize("is_same_owner", [True, False])
@pytest.mark.parametrize("left", range(1, SENT + 1))
def test_what_is_said_after_the_stream_lost_its_end_is_in_every_file(
    left: int, is_same_owner: bool, folders: Callable[[str], Path]
) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    run(first)
    assert stream.last_seq >= SENT
    observed(stream, folders("b"))
    stream.lose_after(left)
    owner = first if is_same_owner else Process(on(stream), folders("a"), "a", 2)
    if not is_same_owner:
        first.end()
        owner.recover()
    fresh = [item(80), item(81), item(82), item(83), item(84)]
    for number, record in enumerate(fresh, 1):
        owner.journal.write([record], NOW_MS + number)
    owner.end()
    names = ["i80", "i81", "i82", "i83", "i84"]
    for node in "ab":
        found = words(observed(stream, folders(node)))
        assert sorted(found) == sorted(["i1", "i1b", "i2", "i3", "i90", *names]), node
    check(stream, list(fresh), observed(stream, folders("c")), folders("d"))
    again = Process(on(stream), folders("a"), "a", 3)
    assert set(names) <= set(again.recover()), "the conversation that goes on is not a lost one"
    again.end()


@pytest.mark.parametrize("left", range(1, 6))
def test_records_that_the_stream_lost_half_are_sent_whole(
    left: int, folders: Callable[[str], Path]
) -> None:
    stream = small()

    def lose() -> None:
        stream.lose_after(left)

    at = At(-1, lose)
    first = Process(on(stream), folders("a"), "a", 1, at)
    first.recover()
    first.write(item(1))
    at.number, at.seen = 10, 0  # Before a piece in the middle is published.
    first.write(LONG)
    assert at.name == "before publish"
    first.write(item(2))
    first.end()
    assert ("i1b", 3_000) in [(row[1], row[2]) for row in observed(stream, folders("b"))["item"]]
    assert words(rows(folders("a"))) == ["i1", "i1b", "i2"]


def test_a_conversation_that_the_stream_lost_is_forgotten_all_the_same(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    first.write(item(1), ClosedRecord(NOW_MS), item(2))
    stream.lose_after(1)
    first.write(ForgottenRecord(NOW_MS), item(3))
    first.end()
    found = {row[1]: row[5] for row in rows(folders("a"))["item"]}
    assert found == {"i1": 0, "i2": 1, "i3": 0}


def test_a_stream_that_was_lost_is_another_one(folders: Callable[[str], Path]) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    first.write(item(1), ClosedRecord(NOW_MS))
    stream.kept.clear()
    stream.idents.clear()
    stream.last_seq, stream.created_s = 0, stream.created_s + 5
    first.write(item(2))
    first.end()
    found = rows(folders("a"))
    assert words(found) == ["i1", "i2"]
    assert words(observed(stream, folders("b"))) == ["i2"]
    assert found["item"][0][0] != found["item"][1][0]


def test_a_deleted_conversation_is_gone_on_every_node(folders: Callable[[str], Path]) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    first.write(item(1))
    observed(stream, folders("b"))
    first.write(ForgottenRecord(NOW_MS), item(2))
    first.end()
    for node in "abc":
        found = observed(stream, folders(node)) if node != "a" else rows(folders("a"))
        texts = [(row[1], row[2]) for row in found["item"] if not row[5]]
        assert texts == [("i2", item(2).item.text.__len__())], node


def test_what_is_written_to_a_deleted_conversation_begins_another_one(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    first.write(item(1))
    conversation = first.owner.conversation
    assert conversation is not None
    stream.bury(conversation)
    other = Process(on(stream), folders("a"), "a", 0)
    other.journal.catch_up(0)
    other.end()
    first.write(item(2), item(1))
    first.write(item(1), item(3))
    first.end()
    found = rows(folders("a"))
    assert [(row[1], row[5]) for row in found["item"]] == [("i1", 1), ("i2", 0), ("i3", 0)]
    check(stream, [item(2), item(3)], found, folders("b"))


def test_words_that_come_after_a_tombstone_are_not_kept(folders: Callable[[str], Path]) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    first.write(item(1))
    conversation = first.owner.conversation
    assert conversation is not None
    stream.bury(conversation)
    first.write(item(2))
    first.end()
    found = observed(stream, folders("b"))
    assert [row[2] for row in found["item"] if not row[5]] == []
    assert found["conversation"] == [(conversation, "home", 0, 1)]


def test_the_money_of_other_nodes_counts_for_the_room_and_not_for_the_day(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    first.write(usage(1), usage(2))
    first.end()
    second = Process(on(stream), folders("b"), "b", 2)
    second.recover()
    second.write(usage(3))
    second.end()
    store = JournalStore(folders("b"), "home")
    assert store.day_usd("2026-11-22") == pytest.approx(0.01)
    assert store.room_usd("2026-11-22") == pytest.approx(0.03)
    store.close()


def test_pruning_forgets_how_far_a_room_is_known_with_its_last_conversation(
    folders: Callable[[str], Path],
) -> None:
    stream = small()
    first = Process(on(stream), folders("a"), "a", 1)
    first.recover()
    first.write(item(1))
    first.end()
    store = JournalStore(folders("a"), "home")
    store.pruning.before((1 << 41) + DAY_MS, (1 << 41) + 9 * DAY_MS, None)
    with closing(sqlite3.connect(folders("a"))) as db:
        assert not db.execute("SELECT * FROM mark WHERE name LIKE 'stream%'").fetchall()
    store.close()
