"""What the server confirms, compared with what it was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from openai_link.realtime.confirmed import differences, is_model, model_of, transcription_model_of
from openai_link.realtime.session_object import session_object
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.engine.session_config import create_session, echo
from tests.openai_link.simulator.scripted import TOOLS

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("asked", "given", "same"),
    [
        ("gpt-realtime-2.1", "gpt-realtime-2.1", True),
        ("gpt-realtime", "gpt-realtime-2025-08-28", True),
        ("gpt-realtime", "gpt-realtime-20250828", True),
        ("gpt-realtime", "gpt-realtime-2025-08", True),
        ("openai/gpt-realtime-2.1", "gpt-realtime-2.1-2026-09-01", True),
        ("openai/gpt-realtime-2.1", "openai/gpt-realtime-2.1", True),
        ("gpt-realtime-2.1", "gpt-realtime-2.1-mini", False),
        ("gpt-realtime-2.1", "gpt-realtime-2.1-mini-2026-09-01", False),
        ("gpt-realtime-2", "gpt-realtime-2.1", False),
        ("gpt-realtime-2.1", "gpt-realtime", False),
        ("gpt-realtime-2025-08-28", "gpt-realtime", False),
        ("gpt-realtime", "gpt-realtime-1900-01-01", False),
        ("gpt-realtime", "azure/gpt-realtime", False),
    ],
)
def test_a_dated_snapshot_is_the_model_and_nothing_else_is(
    asked: str, given: str, same: bool
) -> None:
    assert is_model(asked, given) is same


MODES: tuple[Json, ...] = (
    {},
    {"turn_detection": "push_to_talk"},
    {"turn_detection": "semantic_vad"},
    {"transcription_model": "gpt-4o-transcribe", "transcription_language": "de"},
    {"output": "text", "idle_timeout_ms": 6_000, "vad_threshold": 0.3},
    {"create_response": False, "interrupt_response": False},
)


@pytest.mark.parametrize("mode", MODES)
def test_the_service_itself_confirms_what_is_asked(mode: Json) -> None:
    asked = session_object(OpenaiLinkSettings(**mode), TOOLS)
    given = echo(create_session("sess_1", 99, asked))
    assert differences(asked, given) == []
    assert model_of(given) == asked["model"]
    assert transcription_model_of(given) == mode.get("transcription_model", "")


def changed(session: Json, *path: str, value: Any) -> Json:
    first, *rest = path
    inner = changed(session[first], *rest, value=value) if rest else value
    return {**session, first: inner}


IN, OUT = ("audio", "input"), ("audio", "output")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ((*OUT, "voice"), "alloy", "the voice alloy instead of marin"),
        ((*OUT, "voice"), {"id": "voice_1"}, "the voice voice_1 instead of marin"),
        ((*OUT, "format"), {"type": "audio/pcmu"}, "the output format audio/pcmu"),
        ((*IN, "format"), {"type": "audio/pcma"}, "the input format audio/pcma"),
        (("output_modalities",), ["text"], "the answers in text instead of audio"),
        ((*IN, "turn_detection"), None, "the turn detection none instead of server_vad"),
        (
            (*IN, "turn_detection"),
            {"type": "semantic_vad"},
            "the turn detection semantic_vad instead of server_vad",
        ),
        (
            (*IN, "turn_detection", "create_response"),
            False,
            "create_response False instead of True",
        ),
        (
            (*IN, "turn_detection", "silence_duration_ms"),
            200,
            "silence_duration_ms 200 instead of 500",
        ),
        ((*IN, "transcription"), None, "the transcription by none instead of gpt-4o-transcribe"),
        (
            (*IN, "transcription", "model"),
            "whisper-1",
            "the transcription by whisper-1 instead of gpt-4o-transcribe",
        ),
        (("tools",), [], "without the tools get_time, lamp"),
        (("tools",), TOOLS[:1], "without the tools lamp"),
    ],
)
def test_every_difference_is_named(path: tuple[str, ...], value: Any, words: str) -> None:
    settings = OpenaiLinkSettings(transcription_model="gpt-4o-transcribe")
    asked = session_object(settings, TOOLS)
    given = changed(echo(create_session("sess_1", 99, asked)), *path, value=value)
    (difference,) = differences(asked, given)
    assert difference.startswith(words)


def test_what_is_not_said_and_what_nobody_can_mean_is_no_difference() -> None:
    asked = session_object(OpenaiLinkSettings(transcription_model="whisper-1"), TOOLS)
    for given in (
        {},
        {"audio": None, "tools": None, "output_modalities": None},
        {"audio": {"input": {}, "output": {"voice": None, "format": None}}},
        {"audio": {"input": {"turn_detection": {}}}, "model": 7},
    ):
        assert differences(asked, given) == [] and model_of(given) == ""
    assert differences(asked, {"tools": []}, with_tools=False) == []


def test_beta_servers_name_text_beside_sound() -> None:
    asked = session_object(OpenaiLinkSettings())
    assert differences(asked, {"output_modalities": ["text", "audio"]}) == []


def test_many_tools_are_counted() -> None:
    tools = [{"type": "function", "name": f"tool_{number}"} for number in range(20)]
    (difference,) = differences({"tools": tools}, {"tools": []})
    assert difference.endswith("tool_7 and 12 more")


def test_a_number_that_no_float_holds_is_another_one() -> None:
    asked = session_object(OpenaiLinkSettings(vad_threshold=0.5))
    given = echo(create_session("sess_1", 99, asked))
    given["audio"]["input"]["turn_detection"]["threshold"] = 10**400
    (found,) = differences(asked, given)
    assert found.startswith("threshold 1000") and found.endswith("instead of 0.5")
