"""Which events are others again, where ids are of use and where they are not."""

from __future__ import annotations

from typing import Any

from openai_link.facts import (
    ServerError,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TurnCommitted,
)
from openai_link.realtime.reducer import Reducer
from openai_link.realtime.repetitions import MAX_EVENTS, Repetitions

SAME = "event_of_them_all"
Event = dict[str, Any]


def test_an_event_that_says_the_same_again_is_one() -> None:
    repetitions = Repetitions()
    first = {"type": "response.output_text.delta", "event_id": "e1", "delta": "No "}
    assert not repetitions.is_one(first, 40)
    assert not repetitions.is_one({**first, "event_id": "e2"}, 40)
    assert repetitions.is_one(dict(first), 40)
    nameless = {**first, "event_id": ""}
    assert not repetitions.is_one(nameless, 40) and not repetitions.is_one(nameless, 40)


def test_ids_are_forgotten_in_time() -> None:
    repetitions = Repetitions()
    for number in range(MAX_EVENTS + 1):
        assert not repetitions.is_one({"type": "x", "event_id": f"e{number}"}, 9)
    assert repetitions.is_one({"type": "x", "event_id": "e1"}, 9)
    assert not repetitions.is_one({"type": "x", "event_id": "e0"}, 9)


def test_an_id_of_two_events_says_nothing_and_neither_do_others() -> None:
    for other in ({"type": "y", "event_id": "e1"}, {"type": "x", "event_id": "e1", "at_ms": 7}):
        repetitions = Repetitions()
        assert not repetitions.is_one({"type": "x", "event_id": "e1"}, 9)
        assert not repetitions.is_one(other, 9)
        assert not repetitions.is_one(other, 9)
    repetitions = Repetitions()
    assert not repetitions.is_one({"type": "x", "event_id": "e1", "item": {"id": "a"}}, 20)
    assert not repetitions.is_one({"type": "x", "event_id": "e1", "item": {"id": "abc"}}, 22)


def turn(number: int) -> list[Event]:
    buffer, item = "input_audio_buffer", f"item_{number}"
    words = "conversation.item.input_audio_transcription.completed"
    return [
        {"type": f"{buffer}.speech_started", "event_id": SAME, "audio_start_ms": 1_000 * number},
        {"type": f"{buffer}.speech_stopped", "event_id": SAME, "audio_end_ms": 1_000 * number + 9},
        {"type": f"{buffer}.committed", "event_id": SAME, "item_id": item},
        {"type": words, "item_id": item, "transcript": f"Turn {number}."},
    ]


def test_each_turn_counts_of_a_server_whose_events_have_one_id() -> None:
    """As LocalAI's, which gives ids to some of its events only."""
    reducer = Reducer()
    first = {"type": "session.created", "event_id": SAME, "session": {"id": "sess_1"}}
    reducer.feed(first, 0)
    for number in (1, 2, 3):
        facts = [fact for event in turn(number) for fact in reducer.feed(event, number)]
        kinds = [type(fact) for fact in facts]
        for kind in (SpeechStarted, SpeechStopped, TurnCommitted, Transcribed):
            assert kinds.count(kind) == 1, (number, kinds)
    error = {"type": "error", "event_id": SAME, "error": {"message": "It failed."}}
    for _ in range(2):
        assert [type(fact) for fact in reducer.feed(error, 9)] == [ServerError]
