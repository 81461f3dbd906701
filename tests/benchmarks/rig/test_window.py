"""Marks that were sent are joined with marks that were heard."""

from __future__ import annotations

from benchmarks.rig import signals
from benchmarks.rig.usage import Usage
from benchmarks.rig.window import Window
from mixer_core.runtime.units import MS_NS


def test_marks_are_joined_by_room_and_number() -> None:
    start_ns = 4_000 * signals.MARK_NS

    def client(room: str, numbers: list[int]) -> dict[str, object]:
        marks = [(number, start_ns + number * signals.MARK_NS) for number in numbers]
        return {"room": room, "sent_marks": [(4_000 + n, at_ns) for n, at_ns in marks]}

    def heard(call: str, number: int, late_ms: int) -> tuple[str, int, int]:
        at_ns = start_ns + number * signals.MARK_NS + late_ms * MS_NS
        return call, (4_000 + number) % 8, at_ns

    marks = [heard("7", 0, 5), heard("7", 0, 25), heard("9", 1, 8)]
    window = Window(
        Usage(1.0),
        0.0,
        0.0,
        0.0,
        start_ns + 3_000 * MS_NS,
        [client("a", [0, 2]), client("b", [1])],
        {"heard_marks": marks},
        {"7": "a", "9": "b"},
    )
    latencies, lost = window.uplink_ms()
    assert sorted(latencies) == [5.0, 8.0]
    assert lost == 1
