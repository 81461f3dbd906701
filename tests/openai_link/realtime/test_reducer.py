from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime import RealtimeServerEvent

from openai_link.facts import (
    AssistantChanged,
    Caption,
    Fact,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemTruncated,
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    ServerToolEnded,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    Transcribed,
    TurnCommitted,
)
from openai_link.realtime.captions import INTERVAL_NS, MAX_SHOWN_CHARS, CaptionBook
from openai_link.realtime.event_fields import event_of
from openai_link.realtime.event_kinds import IGNORED
from openai_link.realtime.reduce_calls import CallDrafts
from openai_link.realtime.reduce_errors import MAX_SENT
from openai_link.realtime.reduce_responses import SETTLED_NS
from openai_link.realtime.reducer import Reducer
from openai_link.realtime.unanswered import THINK_LIMIT_NS
from tests.support.tables import examples

Event = dict[str, Any]


NUMBERS = itertools.count()


def e(kind: str, **content: Any) -> Event:
    return {"type": kind, "event_id": f"event_{next(NUMBERS)}", **content}


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
        ItemAdded,
        ItemDone,
        ResponseStarted,
        ItemAdded,
        ItemVoiced,
        PlaybackStarted,
        ItemDone,
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
    turns = (SpeechStarted, SpeechStopped, TurnCommitted)
    assert [fact for fact in facts if isinstance(fact, turns)] == [
        SpeechStarted("item_0", 100),
        SpeechStopped("item_0", 900),
        TurnCommitted("item_0"),
    ]


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
    assert ItemTruncated("item_1", 300) in facts


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
    assert ResponseEnded("resp_1", "cancelled", "turn_detected") in facts
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
        Transcribed("item_0", "Good day."),
        Caption("user", "item_0", "Good day.", True),
        Transcribed("item_9", ""),
        Transcribed("item_8", "", None, "x"),
    ]


def test_a_transcription_that_fails_keeps_what_was_understood() -> None:
    prefix = "conversation.item.input_audio_transcription"
    events = [
        e(f"{prefix}.delta", item_id="item_0", delta="Good "),
        e(f"{prefix}.failed", item_id="item_0", error={"code": "x", "message": "no"}),
        e(f"{prefix}.completed", item_id="item_0", transcript="Good day."),
    ]
    assert run(Reducer(), events)[1:] == [
        Transcribed("item_0", "", None, "x: no"),
        Caption("user", "item_0", "Good ", True),
    ]


@pytest.mark.parametrize(
    "told",
    [
        {"type": "conversation.item.input_audio_transcription.delta", "delta": "No."},
        {"type": "conversation.item.input_audio_transcription.completed", "transcript": "No."},
        {"type": "conversation.item.input_audio_transcription.failed", "error": {"code": "x"}},
    ],
)
def test_a_transcript_of_what_the_assistant_says_is_nobodys(told: Event) -> None:
    begun, *rest = reply("resp_1", "item_1", "Yes.")
    told = {**told, "response_id": "resp_1", "item_id": "item_1"}
    stray = run(Reducer(), [begun, rest[0], told, *rest[1:]])
    assert stray == run(Reducer(), [begun, rest[0], {"type": "rate_limits.updated"}, *rest[1:]])


def test_nobody_expects_an_answer_to_a_silence() -> None:
    reducer = Reducer()
    silence = e("input_audio_buffer.timeout_triggered", item_id="item_0")
    run(reducer, [silence, e("input_audio_buffer.committed", item_id="item_0")])
    assert reducer.assistant == "thinking" and reducer.unanswered_ns is None
    run(reducer, [e("input_audio_buffer.committed", item_id="item_1")])
    assert reducer.unanswered_ns is not None


def test_an_out_of_band_response_is_not_the_conversation() -> None:
    reducer = Reducer()
    aside = {"id": "resp_9", "status": "in_progress", "conversation_id": None}
    assert run(reducer, [e("response.created", response=aside)]) == []
    item = {"id": "item_9", "type": "message", "role": "assistant", "status": "completed"}
    usage = {"total_tokens": 7}
    done = {**aside, "status": "completed", "usage": usage, "output": [item]}
    assert run(reducer, [e("response.done", response=done)]) == [
        ResponseEnded("resp_9", "completed", "", "", usage, in_conversation=False)
    ]


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


