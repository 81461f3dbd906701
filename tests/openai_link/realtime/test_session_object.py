from __future__ import annotations

import json
import typing
from typing import Any

import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeSessionCreateRequest
from pydantic import BaseModel, TypeAdapter

from mixer_core.runtime.errors import SettingsError
from openai_link.realtime.client_events import (
    MAX_ITEM_ID_CHARS,
    MAX_PREFIX_CHARS,
    ClientEvents,
    greeting,
)
from openai_link.realtime.session_object import choose_upstream, session_object
from openai_link.settings import OpenaiLinkSettings, Settings
from openai_link.simulator.settings import SimulatorSettings

CLOCK = {
    "type": "function",
    "name": "clock",
    "description": "The time.",
    "parameters": {"type": "object", "properties": {}},
}
CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)


def extras(model: Any) -> list[str]:
    """Names that the official types do not know, at any depth."""
    if isinstance(model, list):
        return [name for entry in model for name in extras(entry)]
    if not isinstance(model, BaseModel):
        return []
    found = list(model.model_extra or {})
    for name in type(model).model_fields:
        found += extras(getattr(model, name))
    return found


def all_client_events() -> list[dict[str, Any]]:
    events = ClientEvents()
    session = session_object(OpenaiLinkSettings(), [CLOCK])
    return [
        events.update_session(session),
        events.update_session({"instructions": "Be brief."}, voice_locked=True),
        events.user_text("Hello."),
        events.user_text("Hello.", item_id="item_9", after="root"),
        events.assistant_text("Hello."),
        events.system_text("It is late."),
        events.function_call("call_1", "clock", "{}"),
        events.function_output("call_1", '{"time": "12:00"}'),
        events.mcp_approval("mcpr_1", True),
        events.mcp_approval("mcpr_1", False, "Nobody said yes."),
        events.truncate("item_1", 1234),
        events.delete("item_1"),
        events.retrieve("item_1"),
        events.append(bytes(960)),
        events.commit_input(),
        events.clear_input(),
        events.clear_output(),
        events.create_response(),
        events.create_response(greeting("Be kind.")),
        events.create_aside({"instructions": "Say: one moment."}),
        events.cancel_response("resp_1"),
        events.cancel_response(),
    ]


@pytest.mark.parametrize("event", all_client_events(), ids=lambda event: event["type"])
def test_client_events_are_what_the_official_types_say(event: dict[str, Any]) -> None:
    model = CLIENT.validate_python(event)
    assert model.type == event["type"]
    assert model.event_id == event["event_id"]
    assert extras(model) == []


def test_event_ids_are_unique() -> None:
    ids = [event["event_id"] for event in all_client_events()]
    assert len(set(ids)) == len(ids)
    assert (
        ClientEvents("a").commit_input()["event_id"] != ClientEvents("b").commit_input()["event_id"]
    )


def test_every_client_event_of_the_protocol_can_be_made() -> None:
    union = typing.get_args(typing.get_args(RealtimeClientEvent)[0])
    kinds = {typing.get_args(model.model_fields["type"].annotation)[0] for model in union}
    assert {event["type"] for event in all_client_events()} == kinds


def test_an_item_has_the_id_of_its_event_unless_one_is_given() -> None:
    events = ClientEvents("x" * MAX_PREFIX_CHARS)
    event = events.user_text("Hello.")
    assert event["item"]["id"] == event["event_id"]
    assert len(event["item"]["id"]) <= MAX_ITEM_ID_CHARS
    assert events.user_text("Hello.", item_id="item_1")["item"]["id"] == "item_1"
    for prefix in ("", "x" * (MAX_PREFIX_CHARS + 1)):
        with pytest.raises(ValueError, match="prefix"):
            ClientEvents(prefix)


def test_an_update_leaves_out_what_the_server_would_refuse() -> None:
    events, session = ClientEvents(), session_object(OpenaiLinkSettings())
    early, late = events.update_session(session), events.update_session(session, voice_locked=True)
    assert early["session"]["audio"]["output"]["voice"] == "marin"
    assert "voice" not in late["session"]["audio"]["output"]
    assert "model" not in early["session"] and late["session"]["type"] == "realtime"
    assert session["audio"]["output"]["voice"] == "marin" and "model" in session


