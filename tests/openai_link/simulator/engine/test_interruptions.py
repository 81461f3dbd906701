"""Replies that are interrupted, cancelled, stopped or refused."""

from __future__ import annotations

import base64
from dataclasses import replace

from mixer_core.bus.pcm import FRAME_BYTES, SILENCE
from openai_link.simulator.brains.tone import ToneBrain
from tests.openai_link.simulator.support import LOUD, REGULAR, Session, text_item


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


def test_only_sound_of_the_assistant_can_be_truncated() -> None:
    """Not what people said, and not what the assistant wrote."""
    session = Session({"output_modalities": ["text"]}, ToneBrain(2_000))
    session.write("Hello.")
    session.send(type="response.create")
    session.until("response.done")
    for event in session.all("conversation.item.added"):
        [error] = session.send(
            type="conversation.item.truncate",
            item_id=event["item"]["id"],
            content_index=0,
            audio_end_ms=0,
        )
        assert error["error"]["code"] == "unsupported_content_type"
        message = "Only model output audio messages can be truncated"
        assert error["error"]["message"] == message
