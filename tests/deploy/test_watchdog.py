"""What has stopped moving is found; a machine that slept, or compiles, is not blamed for it."""

from __future__ import annotations

import pytest

from deploy.watchdog import START_LOOKS, Frozen, Sign, Watchdog
from mixer_core.runtime.units import S_NS

LIMIT = 10


class House:
    """Programs that run, each with a file that it touches or not."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.watchdog = Watchdog(limit)
        self.now_ns = 5 * S_NS
        self.running = {"mixer_core": 10, "signaling": 20}
        self.signs = {name: Sign(pid, 1) for name, pid in self.running.items()}

    def look(self, *moving: str, after_ns: int = S_NS) -> list[Frozen]:
        """One look, before which ``moving`` have touched their files."""
        self.now_ns += after_ns
        for name in moving:
            old = self.signs.get(name, Sign(0, 0))
            self.signs[name] = Sign(self.running[name], old.stamp + 1)
        return self.watchdog.look(self.running, self.signs, self.now_ns)

    def begin(self) -> House:
        """Everything moves."""
        for _ in range(3):
            assert self.look("mixer_core", "signaling") == []
        return self


@pytest.mark.parametrize("frozen", ["mixer_core", "signaling"])
def test_a_program_that_no_longer_moves_is_found_once(frozen: str) -> None:
    house = House().begin()
    other = "signaling" if frozen == "mixer_core" else "mixer_core"
    for _ in range(LIMIT - 1):
        assert house.look(other) == []
    assert house.look(other) == [Frozen(frozen, house.running[frozen], LIMIT)]
    assert house.look(other) == []


def test_a_program_that_moves_now_and_then_is_left_alone() -> None:
    house = House().begin()
    for turn in range(20 * LIMIT):
        moving = ["signaling", *(["mixer_core"] if turn % (LIMIT - 1) == 0 else [])]
        assert house.look(*moving) == []


def test_a_clock_that_was_set_back_is_a_move() -> None:
    house = House().begin()
    for turn in range(3 * LIMIT):
        house.signs["mixer_core"] = Sign(10, 1_000 - turn)
        assert house.look("signaling") == []


@pytest.mark.parametrize("asleep_ns", [3 * S_NS, 3_600 * S_NS])
def test_a_machine_that_slept_or_was_too_busy_to_look_blames_nobody(asleep_ns: int) -> None:
    house = House().begin()
    for _ in range(5 * LIMIT):
        assert house.look(after_ns=asleep_ns) == []
    assert house.look("mixer_core", "signaling") == []


def test_after_sleep_the_frozen_are_still_found() -> None:
    house = House().begin()
    house.look(after_ns=3_600 * S_NS)
    found = [frozen for _ in range(LIMIT) for frozen in house.look("signaling")]
    assert [frozen.program for frozen in found] == ["mixer_core"]


def test_a_program_that_starts_may_compile_for_minutes_but_not_for_ever() -> None:
    house = House()
    for _ in range(START_LOOKS):
        assert house.look("signaling") == []
    assert [frozen.program for frozen in house.look("signaling")] == ["mixer_core"]


def test_a_program_that_freezes_right_after_it_has_begun_to_move_is_found() -> None:
    house = House()
    house.signs["mixer_core"] = Sign(10, 1, moves=True)
    found = [frozen for _ in range(LIMIT + 1) for frozen in house.look("signaling")]
    assert [frozen.program for frozen in found] == ["mixer_core"]


@pytest.mark.parametrize("sign", [Sign(10, 99), Sign(10, 99, moves=True), Sign(0, 0)])
def test_a_program_that_was_started_anew_begins_to_count_anew(sign: Sign) -> None:
    house = House().begin()
    for _ in range(LIMIT - 1):
        house.look("signaling")
    house.running["mixer_core"] = 11  # The file still has the old number.
    house.signs["mixer_core"] = sign
    for _ in range(LIMIT):
        assert house.look("signaling") == []


def test_a_file_that_is_gone_is_no_sign_of_life() -> None:
    house = House().begin()
    del house.signs["mixer_core"]
    found = [frozen for _ in range(LIMIT) for frozen in house.look("signaling")]
    assert [frozen.program for frozen in found] == ["mixer_core"]


def test_a_directory_that_is_gone_and_cannot_be_made_again_ends_no_program() -> None:
    house = House().begin()
    house.signs.clear()
    for _ in range(10 * LIMIT):
        assert house.look() == []
    assert house.look("signaling") == []
    found = [frozen for _ in range(LIMIT) for frozen in house.look("signaling")]
    assert [frozen.program for frozen in found] == ["mixer_core"]


def test_a_file_that_is_made_again_and_moves_is_one() -> None:
    house = House().begin()
    for turn in range(3 * LIMIT):
        if turn % 5 == 0:
            house.signs.pop("mixer_core", None)
            assert house.look("signaling") == []
        else:
            assert house.look("signaling", "mixer_core") == []


def test_on_a_full_disk_the_touch_counts_without_the_number() -> None:
    house = House()
    for turn in range(3 * LIMIT):
        house.signs["mixer_core"] = Sign(0, turn + 1)
        assert house.look("signaling") == []
    found = [frozen for _ in range(LIMIT) for frozen in house.look("signaling")]
    assert [frozen.program for frozen in found] == ["mixer_core"]


def test_it_looks_once_a_second() -> None:
    watchdog = Watchdog(LIMIT)
    assert watchdog.is_due(7)
    watchdog.look({}, {}, 7)
    assert not watchdog.is_due(7 + S_NS - 1)
    assert watchdog.is_due(7 + S_NS)