def test_the_default_session() -> None:
    session = session_object(OpenaiLinkSettings())
    assert session["output_modalities"] == ["audio"]
    assert session["audio"]["input"]["transcription"] is None
    detection = session["audio"]["input"]["turn_detection"]
    assert (detection["type"], detection["silence_duration_ms"]) == ("server_vad", 500)
    assert detection["create_response"] is detection["interrupt_response"] is True
    assert set(session) == {"type", "model", "instructions", "output_modalities", "audio"}


VARIANTS: list[tuple[dict[str, Any], str, Any]] = [
    ({"transcription_model": "m"}, "audio.input.transcription", {"model": "m"}),
    (
        {
            "transcription_model": "m",
            "transcription_language": "de",
            "transcription_prompt": "Ada",
        },
        "audio.input.transcription",
        {"model": "m", "language": "de", "prompt": "Ada"},
    ),
    ({"noise_reduction": "far_field"}, "audio.input.noise_reduction.type", "far_field"),
    ({"turn_detection": "push_to_talk"}, "audio.input.turn_detection", None),
    (
        {
            "turn_detection": "semantic_vad",
            "semantic_eagerness": "low",
            "interrupt_response": False,
        },
        "audio.input.turn_detection",
        {
            "type": "semantic_vad",
            "eagerness": "low",
            "create_response": True,
            "interrupt_response": False,
        },
    ),
    ({"create_response": False}, "audio.input.turn_detection.create_response", False),
    ({"idle_timeout_ms": 6000}, "audio.input.turn_detection.idle_timeout_ms", 6000),
    ({"output": "text"}, "output_modalities", ["text"]),
    ({"speed": 1.25}, "audio.output.speed", 1.25),
    ({"max_output_tokens": 200}, "max_output_tokens", 200),
    ({"reasoning_effort": "low"}, "reasoning", {"effort": "low"}),
    ({"truncation": "disabled"}, "truncation", "disabled"),
    (
        {"truncation": "retention_ratio", "retention_ratio": 0.7},
        "truncation",
        {"type": "retention_ratio", "retention_ratio": 0.7},
    ),
    ({"tool_choice": "required"}, "tool_choice", "required"),
    ({"parallel_tool_calls": "off"}, "parallel_tool_calls", False),
    ({"session_json": '{"tracing": "auto"}'}, "tracing", "auto"),
    (
        {"session_json": '{"audio": {"input": {"turn_detection": {"threshold": 0.9}}}}'},
        "audio.input.turn_detection.threshold",
        0.9,
    ),
    (
        {"session_json": '{"audio": {"input": {"turn_detection": null}}}'},
        "audio.input.turn_detection",
        None,
    ),
]


@pytest.mark.parametrize(("keys", "path", "value"), VARIANTS)
def test_each_setting_is_in_the_session(keys: dict[str, Any], path: str, value: Any) -> None:
    session = session_object(OpenaiLinkSettings(**keys), [CLOCK])
    model = RealtimeSessionCreateRequest.model_validate(session)
    assert extras(model) == []
    found: Any = session
    for key in path.split("."):
        found = found[key]
    assert found == value
    assert session["audio"]["output"]["voice"] == "marin"


