from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeServerEvent

from openai_link.captions import INTERVAL_NS, MAX_TEXT_CHARS, Caption, CaptionBook
from openai_link.events import _IGNORED, THINK_LIMIT_NS, Reducer
from openai_link.facts import (
    AssistantChanged,
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    SpeechStarted,
)

Event = dict[str, Any]


def e(kind: str, **content: Any) -> Event:
    return {"type": kind, "event_id": "event_x", **content}


def reply(response: str, item: str, *words: str) -> list[Event]:
    """Golden order A, from ``response.created`` on."""
    ids = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
    message = {"id": item, "type": "message", "role": "assistant"}
    return [
        e("response.created", response={"id": response, "conversation_id": "conv_1"}),
        e("response.output_item.added", item=message, **ids),
        e("conversation.item.added", item=message, previous_item_id="item_0"),
        e("response.content_part.added", part={"type": "audio"}, **ids),
        e("response.output_audio_transcript.delta", delta=words[0], obfuscation="x", **ids),
        e("output_audio_buffer.started", response_id=response),
        *(e("response.output_audio_transcript.delta", delta=w, **ids) for w in words[1:]),
        e("response.output_audio.done", **ids),
        e("response.output_audio_transcript.done", transcript="".join(words), **ids),
        e("response.content_part.done", part={"type": "audio"}, **ids),
        e("conversation.item.done", item=message, previous_item_id=None),
        e("response.output_item.done", item=message, **ids),
        e("response.done", response={"id": response, "status": "completed"}),
        e("rate_limits.updated", rate_limits=[]),
        e("output_audio_buffer.stopped", response_id=response),
    ]


