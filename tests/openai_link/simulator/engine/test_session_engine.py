"""The session engine: golden orders of events, echo to the sample, interruptions, refusals."""

from __future__ import annotations

import base64
import json
from array import array
from dataclasses import replace
from typing import Any

import pytest

from mixer_core.bus.pcm import FRAME_BYTES, SILENCE
from openai_link.simulator.brains.tone import ToneBrain
from tests.openai_link.simulator.support import GREETING, LOUD, REGULAR, Json, Session, text_item

REPLY_ORDER = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


def without_playback(kinds: list[str]) -> list[str]:
    """Order without the output buffer's events; deltas on both sides of one count once."""
    rest = [kind for kind in kinds if not kind.startswith("output_audio_buffer")]
    return [k for i, k in enumerate(rest) if i == 0 or k != rest[i - 1]]


def test_the_first_event_introduces_the_session() -> None:
    session = Session({"model": "gpt-realtime-2.1"})
    assert session.kinds() == ["session.created"]
    shown = session.events[0]["session"]
    assert (shown["id"], shown["object"], shown["model"]) == (
        "sess_1",
        "realtime.session",
        "gpt-realtime-2.1",
    )


def test_order_a_text_in_audio_out() -> None:
    session = Session()
    session.send(type="conversation.item.create", event_id="e1", item=text_item("Hello?"))
    session.send(type="response.create", event_id="e2")
    session.wait(150)
    kinds = session.kinds()[1:]
    assert kinds[:3] == ["conversation.item.added", "conversation.item.done", "response.created"]
    assert without_playback(kinds)[3:] == REPLY_ORDER
    started = kinds.index("output_audio_buffer.started")
    assert kinds.index("response.output_audio_transcript.delta") < started
    assert started < kinds.index("response.done") < kinds.index("output_audio_buffer.stopped")
    assert kinds[-1] == "output_audio_buffer.stopped"


def test_ids_link_and_the_pieces_add_up_to_the_whole() -> None:
    session = Session()
    session.send(type="conversation.item.create", item=text_item("Hello?"))
    session.send(type="response.create", response={"metadata": {"a": "b"}})
    session.wait(150)
    deltas = [e["delta"] for e in session.all("response.output_audio_transcript.delta")]
    transcript = "".join(deltas)
    assert transcript == '[simulator] You wrote: "Hello?"'
    done = session.last("response.done")["response"]
    item = done["output"][0]
    assert session.last("response.output_audio_transcript.done")["transcript"] == transcript
    assert item["content"] == [{"type": "output_audio", "transcript": transcript}]
    assert session.last("response.output_item.done")["item"] == item
    assert session.last("response.content_part.done")["part"]["transcript"] == transcript
    user, answer = session.all("conversation.item.added")
    assert (user["previous_item_id"], answer["previous_item_id"]) == (None, user["item"]["id"])
    assert answer["item"]["content"] == [] and answer["item"]["status"] == "in_progress"
    assert item["id"] == answer["item"]["id"] and item["status"] == "completed"
    assert done["metadata"] == {"a": "b"}
    assert session.last("response.created")["response"]["usage"] is None
    placed = [e for e in session.events if "content_index" in e]
    assert {(e["response_id"], e["item_id"], e["content_index"]) for e in placed} == {
        (done["id"], item["id"], 0)
    }
    ids = [event["event_id"] for event in session.events]
    assert len(set(ids)) == len(ids)
    assert len(session.last("output_audio_buffer.started")["event_id"]) == len("event_") + 16


def test_order_b_a_spoken_turn_is_repeated_to_the_sample() -> None:
    session = Session()
    session.hear(SILENCE, 50)
    words = [array("h", [1_000 * (n % 7) + 2_000, -3_000] * 240).tobytes() for n in range(40)]
    for frame in words:
        session.hear(frame)
    session.hear(SILENCE, 120)
    kinds = session.kinds()[1:]
    assert kinds[:6] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert without_playback(kinds)[6:] == REPLY_ORDER
    started, stopped = (
        session.last("input_audio_buffer.speech_started"),
        session.last("input_audio_buffer.speech_stopped"),
    )
    assert (started["audio_start_ms"], stopped["audio_end_ms"]) == (700, 2_300)
    assert started["item_id"] == stopped["item_id"]
    committed = session.last("input_audio_buffer.committed")
    assert committed["item_id"] == started["item_id"]
    user = session.all("conversation.item.added")[0]["item"]
    assert user["content"] == [{"type": "input_audio", "transcript": None}]
    spoken = b"".join(session.spoken).strip(b"\0")
    assert spoken == b"".join(words).strip(b"\0")
    audible_frames = sum(frame != SILENCE for frame in session.spoken)
    assert audible_frames == 40
    transcript = session.last("response.output_audio_transcript.done")["transcript"]
    assert transcript == "[simulator] I heard 1.2 s of speech; here it is again."