def test_the_cause_of_an_error_is_found_behind_a_long_history() -> None:
    reducer = Reducer()
    reducer.sent({"type": "response.create", "event_id": "mm_1"})
    for number in range(MAX_SENT - 1):
        reducer.sent({"type": "conversation.item.create", "event_id": f"h_{number}"})
        reducer.sent({"type": "input_audio_buffer.append", "event_id": f"a_{number}"})
    (fact,) = reducer.feed(e("error", error={"code": "x", "event_id": "mm_1"}), 0)
    assert isinstance(fact, ServerError) and fact.cause == "response.create"


@pytest.mark.parametrize("named", ["event_TODO", "item_7", "resp_1"])
def test_an_id_that_is_none_of_ours_names_nothing(named: str) -> None:
    """A response is open of which nothing more comes."""
    reducer = Reducer()
    reducer.sent({"type": "response.create", "event_id": "mm_1"})
    run(reducer, reply("resp_1", "item_1", "Half a")[:5])
    error = {"code": "tts_error", "message": "no voice", "event_id": named}
    (fact,) = reducer.feed(e("error", error=error), 0)
    assert isinstance(fact, ServerError) and (fact.event_id, fact.cause) == ("", "")
    assert "idle" in states(reducer.tick(SETTLED_NS + 1_000_000_000))


@pytest.mark.parametrize("named", ["mm_1", "mm_a17", "mmx2_9", "h_1"])
def test_an_id_of_ours_is_kept(named: str) -> None:
    reducer = Reducer()
    for number in range(MAX_SENT + 1):
        reducer.sent({"type": "conversation.item.create", "event_id": f"mm_{number}"})
    reducer.sent({"type": "session.update", "event_id": "h_1"})
    (fact,) = reducer.feed(e("error", error={"code": "x", "event_id": named}), 0)
    assert isinstance(fact, ServerError) and fact.event_id == named


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Cancellation failed: no active response found", "response_cancel_not_active"),
        ("No active response to cancel.", "response_cancel_not_active"),
        (
            "Conversation already has an active response in progress.",
            "conversation_already_has_active_response",
        ),
        (
            "Error committing input audio buffer: buffer too small. Expected at least 100ms.",
            "input_audio_buffer_commit_empty",
        ),
        (
            "Error committing input audio buffer: the buffer is empty.",
            "input_audio_buffer_commit_empty",
        ),
        (
            "Error deleting item: the item with id 'item_1' does not exist.",
            "item_delete_invalid_item_id",
        ),
        (
            "Error truncating item: the item with id 'item_1' does not exist.",
            "item_truncate_invalid_item_id",
        ),
    ],
)
def test_an_ordinary_refusal_without_its_code_is_known_by_its_words(words: str, code: str) -> None:
    for kind in ("invalid_request_error", "server_error", None):
        (fact,) = Reducer().feed(e("error", error={"type": kind, "message": words}), 0)
        assert isinstance(fact, ServerError)
        assert (fact.code, fact.message, fact.benign) == (code, words, True)
    (fact,) = Reducer().feed(e("error", error={"code": "own", "message": words}), 0)
    assert isinstance(fact, ServerError) and (fact.code, fact.benign) == ("own", False)


def call_item(status: str, arguments: str = "{}") -> Event:
    return {
        "id": "item_5",
        "type": "function_call",
        "status": status,
        "call_id": "call_1",
        "name": "clock",
        "arguments": arguments,
    }


CALLED = ToolCalled("resp_1", "item_5", "call_1", "clock", "{}")


def tools(facts: list[Fact]) -> list[ToolCalled]:
    return [fact for fact in facts if isinstance(fact, ToolCalled)]


def test_order_d_a_tool_is_called_once_and_before_the_response_ends() -> None:
    item = call_item("completed")
    events = [
        e("response.created", response={"id": "resp_1", "conversation_id": "conv_1"}),
        e("response.output_item.added", response_id="resp_1", item=call_item("in_progress", "")),
        e("conversation.item.added", item=call_item("in_progress", "")),
        e("response.function_call_arguments.done", call_id="call_1", arguments="{}"),
        e("conversation.item.done", item=item),
        e("response.output_item.done", response_id="resp_1", output_index=0, item=item),
        e("response.done", response={"id": "resp_1", "status": "completed", "output": [item]}),
    ]
    facts = run(Reducer(), events)
    assert tools(facts) == [CALLED]
    ended = next(index for index, fact in enumerate(facts) if isinstance(fact, ResponseEnded))
    assert facts.index(CALLED) < ended
    without_item_events = run(Reducer(), [events[0], events[-1]])
    assert tools(without_item_events) == [CALLED]
    assert ItemDone("item_5", item) in without_item_events