def turn(item: str) -> list[Event]:
    """Golden order B, up to ``response.created``."""
    message = {"id": item, "type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    return [
        e("input_audio_buffer.speech_started", item_id=item, audio_start_ms=100),
        e("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=900),
        e("input_audio_buffer.committed", item_id=item),
        e("conversation.item.added", item=message),
        e("conversation.item.done", item=message),
    ]


def run(reducer: Reducer, events: list[Event], step_ns: int = 1_000_000) -> list[Fact]:
    facts: list[Fact] = []
    for index, event in enumerate(events):
        facts += reducer.feed(event, index * step_ns)
    return facts


def states(facts: list[Fact]) -> list[str]:
    return [fact.assistant for fact in facts if isinstance(fact, AssistantChanged)]


def test_order_a_text_in_audio_out() -> None:
    reducer = Reducer()
    user = {"id": "item_0", "type": "message", "role": "user"}
    begin = [e("conversation.item.added", item=user), e("conversation.item.done", item=user)]
    facts = run(reducer, begin + reply("resp_1", "item_1", "Hel", "lo ", "there."))
    assert states(facts) == ["thinking", "speaking", "idle"]
    assert [type(f) for f in facts if not isinstance(f, Caption | AssistantChanged)] == [
        ResponseStarted,
        PlaybackStarted,
        ResponseEnded,
        PlaybackEnded,
    ]
    captions = [f for f in facts if isinstance(f, Caption)]
    assert captions[0] == Caption("assistant", "item_1", "Hel", False)
    assert captions[-1] == Caption("assistant", "item_1", "Hello there.", True)
    assert sum(caption.final for caption in captions) == 1
    assert reducer.unknown == {}


def test_order_b_a_spoken_turn() -> None:
    facts = run(Reducer(), turn("item_0") + reply("resp_1", "item_1", "Yes."))
    assert states(facts) == ["listening", "thinking", "speaking", "idle"]
    assert SpeechStarted("item_0") in facts


def test_order_f_barge_in_after_generation() -> None:
    reducer = Reducer()
    run(reducer, reply("resp_1", "item_1", "A long reply.")[:-1])
    cut = [
        e("input_audio_buffer.speech_started", item_id="item_2"),
        e("output_audio_buffer.cleared", response_id="resp_1"),
        e("conversation.item.truncated", item_id="item_1", content_index=0, audio_end_ms=300),
    ]
    facts = run(reducer, cut)
    assert states(facts) == ["listening"]
    assert PlaybackEnded("resp_1", True) in facts


@pytest.mark.parametrize("first", ["cleared", "done"])
def test_order_g_barge_in_during_generation(first: str) -> None:
    reducer = Reducer()
    run(reducer, reply("resp_1", "item_1", "A long ", "reply.")[:6])
    message = {"id": "item_1", "type": "message", "role": "assistant", "status": "incomplete"}
    details = {"type": "cancelled", "reason": "turn_detected"}
    cancelled = {"id": "resp_1", "status": "cancelled", "status_details": details}
    done = [e("conversation.item.done", item=message), e("response.done", response=cancelled)]
    cleared = [
        e("output_audio_buffer.cleared", response_id="resp_1"),
        e("conversation.item.truncated", item_id="item_1", audio_end_ms=100),
    ]
    speech = [e("input_audio_buffer.speech_started", item_id="item_2")]
    ends = cleared + done if first == "cleared" else done + cleared
    facts = run(reducer, speech + ends, 200_000_000)
    assert ResponseEnded("resp_1", "cancelled") in facts
    finals = [fact for fact in facts if isinstance(fact, Caption) and fact.final]
    assert finals == [Caption("assistant", "item_1", "A long ", True)]
    assert reducer.assistant == "listening"


def test_what_people_say_becomes_a_caption_once_it_is_written_down() -> None:
    prefix = "conversation.item.input_audio_transcription"
    events = [
        e(f"{prefix}.delta", item_id="item_0", delta="Good "),
        e(f"{prefix}.delta", item_id="item_0", delta="day"),
        e(f"{prefix}.completed", item_id="item_0", transcript="Good day.\n"),
        e(f"{prefix}.completed", item_id="item_9", transcript=""),
        e(f"{prefix}.failed", item_id="item_8", error={"code": "x"}),
    ]
    facts = run(Reducer(), events)
    assert facts == [
        Caption("user", "item_0", "Good ", False),
        Caption("user", "item_0", "Good day.", True),
    ]


def test_an_out_of_band_response_is_not_the_conversation() -> None:
    reducer = Reducer()
    aside = {"id": "resp_9", "status": "in_progress", "conversation_id": None}
    assert run(reducer, [e("response.created", response=aside)]) == []
    assert run(reducer, [e("response.done", response=aside)]) == []


def test_an_error_finds_its_cause() -> None:
    reducer = Reducer()
    reducer.sent({"type": "response.cancel", "event_id": "mm_7"})
    error = {"type": "invalid_request_error", "code": "response_cancel_not_active"}
    (fact,) = reducer.feed(e("error", error={**error, "event_id": "mm_7", "message": "no"}), 0)
    assert isinstance(fact, ServerError)
    assert (fact.cause, fact.benign, fact.fatal) == ("response.cancel", True, False)
    (fact,) = reducer.feed(e("error", error={"code": "session_expired", "event_id": None}), 0)
    assert isinstance(fact, ServerError)
    assert (fact.cause, fact.benign, fact.fatal) == ("", False, True)


def test_a_failed_response_tells_why() -> None:
    error = {"type": "insufficient_quota", "code": "insufficient_quota"}
    failed = {"id": "r", "status": "failed", "status_details": {"type": "failed", "error": error}}
    facts = run(Reducer(), [e("response.done", response=failed)])
    assert facts == [ResponseEnded("r", "failed", "insufficient_quota", "")]


def test_a_turn_without_an_answer_is_not_waited_for_for_ever() -> None:
    reducer = Reducer()
    run(reducer, turn("item_0"))
    assert reducer.assistant == "thinking"
    timeout_ns = reducer.next_timeout_ns()
    assert timeout_ns is not None and timeout_ns <= 3_000_000 + THINK_LIMIT_NS
    assert reducer.tick(timeout_ns) == [AssistantChanged("idle")]
    assert reducer.next_timeout_ns() is None


def test_unknown_types_are_counted_and_harmless() -> None:
    reducer = Reducer()
    assert run(reducer, [e("brand.new", x=1), e("brand.new"), {"no": "type"}]) == []
    assert reducer.unknown == {"brand.new": 2, "": 1}


def test_every_official_server_event_is_known() -> None:
    import typing

    union = typing.get_args(RealtimeServerEvent)[0]
    kinds = set()
    for model in typing.get_args(union):
        kinds.update(typing.get_args(model.model_fields["type"].annotation))
    assert len(kinds) >= 45
    assert kinds - _IGNORED - Reducer()._handlers.keys() == set()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["session", "error", "response", "response_id", "item_id", "item", "delta", "transcript"]
)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(Reducer()._handlers)), st.dictionaries(FIELDS, JSON)))
)
def test_malformed_fields_never_raise(events: list[tuple[str, Event]]) -> None:
    reducer = Reducer()
    for index, (kind, content) in enumerate(events):
        reducer.feed({"type": kind, **content}, index)
    reducer.close()
    assert reducer.assistant == "idle"


def test_close_ends_open_captions() -> None:
    reducer = Reducer()
    run(reducer, reply("resp_1", "item_1", "Half a")[:6])
    assert reducer.close() == [
        Caption("assistant", "item_1", "Half a", True),
        AssistantChanged("idle"),
    ]


def test_captions_come_at_a_bounded_rate_and_complete() -> None:
    book = CaptionBook()
    shown = [caption for i in range(100) for caption in book.delta("a", "i", "x", i * 1_000_000)]
    assert len(shown) == 1
    timeout_ns = book.next_timeout_ns()
    assert timeout_ns == INTERVAL_NS
    (late,) = book.tick(timeout_ns)
    assert late.text == "x" * 100
    assert book.next_timeout_ns() is None


def test_a_long_caption_shows_its_end() -> None:
    (caption,) = CaptionBook().done("a", "i", "x" * MAX_TEXT_CHARS + "end")
    assert len(caption.text) == MAX_TEXT_CHARS
    assert caption.text.startswith("…") and caption.text.endswith("end")
