"""What is old enough to go, whatever the clock says for a while."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.journal.records import ItemRecord
from mixer_core.journal.retention import APART_NS, DAY_MS, Look, is_stale, oldest_ms
from mixer_core.runtime.units import MS_NS
from openai_link.transcript.journal_store import JournalStore
from tests.openai_link.transcript.journal_writer import item

NOW_MS = 1_790_000_000_000
KEEP_MS = 30 * DAY_MS
HOUR_MS = DAY_MS // 24


class House:
    """A journal, and a clock that may be set."""

    def __init__(self, path: Path) -> None:
        self.store = JournalStore(path, "home")
        self.path = path
        self.boot, self.boot_ns, self.wall_ms = "a", 0, NOW_MS
        self._number = 0

    def wait(self, days: float) -> None:
        """Time passes."""
        self.wall_ms += int(days * DAY_MS)
        self.boot_ns += int(days * DAY_MS * MS_NS)

    def say(self, count: int = 10) -> list[str]:
        """Words, with the time that the clock says; returns their ids."""
        records = []
        for _ in range(count):
            records.append(ItemRecord(replace(item(self._number).item, wall_ms=self.wall_ms)))
            self._number += 1
        self.store.write(records, self.wall_ms)
        return [record.item.item for record in records]

    def prune(self) -> int | None:
        """As the link does once a minute."""
        look = Look(self.wall_ms, self.boot, self.boot_ns)
        return self.store.pruning.by_age(look, KEEP_MS, self.store.conversation)

    def kept(self) -> set[str]:
        """Ids of what is left."""
        return {row[0] for row in self.store._db.execute("SELECT item FROM item")}


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path / "j")
    made.prune()
    return made


def test_what_is_old_goes(house: House) -> None:
    old = house.say()
    house.wait(20)
    young = house.say()
    house.wait(11)
    house.prune()
    house.wait(0.3)
    assert house.prune() == len(old)
    assert house.kept() == set(young)
    assert house.prune() is None, "not each minute"


@pytest.mark.parametrize("days", [40, 400, 20_000, -40, -400, -20_000])
@pytest.mark.parametrize("hours", [0, 1, 5])
def test_a_clock_that_jumps_and_comes_back_costs_nothing(
    house: House, days: int, hours: int
) -> None:
    before = house.say()
    house.wait(1)
    house.prune()
    house.wall_ms += days * DAY_MS
    house.prune()
    house.wait(hours / 24)
    during = house.say()
    house.prune()
    house.wall_ms -= days * DAY_MS
    house.prune()
    after = house.say()
    for _ in range(10):
        house.wait(1)
        house.prune()
    assert house.kept() == {*before, *during, *after}
    house.wait(80)
    house.say()
    house.wait(1)
    house.prune()
    house.wait(1)
    house.prune()
    assert not house.kept() & {*before, *during, *after}, "wrong times do not keep words for ever"


def test_a_board_without_a_clock_begins_in_1970_and_keeps_what_is_said(house: House) -> None:
    house.wall_ms, house.boot = 5_000, "b"
    during = house.say()
    house.prune()
    house.wall_ms = NOW_MS
    after = house.say()
    for _ in range(8):
        house.wait(1)
        house.prune()
    assert house.kept() == {*during, *after}


def test_each_start_of_the_machine_has_a_wrong_clock_for_a_minute(house: House) -> None:
    said = house.say()
    for day in range(1, 20):
        right_ms = NOW_MS + day * DAY_MS
        house.boot, house.boot_ns = str(day), 1
        house.wall_ms = right_ms + (60 * DAY_MS if day % 2 else -60 * DAY_MS)
        house.prune()
        house.wall_ms = right_ms
        house.boot_ns += 60_000 * MS_NS
        house.prune()
    assert house.kept() == set(said)


@given(
    st.lists(st.integers(-(10**13), 10**13), min_size=1, max_size=8),
    st.lists(st.integers(0, 3 * APART_NS), min_size=8, max_size=8),
)
def test_nothing_goes_that_was_not_old_at_the_look_before(
    jumps: list[int], waits: list[int]
) -> None:
    before: Look | None = None
    boot_ns = 0
    for jump, wait_ns in zip(jumps, waits, strict=False):
        boot_ns += wait_ns
        now = Look(NOW_MS + jump, "a", boot_ns)
        oldest = oldest_ms(before, now, KEEP_MS)
        if oldest is not None:
            assert before is not None and boot_ns - before.boot_ns >= APART_NS
            assert oldest <= min(before.wall_ms, now.wall_ms) - KEEP_MS
        if oldest is not None or is_stale(before, now):
            before = now


@pytest.mark.parametrize("text", ["", "x", "1 2", "1 2 3 4", "-1 2 boot", None, 5, "1 x boot"])
def test_a_damaged_look_is_none(text: object) -> None:
    assert Look.from_text(text) is None


def test_a_look_comes_back_as_it_was() -> None:
    look = Look(NOW_MS, "0f-1", 7)
    assert Look.from_text(look.as_text()) == look


def test_a_journal_that_is_too_large_loses_its_oldest_words(house: House) -> None:
    for _ in range(40):
        house.say(100)
        house.wait(1 / 24)
    size = house.store._db.execute("PRAGMA page_count").fetchone()[0] * 4_096
    most = size // 2
    assert house.store.pruning.by_size(10 * size) == 0
    lost = house.store.pruning.by_size(most)
    assert 500 <= lost < 4_000
    assert house.kept() == {f"i{n}" for n in range(lost, 4_000)}, "the oldest go"
    house.store.close()
    assert house.path.stat().st_size <= most, "the file is smaller, too"