@pytest.mark.parametrize("status", ["incomplete", "in_progress", "cancelled"])
def test_a_call_that_was_cut_off_is_never_made(status: str) -> None:
    item = call_item(status, '{"part')
    events = [
        e("response.output_item.done", response_id="resp_1", item=item),
        e("conversation.item.done", item=item),
        e("response.done", response={"id": "resp_1", "status": "cancelled", "output": [item]}),
    ]
    assert tools(run(Reducer(), events)) == []


def test_a_call_of_the_replayed_history_is_not_made_again() -> None:
    item = call_item("completed")
    events = [e("conversation.item.added", item=item), e("conversation.item.done", item=item)]
    assert tools(run(Reducer(), events)) == []


def test_order_e_two_open_items_keep_apart() -> None:
    message = {"id": "item_1", "type": "message", "role": "assistant", "status": "completed"}
    ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
    item = call_item("completed")
    events = [
        e("response.created", response={"id": "resp_1"}),
        e("conversation.item.added", item=message, previous_item_id="item_0"),
        e("response.output_text.delta", delta="One ", **ids),
        e("conversation.item.added", item=call_item("in_progress"), previous_item_id="item_1"),
        e("response.function_call_arguments.delta", item_id="item_5", delta="{"),
        e("response.output_text.done", text="One moment.", **ids),
        e("conversation.item.done", item=message),
        e("response.output_item.done", response_id="resp_1", item=message),
        e("response.output_item.done", response_id="resp_1", item=item),
    ]
    facts = run(Reducer(), events)
    finals = [fact for fact in facts if isinstance(fact, Caption) and fact.final]
    assert finals == [Caption("assistant", "item_1", "One moment.", True)]
    assert tools(facts) == [CALLED]
    added = [fact for fact in facts if isinstance(fact, ItemAdded)]
    assert [(fact.item, fact.previous) for fact in added] == [
        ("item_1", "item_0"),
        ("item_5", "item_1"),
    ]
    assert not any(isinstance(fact, ItemVoiced) for fact in facts)


def test_words_in_several_parts_are_one_caption() -> None:
    ids = {"response_id": "resp_1", "item_id": "item_1"}
    message = {"id": "item_1", "type": "message", "role": "assistant"}
    done = "response.output_audio_transcript.done"
    events = [
        e(done, transcript="and two.", content_index=1, **ids),
        e(done, transcript="One ", content_index=0, **ids),
        e("response.output_item.done", response_id="resp_1", item=message),
        e("response.output_audio_transcript.delta", delta="late", **ids),
    ]
    finals = [f for f in run(Reducer(), events) if isinstance(f, Caption)]
    assert finals == [Caption("assistant", "item_1", "One and two.", True)]


def test_items_go_and_shrink() -> None:
    events = [
        e("conversation.item.truncated", item_id="item_1", audio_end_ms=900),
        e("conversation.item.truncated", item_id="item_1", audio_end_ms=900),
        e("conversation.item.truncated", item_id="item_1", audio_end_ms=500),
        e("conversation.item.deleted", item_id="item_2"),
        e("conversation.item.deleted", item_id="item_2"),
    ]
    assert run(Reducer(), events) == [
        ItemTruncated("item_1", 900),
        ItemTruncated("item_1", 500),
        ItemDeleted("item_2"),
    ]


def test_a_server_of_the_older_shape_tells_items_too() -> None:
    item = {"id": "item_1", "type": "message", "role": "user", "status": "completed"}
    facts = run(Reducer(), [e("conversation.item.created", item=item)])
    assert facts == [ItemAdded("item_1", "", item), ItemDone("item_1", item)]


def test_while_somebody_presses_the_assistant_listens() -> None:
    reducer = Reducer()
    assert reducer.pressed(True, 0) == [AssistantChanged("listening")]
    assert reducer.pressed(False, 0) == [AssistantChanged("idle")]
    facts = run(reducer, [e("input_audio_buffer.committed", item_id="item_1")])
    assert facts == [TurnCommitted("item_1"), AssistantChanged("thinking")]


def test_nobody_thinks_where_no_answer_was_asked_for() -> None:
    assert states(run(Reducer(answers=False), turn("item_0"))) == ["listening", "idle"]


