"""What faults do to server events."""

from __future__ import annotations

from openai_link.simulator.faults.event_faults import spoil
from openai_link.simulator.faults.plan import Faults, parse

DONE = {
    "type": "conversation.item.done",
    "event_id": "event_1",
    "previous_item_id": "item_1",
    "item": {"id": "item_2"},
}


LIMITS = {"type": "rate_limits.updated", "event_id": "event_2", "rate_limits": []}


HEARD = {
    "type": "conversation.item.input_audio_transcription.completed",
    "event_id": "event_3",
    "item_id": "item_1",
}


def test_without_faults_events_are_untouched() -> None:
    assert spoil(DONE, Faults()) == [(0, DONE)]


def test_events_are_doubled_left_out_late_or_strange() -> None:
    assert spoil(DONE, parse("duplicate_events")) == [(0, DONE), (0, DONE)]
    assert spoil(LIMITS, parse("no_rate_limits")) == []
    assert spoil(DONE, parse("null_previous_item"))[0][1]["previous_item_id"] is None
    assert spoil(HEARD, parse("late_transcription_ms=70")) == [(70, HEARD)]
    assert spoil(DONE, parse("late_transcription_ms=70")) == [(0, DONE)]
    (_, known), (_, unknown) = spoil(DONE, parse("unknown_events"))
    assert known["x_unknown_field"] and known["item"]["x_unknown_field"]
    assert {**known, "item": DONE["item"]}.keys() - DONE.keys() == {"x_unknown_field"}
    assert unknown["type"] == "simulator.unknown.conversation.item.done"
    assert unknown["event_id"] != DONE["event_id"]
    assert "x_unknown_field" not in DONE
