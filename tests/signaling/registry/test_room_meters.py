"""Metrics by room: bounded labels, and counters that neither fall nor jump."""

from __future__ import annotations

import random
from collections import Counter

from mixer_core.runtime.units import S_NS
from signaling.registry.room_meters import KEEP_NS, MAX_ROOMS, OTHERS, RoomMeters

TURNS = "conversation_turns_total"


def full(now_ns: int = 0) -> RoomMeters:
    """Every label is taken."""
    meters = RoomMeters()
    for number in range(MAX_ROOMS):
        meters.heard(f"room-{number}", f"link-{number}", number, {TURNS: 1}, now_ns)
    return meters


def turns(meters: RoomMeters, now_ns: int) -> dict[str, int | float]:
    figures = meters.figures({}, now_ns)
    return {room: value for (room, name), value in figures.items() if name == TURNS}


def test_what_a_rooms_processes_report_is_chosen_and_summed() -> None:
    meters = RoomMeters()
    meters.heard(
        "home", "link", 1,
        {TURNS: 3, "tokens_in_total": 10, "tokens_out_total": 5, "uplink_backlog_ms": 40, "x": 9},
        0,
    )  # fmt: skip
    meters.heard("home", "p-1", 2, {"frames_dropped_total": 2, "audio_backlog_ms": 60}, 0)
    meters.heard("home", "p-2", 3, {"frames_overrun_total": 1, "latency_ms": [1, 2]}, 0)
    meters.heard("", "idle", 4, {TURNS: 100}, 0)
    assert meters.figures({"home": 2}, 0) == {
        ("home", "participants"): 2, ("home", TURNS): 3, ("home", "tokens_total"): 15,
        ("home", "dropped_total"): 3, ("home", "backlog_ms"): 60,
    }  # fmt: skip
    later = meters.figures({}, 60 * S_NS)
    assert later["home", TURNS] == 3 and ("home", "backlog_ms") not in later


def test_rooms_beyond_the_bound_share_a_label() -> None:
    meters = full()
    for number in range(20):
        meters.heard(f"late-{number}", f"late-{number}", 1, {TURNS: 2}, 1)
    known = turns(meters, 1)
    assert len(known) == MAX_ROOMS + 1 and known[OTHERS] == 40
    assert meters.figures({"late-1": 3, "late-2": 4}, 1)[OTHERS, "participants"] == 7


def test_a_room_that_gets_a_label_leaves_behind_what_it_has_counted() -> None:
    meters = full()
    meters.heard("late", "link", 1, {TURNS: 7}, 1)
    meters.heard("late", "link", 1, {TURNS: 8}, KEEP_NS + 1)  # The first label is free now.
    meters.heard("late", "link", 1, {TURNS: 10}, KEEP_NS + 2)
    known = turns(meters, KEEP_NS + 2)
    assert (known[OTHERS], known["late"]) == (7, 3) and "room-0" not in known
    meters.heard("late", "link", 1, {TURNS: 2}, KEEP_NS + 3)  # It began anew.
    meters.heard("late", "link", 1, {TURNS: 4}, KEEP_NS + 4)
    assert (turns(meters, KEEP_NS + 4)[OTHERS], turns(meters, KEEP_NS + 4)["late"]) == (7, 7)


def test_whatever_rooms_do_no_label_falls_and_nothing_is_counted_twice() -> None:
    random_ = random.Random(3)
    meters, counted, said = RoomMeters(), Counter[str](), Counter[str]()
    before: dict[str, int | float] = {}
    now_ns = 0
    for _ in range(2_000):
        now_ns += random_.choice([S_NS, KEEP_NS // 20])
        room = f"room-{random_.randrange(3 * MAX_ROOMS)}"
        grown = random_.randrange(3)
        counted[room] += grown
        said["all"] += grown
        meters.heard(room, f"link of {room}", 1, {TURNS: counted[room]}, now_ns)
        known = turns(meters, now_ns)
        assert len(known) <= MAX_ROOMS + 1 and sum(known.values()) <= said["all"]
        for label in known.keys() & before.keys():
            assert known[label] >= before[label] or label != OTHERS, label
        before = known
