"""Turns: by voice activity, by commit, from appended audio."""

from __future__ import annotations

import base64
from array import array

from mixer_core.bus.pcm import SILENCE
from tests.openai_link.simulator.support import (
    GREETING,
    LOUD,
    REPLY_ORDER,
    Session,
    without_playback,
)


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


PUSH_TO_TALK = {"audio": {"input": {"turn_detection": None}}}
