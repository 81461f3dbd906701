"""Whose report is counted as whose, and what the page is made of."""

from __future__ import annotations

from mixer_core.bus.control import Heartbeat, LinkState, WorkerState
from mixer_core.runtime.units import S_NS
from signaling.meters import Meters
from signaling.registry.totals import FRESH_NS

COUNTS = {"rooms": 1, "participants": 2}


def page(meters: Meters, now_ns: int = 0, node: str = "") -> list[str]:
    return meters.page({"home": 2}, COUNTS, {"mixer_core": 3}, node, now_ns).decode().splitlines()


def test_reports_count_for_their_program_and_those_of_children_for_their_room() -> None:
    meters = Meters(1)
    meters.heard("mixer_core", Heartbeat("mixer_core", 2, True, metrics={"ticks_total": 5}), 0)
    worker = WorkerState("worker-1", 3, "connected", "home", metrics={"frames_dropped_total": 4})
    link = LinkState("link-1", 4, "ready", "home", metrics={"conversation_turns_total": 6})
    meters.heard("worker-1", worker, 0)
    meters.heard("link-1", link, 0)
    assert meters.total("mixer_core", "ticks_total") == 5
    assert meters.total("media_worker", "frames_dropped_total") == 4
    assert meters.total("openai_link", "conversation_turns_total") == 6
    lines = page(meters)
    for line in (
        'mixminus_ticks_total{program="mixer_core"} 5.0',
        'mixminus_restarts_total{program="mixer_core"} 3.0',
        'mixminus_participants{program="signaling"} 2.0',
        'mixminus_room_participants{room="home"} 2.0',
        'mixminus_room_dropped_total{room="home"} 4.0',
        'mixminus_room_conversation_turns_total{room="home"} 6.0',
    ):
        assert line in lines, lines
    assert not any("mixminus_node" in line for line in lines)


def test_signaling_counts_itself_and_what_it_has_just_measured() -> None:
    meters = Meters(1)
    meters.own.count("joined_total", 2)
    meters.note_own({"open_files": 9, "load_level": 1}, 0)
    meters.note_own({"open_files": 8, "load_level": 1}, S_NS)
    lines = page(meters, S_NS, "north")
    for line in (
        'mixminus_joined_total{program="signaling"} 2.0',
        'mixminus_open_files{program="signaling"} 8.0',
        'mixminus_load_level{program="signaling"} 1.0',
    ):
        assert line in lines, lines
    assert any(line.endswith('{node="north"} 1.0') for line in lines)


def test_a_journal_that_is_far_behind_is_a_warning_while_its_link_tells_of_it() -> None:
    meters = Meters(1)
    metrics = {"journal_lag_ms": 600_000, "journal_waiting_records": 12}
    assert meters.warnings(0) == []
    meters.heard("link-1", LinkState("link-1", 4, "ready", "home", metrics={**metrics}), 0)
    (warning,) = meters.warnings(0)
    assert "600 s: 12 records wait" in warning
    assert meters.warnings(FRESH_NS) == []