def test_tools_of_the_settings_are_added_to_ours() -> None:
    mcp = {"type": "mcp", "server_label": "house", "server_url": "http://127.0.0.1:1"}
    text = json.dumps({"tools": [mcp]})
    session = session_object(OpenaiLinkSettings(session_json=text), [CLOCK])
    assert session["tools"] == [CLOCK, mcp]
    assert session["tool_choice"] == "auto"
    assert session_object(OpenaiLinkSettings(session_json=text))["tools"] == [mcp]
    assert extras(RealtimeSessionCreateRequest.model_validate(session)) == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"session_json": "{"}, "not valid JSON"),
        ({"session_json": "[]"}, "not a JSON object"),
        ({"session_json": '{"model": "x"}'}, "must not have model"),
        ({"session_json": '{"audio": {"output": {"format": {}}}}'}, "audio.output.format"),
        ({"session_json": '{"audio": []}'}, "audio is an object"),
        ({"session_json": '{"audio": {"input": null}}'}, "audio.input is an object"),
        ({"session_json": '{"tools": {}}'}, "list"),
        ({"idle_timeout_ms": 100}, "5000 to 30000"),
        ({"idle_timeout_ms": 6000, "turn_detection": "semantic_vad"}, "server_vad only"),
        ({"base_url": "api.openai.com/v1"}, "base_url"),
        ({"base_url": "https://[x/v1"}, "base_url"),
        ({"base_url": "https://h/v1?x=1"}, "base_url"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_the_start(
    keys: dict[str, Any], message: str
) -> None:
    settings = Settings(openai_link=OpenaiLinkSettings(**keys))
    with pytest.raises(SettingsError, match=message):
        choose_upstream(settings, "sk-x")


def test_without_a_key_the_simulator_answers() -> None:
    upstream = choose_upstream(Settings(), "")
    assert (upstream.name, upstream.base_url) == ("simulator", "http://127.0.0.1:8765/v1")
    assert upstream.simulated and upstream.is_local and upstream.api_key


def test_with_a_key_openai_answers() -> None:
    upstream = choose_upstream(Settings(), "sk-secret")
    assert (upstream.name, upstream.base_url) == ("openai", "https://api.openai.com/v1")
    assert not upstream.simulated and not upstream.is_local
    assert "sk-secret" not in repr(upstream)


def test_the_real_key_never_goes_to_the_simulator() -> None:
    settings = Settings(
        openai_link=OpenaiLinkSettings(upstream="simulator"),
        simulator=SimulatorSettings(http_host="0.0.0.0", http_port=9000),
    )
    upstream = choose_upstream(settings, "sk-secret")
    assert upstream.base_url == "http://127.0.0.1:9000/v1"
    assert upstream.api_key != "sk-secret"


def test_another_server_is_named_by_its_host() -> None:
    settings = Settings(openai_link=OpenaiLinkSettings(base_url="http://127.0.0.1:9/v1/"))
    upstream = choose_upstream(settings, "sk-x")
    assert (upstream.name, upstream.base_url) == ("127.0.0.1", "http://127.0.0.1:9/v1")
    assert upstream.is_local and not upstream.simulated


@pytest.mark.parametrize(
    ("auth", "own", "secret"),
    [
        ("api_key", {"Authorization": "Bearer sk-x"}, {"Authorization": "Bearer ek_1"}),
        ("ephemeral", {"Authorization": "Bearer sk-x"}, {"Authorization": "Bearer ek_1"}),
        ("azure", {"api-key": "sk-x"}, {"Authorization": "Bearer ek_1"}),
    ],
)
def test_each_form_of_access_has_its_headers(
    auth: Any, own: dict[str, str], secret: dict[str, str]
) -> None:
    url = "https://room.openai.azure.com/openai/v1"
    link = OpenaiLinkSettings(auth=auth, base_url=url, model="my model")
    upstream = choose_upstream(Settings(openai_link=link), "sk-x")
    assert upstream.headers() == upstream.headers("sk-x") == own
    assert upstream.headers("ek_1") == secret
    assert upstream.ephemeral is (auth != "api_key")
    assert upstream.websocket_url == (
        "wss://room.openai.azure.com/openai/v1/realtime?model=my+model"
    )


def test_the_simulator_takes_bearer_tokens_whatever_is_set() -> None:
    link = OpenaiLinkSettings(auth="azure", upstream="simulator")
    upstream = choose_upstream(Settings(openai_link=link), "")
    assert upstream.headers() == {"Authorization": "Bearer simulator"}
    assert upstream.websocket_url == "ws://127.0.0.1:8765/v1/realtime?model=gpt-realtime-2.1"


def test_openai_on_demand_without_a_key_names_the_cure() -> None:
    settings = Settings(openai_link=OpenaiLinkSettings(upstream="openai"))
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        choose_upstream(settings, "")