def test_without_any_turn_the_simulator_greets() -> None:
    session = Session()
    session.send(type="response.create")
    session.wait(60)
    assert b"".join(session.spoken).strip(b"\0") == GREETING.strip(b"\0")
    assert session.last("response.output_audio_transcript.done")["transcript"] == (
        "[simulator] Hello."
    )


def test_order_f_speaking_over_a_finished_reply_clears_and_truncates_it() -> None:
    session = Session(brain=ToneBrain(5_000))
    session.send(type="response.create")
    session.hear(SILENCE, 100)
    assert "response.done" in session.kinds()
    session.events.clear()
    heard = session.hear(LOUD, 5)
    assert session.kinds(heard) == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    sent_ms = 20 * sum(frame != SILENCE for frame in session.spoken)
    assert session.last("conversation.item.truncated")["audio_end_ms"] == sent_ms
    assert session.spoken[-2:] == [SILENCE, SILENCE]
    session.hear(SILENCE, 30)
    assert session.kinds()[3:6] == [
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
    ]


def test_order_g_speaking_while_it_is_generated_cancels_the_response() -> None:
    session = Session(brain=ToneBrain(60_000), options=replace(REGULAR, generation_speed=2.0))
    session.send(type="response.create")
    session.hear(SILENCE, 100)
    session.events.clear()
    heard = session.hear(LOUD, 4)
    assert session.kinds(heard) == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
        "conversation.item.truncated",
    ]
    done = session.last("response.done")["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert done["output"][0]["status"] == "incomplete"
    assert session.hear(SILENCE, 20) == []


def test_with_interruption_off_the_reply_goes_on_and_the_next_one_waits() -> None:
    detection = {"type": "server_vad", "interrupt_response": False}
    session = Session(
        {"audio": {"input": {"turn_detection": detection}}},
        brain=ToneBrain(10_000),
        options=replace(REGULAR, generation_speed=2.0),
    )
    session.send(type="response.create")
    session.hear(LOUD, 10)
    session.hear(SILENCE, 60)
    assert "input_audio_buffer.committed" in session.kinds()
    assert len(session.all("response.created")) == 1
    session.hear(SILENCE, 300)
    assert len(session.all("response.created")) == 2
    assert not session.all("output_audio_buffer.cleared")


def test_with_create_response_off_the_turn_is_only_committed() -> None:
    detection = {"type": "server_vad", "create_response": False}
    session = Session({"audio": {"input": {"turn_detection": detection}}})
    session.hear(LOUD, 10)
    session.hear(SILENCE, 100)
    assert session.kinds()[-1] == "conversation.item.done"
    session.send(type="response.create")
    session.wait(60)
    assert session.last("response.done")["response"]["status"] == "completed"


def test_a_transcription_says_how_long_the_turn_was() -> None:
    session = Session({"audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    session.hear(LOUD, 50)
    session.hear(SILENCE, 60)
    completed = session.last("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == "[simulator] 1.1 s of speech"
    assert completed["usage"] == {"type": "duration", "seconds": 1.1}


def test_order_c_text_out() -> None:
    session = Session({"output_modalities": ["text"]})
    session.send(type="conversation.item.create", item=text_item("Hi"))
    session.events.clear()
    session.send(type="response.create")
    session.wait(60)
    assert session.kinds() == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert session.last("response.output_text.done")["text"] == '[simulator] You wrote: "Hi"'
    assert set(session.spoken) == {SILENCE}


# --- push to talk --------------------------------------------------------------------------------

PUSH_TO_TALK = {"audio": {"input": {"turn_detection": None}}}


def test_push_to_talk_commits_what_was_heard_since_the_press() -> None:
    session = Session(PUSH_TO_TALK)
    session.hear(LOUD, 20)
    assert session.kinds(session.send(type="input_audio_buffer.clear")) == [
        "input_audio_buffer.cleared"
    ]
    session.hear(LOUD, 10)
    answers = session.send(type="input_audio_buffer.commit")
    assert session.kinds(answers) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert session.wait(50) == []
    session.send(type="response.create")
    session.wait(60)
    assert b"".join(session.spoken).strip(b"\0") == (LOUD * 10).strip(b"\0")


def test_a_press_under_100_ms_is_refused() -> None:
    session = Session(PUSH_TO_TALK)
    session.hear(LOUD, 4)
    [error] = session.send(type="input_audio_buffer.commit", event_id="e9")
    assert error["error"]["code"] == "input_audio_buffer_commit_empty"
    assert "only has 80.00ms" in error["error"]["message"]
    assert error["error"]["event_id"] == "e9"


def test_appended_audio_is_heard_like_any_other() -> None:
    session = Session(PUSH_TO_TALK)
    audio = base64.b64encode(LOUD * 6).decode()
    assert session.send(type="input_audio_buffer.append", audio=audio) == []
    assert session.engine.input.buffered_ms == 120
    [error] = session.send(type="input_audio_buffer.append", audio="?")
    assert error["error"]["code"] == "invalid_value"


# --- manual stop ---------------------------------------------------------------------------------


def test_the_stop_button_cancels_then_clears() -> None:
    session = Session(brain=ToneBrain(60_000), options=replace(REGULAR, generation_speed=2.0))
    session.send(type="response.create")
    session.wait(50)
    cancelled = session.send(type="response.cancel")
    assert cancelled[-2]["response"]["status_details"]["reason"] == "client_cancelled"
    assert session.kinds(session.send(type="output_audio_buffer.clear")) == [
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    assert session.send(type="output_audio_buffer.clear") == []
    terminals = session.all("output_audio_buffer.stopped") + session.all(
        "output_audio_buffer.cleared"
    )
    assert len(terminals) == len(session.all("output_audio_buffer.started")) == 1


def test_cancelling_before_the_first_word_leaves_no_item() -> None:
    session = Session()
    session.send(type="response.create")
    events = session.send(type="response.cancel")
    assert session.kinds(events) == ["response.done", "rate_limits.updated"]
    assert events[0]["response"]["output"] == []
    assert session.wait(20) == []


def test_cancelling_nothing_is_refused_with_the_same_event_id() -> None:
    session = Session()
    [error] = session.send(type="response.cancel", event_id="stop-1")
    assert error["error"]["code"] == "response_cancel_not_active"
    assert error["error"]["event_id"] == "stop-1"
    [error] = session.send(type="response.cancel")
    assert error["error"]["event_id"] is None


def test_a_second_response_is_refused_by_the_name_of_the_first_unless_it_is_out_of_band() -> None:
    session = Session()
    [created] = session.send(type="response.create")
    [error] = session.send(type="response.create")
    assert error["error"]["code"] == "conversation_already_has_active_response"
    assert created["response"]["id"] in error["error"]["message"]
    side = {"conversation": "none", "output_modalities": ["text"], "input": [text_item("aside")]}
    [created] = session.send(type="response.create", response=side)
    assert created["response"]["conversation_id"] is None
    session.wait(60)
    assert len(session.all("response.done")) == 2
    assert len(session.all("conversation.item.added")) == 1


# --- items, session, errors ----------------------------------------------------------------------


def test_a_partial_update_is_merged_and_everything_is_echoed() -> None:
    session = Session()
    before = session.events[0]["session"]
    audio = {
        "output": {"voice": "marin"},
        "input": {"turn_detection": {"silence_duration_ms": 300}},
    }
    [updated] = session.send(type="session.update", session={"type": "realtime", "audio": audio})
    after = updated["session"]
    assert after["audio"]["output"] == {**before["audio"]["output"], "voice": "marin"}
    detection = before["audio"]["input"]["turn_detection"]
    assert after["audio"]["input"]["turn_detection"] == {**detection, "silence_duration_ms": 300}
    assert {k: v for k, v in after.items() if k != "audio"} == {
        k: v for k, v in before.items() if k != "audio"
    }


def test_the_voice_is_locked_after_the_first_words_and_the_whole_update_is_lost() -> None:
    session = Session()
    session.send(type="response.create")
    session.wait(30)
    wanted = {"type": "realtime", "instructions": "new", "audio": {"output": {"voice": "cedar"}}}
    [error] = session.send(type="session.update", session=wanted)
    assert error["error"]["code"] == "cannot_update_voice"
    assert session.engine.session["instructions"] != "new"


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({}, "invalid_event", "type"),
        ({"type": "response.dance"}, "invalid_value", "type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        (
            {"type": "session.update", "session": {"voice": "x", "type": "realtime"}},
            "unknown_parameter",
            "session.voice",
        ),
        (
            {"type": "session.update", "session": {}},
            "missing_required_parameter",
            "session.type",
        ),
        ({"type": "conversation.item.delete", "item_id": "x"}, "item_delete_invalid_item_id", None),
        (
            {"type": "conversation.item.retrieve", "item_id": "x"},
            "item_retrieve_invalid_item_id",
            None,
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": 1},
            "item_truncate_invalid_item_id",
            None,
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": "call_x", "output": "1"},
            },
            "invalid_tool_call_id",
            "item.call_id",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {**text_item("x"), "id": "i" * 33},
            },
            "string_above_max_length",
            "item.id",
        ),
        ({"type": "response.create", "response": {"a": 1}}, "unknown_parameter", "response.a"),
        ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
    ],
)
def test_what_is_wrong_is_named_and_the_session_goes_on(
    event: Json, code: str, param: str | None
) -> None:
    session = Session()
    [error] = session.send(event_id="cause", **event)
    assert (error["type"], error["error"]["code"]) == ("error", code)
    assert error["error"]["param"] == param
    assert error["error"]["event_id"] == "cause"
    session.send(type="response.create")
    session.wait(40)
    assert session.last("response.done")["response"]["status"] == "completed"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"x"'])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    [error] = Session().send_text(text)
    assert error["error"]["code"] == "invalid_json"


def test_history_can_be_seeded_and_changed() -> None:
    session = Session()
    for number in range(3):
        item = {**text_item(f"text {number}"), "id": f"item_{number}"}
        session.send(type="conversation.item.create", item=item)
    call = {"type": "function_call", "name": "clock", "call_id": "c1", "arguments": "{}"}
    session.send(type="conversation.item.create", item=call)
    result = {"type": "function_call_output", "call_id": "c1", "output": '{"time": "noon"}'}
    session.send(type="conversation.item.create", item=result)
    first = {**text_item("first"), "id": "item_first"}
    [added, _] = session.send(type="conversation.item.create", item=first, previous_item_id="root")
    assert added["previous_item_id"] is None
    [deleted] = session.send(type="conversation.item.delete", item_id="item_1")
    assert deleted["item_id"] == "item_1"
    order = [item.id for item in session.engine.conversation.items[:3]]
    assert order == ["item_first", "item_0", "item_2"]
    [retrieved] = session.send(type="conversation.item.retrieve", item_id="item_2")
    assert retrieved["item"]["content"][0]["text"] == "text 2"


def test_a_truncated_reply_remembers_only_its_beginning() -> None:
    session = Session(brain=ToneBrain(2_000))
    session.send(type="response.create")
    session.wait(150)
    item_id = session.last("response.output_item.done")["item"]["id"]
    [error] = session.send(
        type="conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=2_001
    )
    assert error["error"]["message"] == "Audio content of 2000ms is already shorter than 2001ms"
    session.send(
        type="conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1_000
    )
    [retrieved] = session.send(type="conversation.item.retrieve", item_id=item_id)
    part = retrieved["item"]["content"][0]
    assert part["transcript"] == "[simulator] This is a tone"
    assert len(base64.b64decode(part["audio"])) == 50 * FRAME_BYTES


def test_usage_adds_up_grows_and_is_cached_from_the_second_response_on() -> None:
    session = Session({"instructions": "i" * 400})
    for _ in range(3):
        session.send(type="conversation.item.create", item=text_item("x" * 200))
        session.send(type="response.create")
        session.wait(60)
    usages = [event["response"]["usage"] for event in session.all("response.done")]
    for usage in usages:
        details = usage["input_token_details"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["input_tokens"] == sum(details[f"{k}_tokens"] for k in ("text", "audio"))
        assert details["cached_tokens"] % 64 == 0
        assert details["cached_tokens"] <= usage["input_tokens"]
    assert usages[0]["input_tokens"] < usages[1]["input_tokens"] < usages[2]["input_tokens"]
    assert usages[0]["input_token_details"]["cached_tokens"] == 0
    assert usages[1]["input_token_details"]["cached_tokens"] > 0
    audio_ms = 20 * sum(frame != SILENCE for frame in session.spoken) / 3
    assert usages[0]["output_token_details"]["audio_tokens"] == pytest.approx(audio_ms / 50, abs=3)


def test_a_session_expires_once_with_an_error_and_the_end_of_the_call() -> None:
    session = Session(options=replace(REGULAR, session_limit_s=1.0))
    session.wait(50)
    assert not session.ended
    session.wait(20)
    assert session.ended == "session_expired"
    assert [e["error"]["code"] for e in session.all("error")] == ["session_expired"]


def test_the_same_seed_gives_the_same_session() -> None:
    def run() -> list[Any]:
        session = Session()
        session.send(type="response.create")
        session.wait(60)
        return session.events

    assert json.dumps(run()) == json.dumps(run())