def test_a_failed_response_tells_why() -> None:
    error = {"type": "insufficient_quota", "code": "insufficient_quota"}
    failed = {"id": "r", "status": "failed", "status_details": {"type": "failed", "error": error}}
    facts = run(Reducer(), [e("response.done", response=failed)])
    assert facts == [
        ResponseStarted("r", inferred=True),
        ResponseEnded("r", "failed", "insufficient_quota", ""),
    ]


def test_a_turn_without_an_answer_is_not_waited_for_for_ever() -> None:
    reducer = Reducer()
    run(reducer, turn("item_0"))
    assert reducer.assistant == "thinking"
    timeout_ns = reducer.next_timeout_ns()
    assert timeout_ns is not None and timeout_ns <= 3_000_000 + THINK_LIMIT_NS
    assert reducer.tick(timeout_ns) == [AssistantChanged("idle")]
    words_ns = reducer.next_timeout_ns()
    assert words_ns is not None and reducer.awaits_words
    assert reducer.tick(words_ns) == [] and not reducer.awaits_words
    assert reducer.next_timeout_ns() is None


def test_unknown_types_are_counted_and_harmless() -> None:
    reducer = Reducer()
    assert run(reducer, [e("brand.new", x=1), e("brand.new"), {"no": "type"}]) == []
    assert reducer.unknown == {"brand.new": 2, "": 1}


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_the_end_of_a_tool_of_the_server_is_told_once(end: str) -> None:
    reducer = Reducer()
    event = {"type": f"response.mcp_call.{end}", "event_id": "e", "item_id": "i"}
    assert ServerToolEnded("i") in reducer.feed(event, 0)
    assert ServerToolEnded("i") not in reducer.feed({**event, "event_id": "f"}, 0)


def test_every_official_server_event_is_known() -> None:
    import typing

    union = typing.get_args(RealtimeServerEvent)[0]
    kinds: set[str] = set()
    for model in typing.get_args(union):
        kinds.update(typing.get_args(model.model_fields["type"].annotation))
    assert len(kinds) == 46
    handled = Reducer().handlers.keys()
    assert kinds <= IGNORED | handled
    assert not IGNORED & handled


def all_kinds() -> list[str]:
    return sorted(IGNORED | Reducer().handlers.keys())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [
        "session",
        "error",
        "response",
        "response_id",
        "item_id",
        "item",
        "delta",
        "transcript",
        "part",
        "content_index",
        "audio_end_ms",
        "audio_start_ms",
        "previous_item_id",
        "usage",
    ]
)


@given(st.lists(st.tuples(st.sampled_from(all_kinds()), st.dictionaries(FIELDS, JSON))))
def test_malformed_fields_never_raise(events: list[tuple[str, Event]]) -> None:
    reducer = Reducer()
    for index, (kind, content) in enumerate(events):
        reducer.feed({"type": kind, **content}, index)
    reducer.close()
    assert reducer.assistant == "idle"


def session_of_events() -> list[Event]:
    """Two turns with answers, a tool, a barge-in, a transcription."""
    prefix = "conversation.item.input_audio_transcription"
    item = call_item("completed")
    details = {"type": "cancelled", "reason": "turn_detected"}
    cancelled = {"id": "resp_3", "status": "cancelled", "status_details": details}
    return [
        *turn("item_0"),
        *reply("resp_1", "item_1", "One ", "moment."),
        e(f"{prefix}.delta", item_id="item_0", delta="What "),
        e(f"{prefix}.completed", item_id="item_0", transcript="What time is it?"),
        e("conversation.item.added", item=call_item("in_progress"), previous_item_id="item_1"),
        e("response.output_item.done", response_id="resp_1", item=item),
        e("conversation.item.done", item=item),
        e("response.done", response={"id": "resp_2", "status": "completed", "output": [item]}),
        *turn("item_2"),
        *reply("resp_3", "item_3", "It is ", "noon.")[:8],
        e("output_audio_buffer.cleared", response_id="resp_3"),
        e("conversation.item.truncated", item_id="item_3", audio_end_ms=300),
        e("conversation.item.done", item={"id": "item_3", "role": "assistant"}),
        e("response.done", response=cancelled),
        e("conversation.item.deleted", item_id="item_3"),
    ]


