"""Marks that participants of a peer sent and heard are joined."""

from __future__ import annotations

from benchmarks.peers.people import Marks, join_marks
from benchmarks.rig import signals
from mixer_core.runtime.units import MS_NS, S_NS


def look(sent: list[tuple[int, int]], heard: list[tuple[int, int]]) -> dict[str, object]:
    return {"sent_marks": sent, "heard_marks": heard}


def at(number: int, later_ms: float) -> int:
    return number * signals.MARK_NS + int(later_ms * MS_NS)


def test_marks_are_heard_by_others_once_each() -> None:
    talker = look([(80, at(80, 1))], [])
    listener = look([], [(0, at(80, 21)), (0, at(80, 41))])
    found = join_marks([talker, listener, look([], [])], at(80, 0) + 2 * S_NS)
    assert found.latencies_ms == [20.0]
    assert found.lost == 1  # the third person did not hear it


def test_a_mark_just_before_the_end_is_not_lost() -> None:
    found = join_marks([look([(80, at(80, 1))], []), look([], [])], at(80, 500))
    assert found == Marks([], 0)


def test_an_echo_is_heard_by_its_own_talker() -> None:
    one = look([(80, at(80, 0)), (81, at(81, 0))], [(0, at(81, 30)), (1, at(81, 280))])
    found = join_marks([one, look([], [])], at(99, 0), own=True)
    assert found.latencies_ms == [280.0, 280.0]
