"""The journal: what was announced is in the file, whatever dies; several writers; a bad disk."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mixer_core.journal import reading
from mixer_core.journal.file import journal_path, local_day, open_reader
from mixer_core.journal.records import (
    ClosedRecord,
    HistoryItem,
    ItemRecord,
    RemovedRecord,
    SessionRecord,
    Tokens,
    UsageRecord,
)
from mixer_core.journal.retention import DAY_MS
from mixer_core.runtime import logs
from mixer_core.runtime.errors import JournalError
from openai_link.transcript.journal import Journal
from openai_link.transcript.journal_queue import MAX_BATCH_RECORDS, MAX_WAITING_RECORDS
from openai_link.transcript.journal_store import JournalStore
from tests.support.gateway import ROOT
from tests.support.waiting import PATIENCE_S, until

from .journal_writer import item, usage

LOG = logs.get("openai_link")


def now_ms() -> int:
    return int(time.time() * 1000)


class Bench:
    """A journal and what it said."""

    def __init__(self, path: Path, room: str = "home", **options: bool) -> None:
        self.troubles: list[str] = []
        self.days: list[tuple[str, float]] = []
        self.safe: list[int] = []
        self.journal = Journal(
            path,
            room,
            LOG,
            self.troubles.append,
            lambda day, usd: self.days.append((day, usd)),
            **options,
        )

    def write(self, number: int) -> None:
        self.journal.write([item(number)], lambda: self.safe.append(number))


def kept(path: Path) -> int:
    """How many items the first conversation has; 0 while there is no journal."""
    with contextlib.suppress(JournalError):
        return len(reading.items_of(path, 1))
    return 0


def writer(path: Path, room: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.openai_link.transcript.journal_writer", str(path), room]
    return subprocess.Popen(
        [*command, str(count)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.processes
def test_what_was_announced_survives_a_kill_in_the_middle(short_dir: Path) -> None:
    path = short_dir / "state" / "journal.sqlite3"
    process = writer(path, "home", 0)
    assert process.stdout is not None
    announced = [int(process.stdout.readline()) for _ in range(60)]
    process.kill()
    rest, _ = process.communicate(timeout=PATIENCE_S)
    announced += [int(line) for line in rest.splitlines() if line.isdigit()][:-1]
    (conversation,) = reading.conversations(path, "home")
    kept = {known.item for known in reading.items_of(path, conversation.id)}
    assert kept >= {f"i{number}" for number in announced}
    assert conversation.ended_ms is None

    async def resume() -> list[HistoryItem]:
        bench = Bench(path)
        items = await bench.journal.recover(60)
        bench.write(10_000)
        await until(lambda: bench.safe, "it is not written")
        await bench.journal.close()
        return items

    assert {known.item for known in asyncio.run(resume())} == kept
    (again,) = reading.conversations(path, "home")
    assert again.id == conversation.id, "the conversation goes on"
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.processes
def test_several_rooms_write_at_once(short_dir: Path) -> None:
    path = short_dir / "state" / "journal.sqlite3"
    rooms = ["a", "b", "c", "d"]
    processes = [writer(path, room, 150) for room in rooms]
    for process in processes:
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0 and "trouble" not in out, (out, err)
        assert [int(line) for line in out.split()] == list(range(150))
    cursors = set()
    for room in rooms:
        transcript = reading.transcript(path, room, 1_000, None)
        assert transcript is not None
        assert [known.item for known in transcript.items] == [f"i{n}" for n in range(150)]
        cursors.add(transcript.cursor)
        spent, day = reading.spent(path, room, "2026-11-22")
        assert spent.cost_usd == pytest.approx(1.5) and spent.tokens.text_in == 150
        assert day.cost_usd == pytest.approx(6.0) and day.people == {"Ann": pytest.approx(6.0)}
    assert cursors == {600}


def test_files_are_private(short_dir: Path) -> None:
    path = journal_path(short_dir / "a" / "b")
    store = JournalStore(path, "home")
    store.write([item(1)], now_ms())
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    assert path.parent.stat().st_mode & 0o777 == 0o700
    store.close()


def test_announcements_come_in_order(short_dir: Path) -> None:
    async def run() -> Bench:
        bench = Bench(short_dir / "j")
        for number in range(300):
            bench.write(number)
        await until(lambda: len(bench.safe) == 300, "not all are announced")
        bench.journal.write([], lambda: bench.safe.append(-1))
        await until(lambda: bench.safe[-1] == -1, "an empty write is not answered")
        await bench.journal.close()
        return bench

    bench = asyncio.run(run())
    assert bench.safe[:300] == list(range(300))


def test_closing_writes_what_nobody_waits_for(short_dir: Path) -> None:
    async def run() -> None:
        bench = Bench(short_dir / "j")
        bench.journal.write([item(1)])
        await bench.journal.close()

    asyncio.run(run())
    transcript = reading.transcript(short_dir / "j", "home", 10, None)
    assert transcript is not None and len(transcript.items) == 1


def test_a_bad_disk_is_told_once_and_the_call_goes_on(short_dir: Path) -> None:
    folder = short_dir / "state"
    folder.write_text("this is no directory")

    async def run() -> Bench:
        bench = Bench(folder / "j")
        assert await bench.journal.recover(60) == []
        assert await bench.journal.day_total() == (local_day(now_ms()), 0.0)
        for number in range(3):
            bench.write(number)
        await until(lambda: len(bench.safe) == 3, "the call waits for the disk")
        folder.unlink()
        await until(lambda: kept(folder / "j") == 3, "it is not tried again")
        await bench.journal.close()
        return bench

    bench = asyncio.run(run())
    assert len(bench.troubles) == 1 and str(folder) not in bench.troubles[0]
    assert "its directory is none" in bench.troubles[0]
    assert bench.journal.dropped == 0


def test_a_file_of_another_program_is_left_alone_and_what_is_lost_is_told(short_dir: Path) -> None:
    with sqlite3.connect(short_dir / "j") as connection:
        connection.execute("CREATE TABLE recipe (name TEXT)")
    connection.close()
    before = (short_dir / "j").read_bytes()

    async def run() -> Bench:
        bench = Bench(short_dir / "j")
        bench.write(1)
        await until(lambda: bench.troubles and bench.safe, "nothing is told")
        most = MAX_WAITING_RECORDS + MAX_BATCH_RECORDS  # A batch is being tried, maybe.
        for number in range(most):
            bench.write(number)
        await until(lambda: len(bench.safe) == most + 1, "somebody waits forever")
        await until(lambda: bench.journal.dropped, "what was lost is not counted")
        await until(lambda: len(bench.troubles) == 2, "what was lost is not told")
        await bench.journal.close()
        return bench

    failing, lost = asyncio.run(run()).troubles
    assert "move it away" in failing and "\n" not in failing
    assert "is lost" in lost
    assert (short_dir / "j").read_bytes() == before


def test_what_cannot_be_written_is_left_out_by_itself(short_dir: Path) -> None:
    async def run() -> Bench:
        bench = Bench(short_dir / "j")
        bench.write(0)
        await until(lambda: bench.safe, "it is not written")
        half, huge = replace(item(1).item, text="\ud83d"), replace(item(3).item, wall_ms=1 << 70)
        bench.journal.write([ItemRecord(half)], lambda: bench.safe.append(1))
        bench.write(2)
        bench.journal.write([ItemRecord(huge)], lambda: bench.safe.append(3))
        bench.write(4)
        await until(lambda: len(bench.safe) == 5, "somebody waits forever")
        await bench.journal.close()
        return bench

    bench = asyncio.run(run())
    assert bench.safe == [0, 1, 2, 3, 4] and bench.journal.dropped == 2
    assert bench.troubles and all("cannot be written" in words for words in bench.troubles)
    kept = [known.item for known in reading.items_of(short_dir / "j", 1)]
    assert kept == ["i0", "i2", "i4"], "one conversation, and what can be written is"


def test_a_thread_that_dies_is_told_and_nobody_waits_for_ever(short_dir: Path) -> None:
    async def run() -> Bench:
        bench = Bench(None)  # type: ignore[arg-type]  # No error that it expects.
        async with asyncio.timeout(PATIENCE_S):
            assert await bench.journal.recover(60) == []
        await until(lambda: bench.troubles, "nobody is told")
        bench.write(1)
        await until(lambda: bench.safe, "somebody waits forever")
        async with asyncio.timeout(PATIENCE_S):
            assert await bench.journal.day_total() == (local_day(now_ms()), 0.0)
            await bench.journal.close()
        bench.write(2)
        await until(lambda: bench.safe == [1, 2], "a late write is not answered")
        return bench

    bench = asyncio.run(run())
    assert len(bench.troubles) == 1 and "not being kept" in bench.troubles[0]
    assert bench.journal.dropped == 2


def test_a_thread_that_dies_in_a_commit_answers_it(short_dir: Path) -> None:
    async def run() -> Bench:
        bench = Bench(short_dir / "j")
        broken = ItemRecord(None)  # type: ignore[arg-type]
        bench.journal.write([broken], lambda: bench.safe.append(1))
        bench.journal.write([item(2)])
        bench.write(3)
        await until(lambda: bench.safe == [1, 3], "somebody waits forever")
        await bench.journal.close()
        return bench

    bench = asyncio.run(run())
    assert len(bench.troubles) == 1 and bench.journal.dropped == 3


def test_a_newer_journal_is_left_alone(short_dir: Path) -> None:
    with sqlite3.connect(short_dir / "j") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalError, match="version 99"):
        JournalStore(short_dir / "j", "home")
    with pytest.raises(JournalError, match="version 99"):
        open_reader(short_dir / "j")
    with pytest.raises(JournalError, match="no journal"):
        open_reader(short_dir / "k")


def test_only_a_conversation_that_nobody_ended_goes_on(short_dir: Path) -> None:
    now = now_ms()
    store = JournalStore(short_dir / "j", "home")
    store.write([ClosedRecord(now)], now)
    assert store.recover(0) == [], "nothing was begun, nothing is ended"
    store.write([item(1), ClosedRecord(now, "empty")], now)
    assert JournalStore(short_dir / "j", "home").recover(0) == []
    store.write([item(2)], now)
    assert [i.item for i in JournalStore(short_dir / "j", "home").recover(now)] == ["i2"]
    assert JournalStore(short_dir / "j", "home").recover(now + 1) == [], "it is too old"
    assert JournalStore(short_dir / "j", "other").recover(0) == []
    JournalStore(short_dir / "j", "home").write([item(3)], now)
    newest, before, _ = reading.conversations(short_dir / "j", "home")
    assert (newest.ended_ms, before.reason) == (None, "its process ended")


def test_what_was_running_when_the_link_died_is_over(short_dir: Path) -> None:
    call = HistoryItem("f", 1, "tool", "assistant", call="c", tool="unlock", arguments="{}")
    words = HistoryItem("u", 2, "message", "user", text="so f")
    store = JournalStore(short_dir / "j", "home")
    store.write([ItemRecord(call), ItemRecord(words)], now_ms())
    items = JournalStore(short_dir / "j", "home").recover(0)
    assert [i.final for i in items] == [True, True]
    assert items[0].ok is False and "restarted" in items[0].output and not items[0].pending
    assert reading.items_of(short_dir / "j", 1) == items


def test_reading_in_pieces_misses_nothing(short_dir: Path) -> None:
    path = short_dir / "j"
    store = JournalStore(path, "home")
    store.write([item(n) for n in range(5)], now_ms())
    first = reading.transcript(path, "home", 2, None)
    assert first is not None and [i.item for i in first.items] == ["i3", "i4"]
    late = ItemRecord(replace(item(0).item, text="late"))
    store.write([late, RemovedRecord("i4"), item(7), item(6)], now_ms())
    piece = reading.transcript(path, "home", 3, first.cursor)
    assert piece is not None
    assert piece.items[0].text == "late"
    assert ([i.item for i in piece.items], piece.removed) == (["i0", "i7"], ["i4"])
    rest = reading.transcript(path, "home", 3, piece.cursor)
    assert rest is not None and [i.item for i in rest.items] == ["i6"]
    end = reading.transcript(path, "home", 3, rest.cursor)
    assert end is not None and (end.items, end.cursor) == ([], rest.cursor)
    assert reading.transcript(path, "nowhere", 3, None) is None
    store.close()
    assert reading.transcript(path, "home", 3, None) is not None, "without a writer too"


def test_an_item_comes_back_as_it_was(short_dir: Path) -> None:
    full = HistoryItem(
        "f", 3, "tool", "assistant", "p-1", "Änne", "☕", 5, True, 7, "no", "c", "t", "{}", "o",
        False, "sess",
    )  # fmt: skip
    store = JournalStore(short_dir / "j", "home")
    store.write([ItemRecord(full), SessionRecord("sess", True, 1)], now_ms())
    store.write([SessionRecord("sess", False, 9, "rollover")], now_ms())
    assert reading.items_of(short_dir / "j", 1) == [full]
    row = store._db.execute("SELECT started_ms, ended_ms, reason FROM session").fetchone()
    assert row == (1, 9, "rollover")


def test_usage_is_counted_once_and_its_day_is_told(short_dir: Path) -> None:
    async def run() -> Bench:
        bench = Bench(short_dir / "j", keep_words=False)
        bench.journal.write([item(1), usage(1), usage(1), usage(2)], lambda: bench.safe.append(1))
        unknown = UsageRecord("r3", "response", "x", now_ms(), "2026-11-22", Tokens(), None)
        bench.journal.write([unknown])
        await until(lambda: bench.days, "the day is not told")
        await bench.journal.close()
        return bench

    bench = asyncio.run(run())
    assert bench.days[0] == ("2026-11-22", pytest.approx(0.02))
    spent, _ = reading.spent(short_dir / "j", "home", "2026-11-22")
    assert (spent.cost_usd, spent.unpriced) == (pytest.approx(0.02), 1)
    assert reading.items_of(short_dir / "j", 1) == [], "no words are kept"


def test_old_entries_are_deleted(short_dir: Path) -> None:
    now, past = now_ms(), now_ms() - 40 * DAY_MS
    store = JournalStore(short_dir / "j", "home")
    old = [ItemRecord(replace(item(n).item, wall_ms=past)) for n in range(1_200)]
    store.write([*old, SessionRecord("s", True, past), ClosedRecord(past)], past)
    young = replace(item(7).item, wall_ms=now)
    store.write([replace(usage(1), wall_ms=past), old[0], ItemRecord(young)], now)
    last = store.pruning.last_revision()
    assert store.pruning.before(now - 30 * DAY_MS, now, store.conversation) == 1_200 + 1 + 1 + 1
    (left,) = reading.conversations(short_dir / "j", "home")
    assert [i.item for i in reading.items_of(short_dir / "j", left.id)] == ["i7"]
    assert store._db.execute("SELECT count(*) FROM session").fetchone() == (0,)
    assert store._db.execute("SELECT count(*) FROM usage").fetchone() == (0,)
    assert store._db.execute("PRAGMA freelist_count").fetchone() == (0,), "the file shrinks"
    store.write([RemovedRecord("i7")], now)
    store._db.execute("DELETE FROM item")
    assert store.pruning.last_revision() >= last, "no number is given twice"


def test_words_are_kept_from_when_they_are_to_be_and_no_longer(short_dir: Path) -> None:
    async def run() -> None:
        bench = Bench(short_dir / "j")
        for number, keeps in enumerate((True, False, True)):
            bench.journal.keep_words(keeps)
            bench.write(number)
        await until(lambda: len(bench.safe) == 3, "somebody waits for words that are not kept")
        await bench.journal.close()

    asyncio.run(run())
    assert [known.item for known in reading.items_of(short_dir / "j", 1)] == ["i0", "i2"]


def test_a_room_knows_what_it_has_spent_on_a_day(short_dir: Path) -> None:
    day = usage(0).day
    stores = [JournalStore(short_dir / "j", room) for room in ("den", "den", "hall")]
    for number, store in enumerate(stores):
        store.write([usage(number)], now_ms())
        store.close()

    async def run(room: str) -> float:
        bench = Bench(short_dir / "j", room=room)
        found = await bench.journal.room_total(day)
        assert await bench.journal.room_total("another day") == 0.0
        await bench.journal.close()
        return found

    assert asyncio.run(run("den")) == pytest.approx(0.02), "in two conversations"
    assert asyncio.run(run("hall")) == pytest.approx(0.01)
    assert asyncio.run(run("stairs")) == 0.0
