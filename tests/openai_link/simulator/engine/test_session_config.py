"""The session object: all fields, merging, rejected updates, locks, transcription sessions."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.pcm import SILENCE
from openai_link.simulator.brains.tone import ToneBrain
from openai_link.simulator.engine import session_config
from openai_link.simulator.engine.refusals import Refusal
from tests.openai_link.simulator.support import LOUD, Json, Session

FUNCTION: Json = {"type": "function", "name": "f", "parameters": {"type": "object"}}
MCP: Json = {
    "type": "mcp",
    "server_label": "docs",
    "connector_id": "connector_gmail",
    "require_approval": {"never": {"tool_names": ["search"]}},
}
EVERYTHING: Json = {
    "type": "realtime",
    "model": "gpt-realtime-2.1",
    "output_modalities": ["text"],
    "instructions": "Be brief.",
    "tools": [FUNCTION, MCP],
    "tool_choice": {"type": "function", "name": "f"},
    "parallel_tool_calls": True,
    "reasoning": {"effort": "low"},
    "max_output_tokens": 4_096,
    "truncation": {
        "type": "retention_ratio",
        "retention_ratio": 0.8,
        "token_limits": {"post_instructions": 8_000},
    },
    "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}},
    "prompt": {"id": "pmpt_1", "version": "2", "variables": {"x": "y"}},
    "include": ["item.input_audio_transcription.logprobs"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24_000},
            "noise_reduction": {"type": "far_field", "strength": 0.5},
            "transcription": {
                "model": "gpt-transcribe",
                "language": "de",
                "prompt": "Names",
                "languages": ["de", "en"],
                "keywords": ["mixminus"],
                "delay": "minimal",
            },
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.4,
                "prefix_padding_ms": 200,
                "silence_duration_ms": 400,
                "idle_timeout_ms": 6_000,
                "create_response": False,
                "interrupt_response": False,
            },
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": {"id": "voice_1"}, "speed": 1.2},
    },
}
ORDER = [
    *("type", "object", "id", "model", "output_modalities", "instructions", "tools"),
    *("tool_choice", "max_output_tokens", "tracing", "truncation", "prompt", "expires_at"),
    *("audio", "include"),
]


def update(session: Json, wanted: Json) -> Json:
    wanted = {"type": "realtime", **wanted}
    return session_config.update_session(session, wanted, voice_locked=False)


def made(**wanted: Any) -> Json:
    return session_config.create_session("sess_1", 7, {"type": "realtime", **wanted})


def test_every_field_is_taken_over_and_echoed_in_the_order_of_the_service() -> None:
    shown = Session(EVERYTHING).events[0]["session"]
    assert list(shown) == ORDER
    assert shown["tools"] == [{"description": None, **FUNCTION}, MCP]
    for key in set(EVERYTHING) - {"tools", "audio", "parallel_tool_calls", "reasoning"}:
        assert shown[key] == EVERYTHING[key], key
    assert shown["audio"] == EVERYTHING["audio"]


def test_an_update_merges_deeply_but_replaces_what_is_one_value() -> None:
    session = made(**{k: v for k, v in EVERYTHING.items() if k not in ("type", "tracing")})
    wanted: Json = {
        "tool_choice": {"type": "mcp", "server_label": "docs"},
        "truncation": "disabled",
        "audio": {
            "output": {"format": {"type": "audio/pcm"}, "voice": "cedar"},
            "input": {"noise_reduction": None, "transcription": {"model": "whisper-1"}},
        },
        "tools": [],
        "instructions": "",
    }
    after = update(session, wanted)
    assert after["tool_choice"] == wanted["tool_choice"]
    assert after["truncation"] == "disabled" and after["tools"] == []
    assert after["audio"]["output"] == {
        "format": {"type": "audio/pcm", "rate": 24_000},
        "voice": "cedar",
        "speed": 1.2,
    }
    assert after["audio"]["input"]["noise_reduction"] is None
    before = EVERYTHING["audio"]["input"]
    assert after["audio"]["input"]["transcription"] == {
        **before["transcription"],
        "model": "whisper-1",
    }
    assert after["audio"]["input"]["turn_detection"] == before["turn_detection"]


@given(st.data())
def test_what_an_update_does_not_name_stays(data: st.DataObject) -> None:
    keys = ["instructions", "tools", "max_output_tokens", "include", "prompt", "output_modalities"]
    chosen = data.draw(st.sets(st.sampled_from(keys)))
    before = made()
    after = update(before, {key: EVERYTHING[key] for key in chosen})
    for key in set(before) - chosen:
        assert after[key] == before[key]


@pytest.mark.parametrize(
    ("wanted", "code", "param"),
    [
        ({"temperature": 0.8}, "unknown_parameter", "session.temperature"),
        ({"audio": {"input": {"x": 1}}}, "unknown_parameter", "session.audio.input.x"),
        ({"audio": {"output": {"voice": "bob"}}}, "invalid_value", "session.audio.output.voice"),
        ({"model": "gpt-realtime-2"}, "invalid_value", "session.model"),
        ({"type": "transcription"}, "invalid_value", "session.type"),
        ({"tools": [{"name": "f"}]}, "missing_required_parameter", "session.tools[0].type"),
        ({"tools": [{"type": "x"}]}, "invalid_value", "session.tools[0].type"),
        ({"tools": [{"type": "mcp"}]}, "missing_required_parameter", None),
        ({"tools": [{**FUNCTION, "x": 1}]}, "unknown_parameter", "session.tools[0].x"),
        ({"tool_choice": "maybe"}, "invalid_value", "session.tool_choice"),
        ({"truncation": {"type": "retention_ratio"}}, "invalid_value", "session.truncation"),
        ({"tracing": {"x": 1}}, "invalid_value", "session.tracing"),
        ({"prompt": {}}, "invalid_value", "session.prompt"),
        ({"include": ["x"]}, "invalid_value", "session.include"),
        ({"reasoning": {"effort": "huge"}}, "invalid_value", "session.reasoning.effort"),
        ({"parallel_tool_calls": 1}, "invalid_value", "session.parallel_tool_calls"),
        (
            {"audio": {"input": {"turn_detection": {"idle_timeout_ms": 10}}}},
            "invalid_value",
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "x"}}}},
            "invalid_value",
            "session.audio.input.turn_detection.eagerness",
        ),
        (
            {"audio": {"input": {"noise_reduction": {"type": "x"}}}},
            "invalid_value",
            "session.audio.input.noise_reduction.type",
        ),
    ],
)
def test_an_update_with_one_fault_is_lost_whole(wanted: Json, code: str, param: str | None) -> None:
    session = made()
    before = copy.deepcopy(session)
    with pytest.raises(Refusal) as caught:
        update(session, {"instructions": "new", **wanted})
    assert caught.value.code == code
    assert param in (None, caught.value.param)
    assert session == before


def test_tracing_stays_once_set_and_a_small_model_does_not_reason() -> None:
    session = update(made(), {"tracing": "auto"})
    assert update(session, {"tracing": "auto"})["tracing"] == "auto"
    with pytest.raises(Refusal):
        update(session, {"tracing": None})
    with pytest.raises(Refusal):
        made(model="gpt-realtime-1.5", reasoning={"effort": "low"})


def test_the_speed_waits_for_the_end_of_the_response() -> None:
    session = Session(brain=ToneBrain(5_000))
    session.send(type="response.create")
    faster = {"type": "realtime", "audio": {"output": {"speed": 1.5}}}
    [error] = session.send(type="session.update", session=faster)
    assert error["error"]["param"] == "session.audio.output.speed"
    session.wait(100)
    [updated] = session.send(type="session.update", session=faster)
    assert updated["session"]["audio"]["output"]["speed"] == 1.5


def test_a_transcription_session_only_writes_down() -> None:
    wanted: Json = {
        "type": "transcription",
        "audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}}},
    }
    session = Session(wanted)
    shown = session.events[0]["session"]
    assert (shown["type"], shown["object"]) == (
        "transcription",
        "realtime.transcription_session",
    )
    assert set(shown) == {"type", "object", "id", "expires_at", "audio", "include"}
    assert set(shown["audio"]) == {"input"}
    session.hear(LOUD, 20)
    session.hear(SILENCE, 60)
    kind = "conversation.item.input_audio_transcription"
    assert session.kinds()[1:] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        f"{kind}.delta",
        f"{kind}.completed",
    ]
    for event in ("response.create", "conversation.item.create"):
        [error] = session.send(type=event)
        assert error["error"]["code"] == "invalid_value"
    later = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    [updated] = session.send(type="session.update", session=later)
    assert updated["session"]["audio"]["input"]["turn_detection"] is None
    [error] = session.send(type="session.update", session={**later, "instructions": "x"})
    assert error["error"]["code"] == "unknown_parameter"


def test_changing_the_kind_of_turn_detection_brings_its_own_defaults() -> None:
    session = session_config.create_session("sess_1", 0, {"type": "realtime"})

    def with_detection(session: session_config.Json, value: object) -> session_config.Json:
        wanted = {"type": "realtime", "audio": {"input": {"turn_detection": value}}}
        return session_config.update_session(session, wanted, voice_locked=False)

    semantic = with_detection(session, {"type": "semantic_vad", "eagerness": "low"})
    assert semantic["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "low",
        "create_response": True,
        "interrupt_response": True,
    }
    off = with_detection(semantic, None)
    assert off["audio"]["input"]["turn_detection"] is None
    on = with_detection(off, {"type": "server_vad", "threshold": 0.4})
    assert on["audio"]["input"]["turn_detection"]["threshold"] == 0.4
    assert on["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("output_modalities", ["audio", "text"]),
        ("max_output_tokens", 0),
        ("tools", {}),
        ("instructions", 7),
        ("type", "translation"),
        ("audio", {"output": {"speed": 2}}),
        ("audio", {"input": {"turn_detection": {"type": "none"}}}),
        ("audio", {"input": {"turn_detection": {"threshold": True}}}),
        ("audio", 7),
    ],
)
def test_a_value_outside_of_its_range_is_named(path: str, value: object) -> None:
    with pytest.raises(Refusal) as caught:
        session_config.create_session("sess_1", 0, {"type": "realtime", path: value})
    assert caught.value.code == "invalid_value"
    assert str(caught.value.param).startswith(f"session.{path}")
