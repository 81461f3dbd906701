"""The engine over WebSocket: audio in events, no output buffer, the client truncates."""

from __future__ import annotations

import base64
import math
from array import array
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from mixer_core.bus.pcm import SILENCE
from openai_link.simulator.brains.script import ScriptBrain, packaged_script
from openai_link.simulator.brains.sounds import tone
from openai_link.simulator.brains.tone import ToneBrain
from openai_link.simulator.engine.g711 import decoder_for, encoder_for
from tests.openai_link.simulator.support import GREETING, LOUD, REGULAR, Json, Session

WEBSOCKET = replace(REGULAR, transport="websocket")
DELTA = "response.output_audio.delta"


def test_the_same_answer_differs_in_how_its_sound_leaves_only() -> None:
    counts: list[Counter[str]] = []
    for options in (REGULAR, WEBSOCKET):
        session = Session(brain=ScriptBrain.parse(packaged_script()), options=options)
        session.send(type="response.create")
        session.wait(300)
        session.automaton.end()
        counts.append(Counter(event["type"] for event in session.events))
    webrtc, websocket = counts
    assert websocket.pop(DELTA) > 0 and DELTA not in webrtc
    assert webrtc.pop("output_audio_buffer.started") == 1
    assert webrtc.pop("output_audio_buffer.stopped") == 1
    assert webrtc == websocket


def test_sound_comes_whole_after_the_first_words_and_faster_than_it_is_played() -> None:
    session = Session(options=WEBSOCKET)
    session.send(type="response.create")
    session.wait(20)
    kinds = session.kinds()
    assert kinds.index("response.output_audio_transcript.delta") < kinds.index(DELTA)
    sound = b"".join(base64.b64decode(event["delta"]) for event in session.all(DELTA))
    assert sound == GREETING
    assert set(session.spoken) == {SILENCE}
    assert all("obfuscation" not in event for event in session.all(DELTA))


def test_speaking_over_it_cancels_and_the_client_truncates_to_what_it_played() -> None:
    options = replace(WEBSOCKET, generation_speed=2.0)
    session = Session(brain=ToneBrain(20_000), options=options)
    session.send(type="response.create")
    session.hear(SILENCE, 100)
    session.events.clear()
    heard = session.hear(LOUD, 4)
    kinds = session.kinds(heard)
    assert kinds[0] == "input_audio_buffer.speech_started" and kinds[-2] == "response.done"
    assert not [k for k in kinds if k.startswith("output_audio_buffer") or "truncated" in k]
    done = session.last("response.done")["response"]
    assert done["status_details"]["reason"] == "turn_detected"
    where = {"item_id": done["output"][0]["id"], "content_index": 0}
    [cut] = session.send(type="conversation.item.truncate", **where, audio_end_ms=1_000)
    assert cut["audio_end_ms"] == 1_000
    [shorter] = session.send(type="conversation.item.truncate", **where, audio_end_ms=400)
    assert shorter["audio_end_ms"] == 400
    [error] = session.send(type="conversation.item.truncate", **where, audio_end_ms=401)
    assert error["error"]["code"] == "invalid_value"
    [nothing] = session.send(type="conversation.item.truncate", **where, audio_end_ms=0)
    assert nothing["type"] == "conversation.item.truncated"
    [again] = session.send(type="conversation.item.truncate", **where, audio_end_ms=0)
    assert again["type"] == "conversation.item.truncated"
    [error] = session.send(
        type="conversation.item.truncate", **{**where, "content_index": 1}, audio_end_ms=0
    )
    assert error["error"]["code"] == "invalid_value"


def test_the_output_buffer_is_no_part_of_this_transport() -> None:
    [error] = Session(options=WEBSOCKET).send(type="output_audio_buffer.clear")
    assert (error["error"]["code"], error["error"]["param"]) == ("invalid_value", "type")


def test_the_idle_timeout_waits_until_the_client_must_have_played_everything() -> None:
    detection = {"type": "server_vad", "idle_timeout_ms": 5_000}
    audio: Json = {"input": {"turn_detection": detection}}
    session = Session({"audio": audio}, ToneBrain(6_000), WEBSOCKET)
    session.send(type="response.create")
    session.hear(SILENCE, 540)
    assert not session.all("input_audio_buffer.timeout_triggered")
    session.hear(SILENCE, 15)
    assert session.all("input_audio_buffer.timeout_triggered")


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_telephone_formats_work_both_ways(kind: Any) -> None:
    form = {"type": kind}
    audio: Json = {"input": {"format": form, "turn_detection": None}, "output": {"format": form}}
    session = Session({"audio": audio}, options=WEBSOCKET)
    spoken = tone(200, 300.0)
    data = base64.b64encode(encoder_for(kind)(spoken)).decode()
    assert len(base64.b64decode(data)) == 200 * 8
    session.send(type="input_audio_buffer.append", audio=data)
    session.send(type="input_audio_buffer.commit")
    session.send(type="response.create")
    session.wait(50)
    sound = b"".join(base64.b64decode(event["delta"]) for event in session.all(DELTA))
    heard = array("h", decoder_for(kind)(sound))
    wanted = array("h", spoken)
    error = [a - b for a, b in zip(heard, wanted, strict=True)]
    assert math.hypot(*error) < 0.15 * math.hypot(*wanted)


def test_the_codes_of_g711_are_those_of_the_standard() -> None:
    ulaw, alaw = encoder_for("audio/pcmu"), encoder_for("audio/pcma")
    assert ulaw(bytes(6)) == b"\xff" and alaw(bytes(6)) == b"\xd5"
    loudest = array("h", [32_767] * 3).tobytes()
    assert ulaw(loudest) == b"\x80" and alaw(loudest) == b"\xaa"
    for kind in ("audio/pcmu", "audio/pcma"):
        codes = bytes(range(256))
        again = encoder_for(kind)(decoder_for(kind)(codes))
        assert sum(a != b for a, b in zip(codes, again, strict=True)) <= 1  # Two zeros.
