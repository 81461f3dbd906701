"""Transcripts of the user's speech: words, times, usage."""

from __future__ import annotations

from typing import Any

import pytest

from mixer_core.bus.pcm import SILENCE
from openai_link.simulator.brains.script import ScriptBrain
from tests.openai_link.simulator.support import LOUD, Json, Session

KIND = "conversation.item.input_audio_transcription"
WORDS = "Please tell me what you can hear in this room today."


def heard(kind: str, model: str = "gpt-transcribe", wanted: Json | None = None) -> Session:
    """One spoken turn of 1 s, and 5 s of silence."""
    script = f"""
        [[recognition]]
        turn = 1
        text = "{WORDS}"
        transcription = "{kind}"
        [[rule]]
        say = "You said: {{text}}"
    """
    audio = {"input": {"transcription": {"model": model}}}
    session = Session({"audio": audio, **(wanted or {})}, ScriptBrain.parse(script))
    session.hear(LOUD, 50)
    session.hear(SILENCE, 250)
    return session


def at(session: Session, kind: str) -> int:
    return next(i for i, event in enumerate(session.events) if event["type"] == kind)


def test_a_transcript_comes_beside_the_answer_and_adds_up() -> None:
    session = heard("normal")
    deltas = session.all(f"{KIND}.delta")
    assert len(deltas) > 3 and all(event["obfuscation"] for event in deltas)
    assert "".join(event["delta"] for event in deltas) == WORDS
    completed = session.last(f"{KIND}.completed")
    assert completed["transcript"] == WORDS
    usage = completed["usage"]
    assert usage["type"] == "tokens"
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert at(session, "response.created") < at(session, f"{KIND}.completed")
    item_id = session.last("input_audio_buffer.committed")["item_id"]
    assert {event["item_id"] for event in [*deltas, completed]} == {item_id}
    [retrieved] = session.send(type="conversation.item.retrieve", item_id=item_id)
    assert retrieved["item"]["content"][0]["transcript"] == WORDS
    done = session.last("response.output_audio_transcript.done")
    assert done["transcript"] == f"[simulator] You said: {WORDS}"


def test_an_early_transcript_begins_before_the_turn_has_ended() -> None:
    session = heard("early", "gpt-realtime-whisper")
    first = at(session, f"{KIND}.delta")
    assert first < at(session, "input_audio_buffer.speech_stopped")
    assert "".join(event["delta"] for event in session.all(f"{KIND}.delta")) == WORDS
    assert session.last(f"{KIND}.completed")["transcript"] == WORDS


def test_a_late_transcript_comes_after_the_answer_is_complete() -> None:
    session = heard("late", "whisper-1")
    assert at(session, "response.done") < at(session, f"{KIND}.delta")
    assert len(session.all(f"{KIND}.delta")) == 1
    assert session.last(f"{KIND}.completed")["usage"]["type"] == "duration"


def test_an_empty_and_a_failed_transcript() -> None:
    empty = heard("empty")
    assert not empty.all(f"{KIND}.delta")
    assert empty.last(f"{KIND}.completed")["transcript"] == ""
    failed = heard("failed")
    assert not failed.all(f"{KIND}.completed")
    assert failed.last(f"{KIND}.failed")["error"]["code"] == "audio_unintelligible"


def test_speakers_and_probabilities_where_they_were_asked_for() -> None:
    session = heard("normal", "gpt-4o-transcribe-diarize")
    segment = session.last(f"{KIND}.segment")
    assert (segment["text"], segment["speaker"], segment["start"]) == (WORDS, "A", 0.0)
    include: Any = ["item.input_audio_transcription.logprobs"]
    session = heard("normal", wanted={"include": include})
    assert session.last(f"{KIND}.completed")["logprobs"][0]["token"] == "Please"


def test_a_turn_that_is_thrown_away_has_no_transcript() -> None:
    script = f'[[recognition]]\ntext = "{WORDS}"\ntranscription = "early"\n[[rule]]\nsay = "x"'
    audio = {"input": {"transcription": {"model": "gpt-realtime-whisper"}}}
    session = Session({"audio": audio}, ScriptBrain.parse(script))
    session.hear(LOUD, 5)
    session.send(type="input_audio_buffer.clear")
    session.hear(SILENCE, 100)
    assert not session.all(f"{KIND}.delta")


@pytest.mark.parametrize("eagerness", ["low", "medium", "high", "auto"])
def test_semantic_detection_waits_as_long_as_it_is_patient(eagerness: str) -> None:
    detection = {"type": "semantic_vad", "eagerness": eagerness}
    session = Session({"audio": {"input": {"turn_detection": detection}}})
    session.hear(LOUD, 10)
    session.hear(SILENCE, 100)
    stopped = session.last("input_audio_buffer.speech_stopped")
    waits = {"low": 1_500, "medium": 800, "auto": 800, "high": 400}
    assert stopped["audio_end_ms"] == 200 + waits[eagerness]