@settings(max_examples=examples(200), deadline=None)
@given(st.data())
def test_events_in_any_order_twice_or_never_tell_each_fact_once(data: st.DataObject) -> None:
    events = session_of_events()
    numbers = data.draw(st.lists(st.integers(0, len(events) - 1), max_size=3 * len(events)))
    reducer = Reducer()
    facts = run(reducer, [events[number] for number in numbers])
    facts += reducer.tick(10**12) + reducer.close()
    assert reducer.assistant == "idle"
    once: list[tuple[Any, ...]] = []
    for fact in facts:
        match fact:
            case ItemAdded() | ItemDone() | ItemVoiced() | ItemDeleted() | Transcribed():
                once.append((type(fact), fact.item))
            case TurnCommitted() | SpeechStarted() | SpeechStopped():
                once.append((type(fact), fact.item))
            case ItemTruncated():
                once.append((ItemTruncated, fact.item, fact.audio_end_ms))
            case ToolCalled():
                once.append((ToolCalled, fact.call))
            case ResponseEnded():  # The true end may follow one that was inferred.
                once.append((ResponseEnded, fact.response, fact.inferred))
            case ResponseStarted() | PlaybackStarted() | PlaybackEnded():
                once.append((type(fact), fact.response))
            case Caption(final=True):
                once.append((Caption, fact.item))
    assert len(set(once)) == len(once)
    for kind in (ItemAdded, ItemDone):
        told = {entry[1] for entry in once if entry[0] is kind}
        assert told <= {"item_0", "item_1", "item_2", "item_3", "item_5"}


def test_close_ends_open_captions() -> None:
    reducer = Reducer()
    run(reducer, reply("resp_1", "item_1", "Half a")[:6])
    assert reducer.close() == [
        Caption("assistant", "item_1", "Half a", True),
        AssistantChanged("idle"),
    ]
    assert run(reducer, reply("resp_2", "item_2", "Whole.")[:9])[-1:] != []
    assert Caption("assistant", "item_2", "Whole.", True) in reducer.close()


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
    (caption,) = CaptionBook().done("a", "i", "x" * MAX_SHOWN_CHARS + "end")
    assert len(caption.text) == MAX_SHOWN_CHARS
    assert caption.text.startswith("…") and caption.text.endswith("end")


def test_a_turn_that_times_out_while_somebody_speaks_is_over() -> None:
    facts = run(
        Reducer(),
        [
            e("input_audio_buffer.speech_started", audio_start_ms=0),
            e("input_audio_buffer.timeout_triggered", audio_start_ms=0, audio_end_ms=9_000),
        ],
    )
    assert [fact for fact in facts if isinstance(fact, SpeechStopped)] == [SpeechStopped("")]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5_000])
def test_messages_that_cannot_be_read_are_no_events(text: str) -> None:
    assert event_of(text) is None
    drafts = CallDrafts()
    drafts.arguments_delta({"item_id": "i", "response_id": "r", "call_id": "c", "delta": text})
    assert len(drafts.over("r", complete=True)) <= 1


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ({"error": "Oh."}, "unknown", "Oh."),
        ({"error": [{"message": "Oh."}]}, "unknown", "Oh."),
        ({"error": {"code": 429, "message": {"text": "Oh."}}}, "unknown", "Oh."),
        ({"error": {"detail": "Oh."}}, "unknown", "Oh."),
        ({"message": "Oh.", "code": "full"}, "full", "Oh."),
        ({"error": None}, "unknown", ""),
        ({"error": {"error": {"code": "full", "message": "Oh."}}}, "full", "Oh."),
    ],
)
def test_an_error_of_another_shape_is_read_too(
    content: dict[str, Any], code: str, words: str
) -> None:
    (fact,) = Reducer().feed(e("error", **content), 0)
    assert isinstance(fact, ServerError) and (fact.code, fact.message) == (code, words)


@pytest.mark.parametrize("told", [2, 3, 4])
def test_a_turn_whose_answer_nobody_wants_any_more_is_not_waited_for(told: int) -> None:
    """Whatever is told of it later."""
    reducer = Reducer()
    events = turn("item_1")
    run(reducer, events[:told])
    assert reducer.assistant == "thinking" and reducer.unanswered_ns is not None
    assert reducer.answer_withdrawn() == [AssistantChanged("idle")]
    assert reducer.unanswered_ns is None
    assert reducer.answer_withdrawn() == []
    run(reducer, events[told:])
    assert reducer.unanswered_ns is None
    run(reducer, turn("item_2"))
    assert reducer.unanswered_ns is not None
