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
from openai_link.room.actions import SendEvent
from openai_link.room.epoch import EpochCounter
from openai_link.room.realtime_session import RealtimeSession
from openai_link.secrets import named_variables, with_secrets
from openai_link.settings import OpenaiLinkSettings, ServiceMcpServer, Settings
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
    (
        {"transcription_model": "m", "transcription_keywords": ("Ada", "Cem")},
        "audio.input.transcription.keywords",
        ["Ada", "Cem"],
    ),
    (
        {
            "transcription_model": "m",
            "transcription_languages": ("de", "tr"),
            "transcription_delay": "low",
        },
        "audio.input.transcription",
        {"model": "m", "languages": ["de", "tr"], "delay": "low"},
    ),
    (
        {"noise_reduction": "near_field", "noise_reduction_strength": 0.4},
        "audio.input.noise_reduction",
        {"type": "near_field", "strength": 0.4},
    ),
    (
        {"truncation": "retention_ratio", "truncation_token_limit": 9000},
        "truncation.token_limits",
        {"post_instructions": 9000},
    ),
    ({"tracing": "auto"}, "tracing", "auto"),
    (
        {"tracing": "auto", "tracing_workflow": "den", "tracing_metadata": {"a": "b"}},
        "tracing",
        {"workflow_name": "den", "metadata": {"a": "b"}},
    ),
    ({"tracing": "auto", "tracing_group": "g"}, "tracing", {"group_id": "g"}),
    ({"tool_choice": "clock"}, "tool_choice", {"type": "function", "name": "clock"}),
    ({"tool_choice": "not_there_yet"}, "tool_choice", "auto"),
    (
        {"service_mcp_servers": {"wiki": ServiceMcpServer(url="https://w", confirm=False)}},
        "tools",
        [
            CLOCK,
            {
                "type": "mcp",
                "server_label": "wiki",
                "server_url": "https://w",
                "require_approval": "never",
            },
        ],
    ),
    (
        {
            "service_mcp_servers": {
                "mail": ServiceMcpServer(
                    connector_id="connector_gmail",
                    authorization="t-1",
                    headers={"X-A": "1"},
                    description="Mail.",
                    allow=("read",),
                )
            }
        },
        "tools",
        [
            CLOCK,
            {
                "type": "mcp",
                "server_label": "mail",
                "connector_id": "connector_gmail",
                "authorization": "t-1",
                "headers": {"X-A": "1"},
                "server_description": "Mail.",
                "allowed_tools": ["read"],
                "require_approval": "always",
            },
        ],
    ),
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


@pytest.mark.parametrize(
    ("keys", "absent"),
    [
        ({"voice": ""}, "audio.output.voice"),
        ({"leave_out": ("audio.output.voice",)}, "audio.output.voice"),
        ({"leave_out": ("audio.input.noise_reduction",)}, "audio.input.noise_reduction"),
        ({"leave_out": ("audio.input.transcription",)}, "audio.input.transcription"),
        (
            {"leave_out": ("audio.input.transcription",), "transcription_model": "m"},
            "audio.input.transcription",
        ),
        ({"leave_out": ("model", "audio.output")}, "audio.output"),
        (
            {"leave_out": ("reasoning",), "session_json": '{"reasoning": {"effort": "low"}}'},
            "reasoning",
        ),
    ],
)
def test_what_is_left_out_is_not_even_null(keys: dict[str, Any], absent: str) -> None:
    settings = OpenaiLinkSettings(**keys)
    found: Any = session_object(settings, [CLOCK])
    *containers, key = absent.split(".")
    for name in containers:
        found = found[name]
    assert key not in found
    RealtimeSession(1, "websocket", settings, ClientEvents(), EpochCounter())


def test_a_custom_voice_takes_the_place_of_a_named_one() -> None:
    session = session_object(OpenaiLinkSettings(voice_id="voice_1"))
    assert session["audio"]["output"]["voice"] == {"id": "voice_1"}
    assert extras(RealtimeSessionCreateRequest.model_validate(session)) == []


def test_the_model_goes_with_an_update_only_where_it_is_wanted() -> None:
    for wanted in (False, True):
        settings = OpenaiLinkSettings(model_in_update=wanted)
        session = RealtimeSession(1, "websocket", settings, ClientEvents(), EpochCounter())
        session.describe([])
        (sent,) = (
            action.event
            for action in session.server_event({"type": "session.created", "session": {}}, 0)
            if isinstance(action, SendEvent)
        )
        assert ("model" in sent["session"]) is wanted


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
        ({"noise_reduction_strength": 0.5}, "noise_reduction_strength"),
        ({"tool_choice": "a tool"}, "tool_choice"),
        ({"transcription_keywords": ("a",)}, "transcription_keywords"),
        ({"transcription_languages": ("de",)}, "transcription_languages"),
        ({"transcription_delay": "low"}, "transcription_delay"),
        ({"truncation_token_limit": 9}, "retention_ratio only"),
        ({"tracing_group": "g"}, "tracing is off"),
        ({"leave_out": ("audio.input",)}, "cannot be left out"),
        ({"leave_out": ("type",)}, "cannot be left out"),
        ({"leave_out": ("audio.input.turn_detection",)}, "cannot be left out"),
        ({"client_secret_lifetime_s": 9}, "10 to 7200"),
        ({"service_mcp_servers": {"a": ServiceMcpServer()}}, "give one of"),
        ({"service_mcp_servers": {"a b": ServiceMcpServer(url="u")}}, "label"),
        (
            {"service_mcp_servers": {"a": ServiceMcpServer(url="u", tunnel_id="t")}},
            "give one of",
        ),
        ({"headers": {"a b": "x"}}, "no name of a header"),
        ({"headers": {"Host": "x"}}, "HTTP itself"),
        ({"headers": {"content-length": "0"}}, "HTTP itself"),
        ({"headers": {"X-A": "a\nb"}}, "no header can hold"),
        ({"headers": {"X-A": "café"}}, "no header can hold"),
        ({"organization": "a\rb"}, "no header can hold"),
        ({"session_json": "{"}, "not valid JSON"),
        ({"session_json": "[]"}, "not a JSON object"),
        ({"session_json": '{"temperature": NaN}'}, "not valid JSON"),
        ({"session_json": '{"temperature": 1e999}'}, "not valid JSON"),
        ({"session_json": '{"instructions": "\\ud800"}'}, "not valid JSON"),
        ({"session_json": "[" * 100_000}, "not valid JSON"),
        ({"session_json": '{"model": "x"}'}, "must not have model"),
        ({"session_json": '{"audio": {"output": {"format": {}}}}'}, "audio.output.format"),
        ({"session_json": '{"audio": []}'}, "audio is an object"),
        ({"session_json": '{"audio": {"input": null}}'}, "audio.input is an object"),
        ({"session_json": '{"tools": {}}'}, "list"),
        ({"session_json": '{"model": null}'}, "must not have model"),
        ({"session_json": '{"output_modalities": null}'}, "output_modalities is a list"),
        ({"session_json": '{"output_modalities": [["audio"]]}'}, "output_modalities is a list"),
        ({"session_json": '{"audio": {"input": {"turn_detection": 3}}}'}, "object or null"),
        ({"idle_timeout_ms": 100}, "5000 to 30000"),
        ({"idle_timeout_ms": 6000, "turn_detection": "semantic_vad"}, "server_vad only"),
        ({"base_url": "api.openai.com/v1"}, "base_url"),
        ({"base_url": "https://[x/v1"}, "base_url"),
        ({"base_url": "https://h/v1?x=1"}, "base_url"),
        ({"base_url": "https://h:99999/v1"}, "base_url"),
        ({"base_url": "https://h:abc/v1"}, "base_url"),
        ({"base_url": "https://h/v 1"}, "base_url"),
        ({"base_url": "https://h\0/v1"}, "base_url"),
        ({"base_url": "https://ada:secret@h/v1"}, "user name or a password"),
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
    settings = Settings(openai_link=OpenaiLinkSettings(base_url=" http://127.0.0.1:9/v1/\n"))
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


def test_the_headers_of_the_settings_go_with_every_key() -> None:
    link = OpenaiLinkSettings(
        organization="org-1", project="proj_1", headers={"X-Proxy": "p"}, safety_identifier="{room}"
    )
    upstream = choose_upstream(Settings(openai_link=link), "sk-x")
    ours = {"OpenAI-Organization": "org-1", "OpenAI-Project": "proj_1", "X-Proxy": "p"}
    assert upstream.headers() == {**ours, "Authorization": "Bearer sk-x"}
    assert upstream.headers("ek_1") == {**ours, "Authorization": "Bearer ek_1"}
    den, hall = upstream.for_room("den"), upstream.for_room("hall")
    names = {room.headers()["OpenAI-Safety-Identifier"] for room in (den, hall, den.for_room("x"))}
    assert len(names) == 2 and not any("den" in name or "hall" in name for name in names)
    assert upstream.for_room("den").headers() == den.headers(), "it is stable"


def test_a_header_of_the_settings_can_carry_the_key() -> None:
    for name in ("Authorization", "authorization", "api-key"):
        link = OpenaiLinkSettings(headers={name: "Basic abc"})
        upstream = choose_upstream(Settings(openai_link=link), "sk-x")
        assert upstream.headers() == {name: "Basic abc"}
    link = OpenaiLinkSettings(headers={"authorization": "Basic abc"})
    upstream = choose_upstream(Settings(openai_link=link), "sk-x")
    assert upstream.headers("ek_1") == {"Authorization": "Bearer ek_1"}


def test_the_simulator_is_told_no_secrets() -> None:
    link = OpenaiLinkSettings(
        upstream="simulator", headers={"X-A": "${GONE}"}, organization="org-1", auth="bare"
    )
    settings = with_secrets(Settings(openai_link=link), {})
    upstream = choose_upstream(settings, "")
    assert upstream.headers() == {"Authorization": "Bearer simulator"} and upstream.bare


def test_values_of_the_environment_take_the_place_of_their_names() -> None:
    mail = ServiceMcpServer(
        connector_id="c", authorization="${MAIL}", headers={"X-B": "b-${PROXY}"}
    )
    link = OpenaiLinkSettings(
        headers={"X-A": "Key ${PROXY}/${MAIL}"}, service_mcp_servers={"mail": mail}
    )
    assert named_variables(link) == {"PROXY", "MAIL"}
    env = {"OPENAI_API_KEY": "sk-x", "PROXY": " p1\r\n", "MAIL": "m1"}
    filled = with_secrets(Settings(openai_link=link), env).openai_link
    assert filled.headers == {"X-A": "Key p1/m1"}
    server = filled.service_mcp_servers["mail"]
    assert (server.authorization, server.headers) == ("m1", {"X-B": "b-p1"})
    (tool,) = session_object(filled)["tools"]
    assert tool["authorization"] == "m1"


@pytest.mark.parametrize(
    ("keys", "env", "message"),
    [
        ({"headers": {"X-A": "${GONE}"}}, {}, "headers.X-A needs the environment variable GONE"),
        ({"headers": {"X-A": "${my-key}"}}, {}, "headers.X-A: write"),
        ({"headers": {"X-A": "${HERE} ${HERE"}}, {"HERE": "x"}, "headers.X-A: write"),
        ({"headers": {"X-A": "${BAD}"}}, {"BAD": "a\nb"}, "BAD cannot be used"),
        ({"headers": {"X-A": "${BAD}"}}, {"BAD": "  "}, "needs the environment variable BAD"),
        (
            {"service_mcp_servers": {"mail": ServiceMcpServer(url="u", authorization="t-1")}},
            {},
            "service_mcp_servers.mail.authorization is a secret",
        ),
    ],
)
def test_a_value_that_is_missing_or_cannot_be_sent_is_named(
    keys: dict[str, Any], env: dict[str, str], message: str
) -> None:
    settings = Settings(openai_link=OpenaiLinkSettings(**keys))
    with pytest.raises(SettingsError, match=message) as caught:
        with_secrets(settings, {"OPENAI_API_KEY": "sk-x", **env})
    assert "a\nb" not in str(caught.value) and "t-1" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("fakeapi.openai.com", "fakeapi.openai.com"),
        ("api.openai.com.example", "api.openai.com.example"),
    ],
)
def test_the_service_is_known_in_every_region(host: str, name: str) -> None:
    link = OpenaiLinkSettings(base_url=f"https://{host}/v1")
    upstream = choose_upstream(Settings(openai_link=link), "sk-x")
    assert upstream.name == name and upstream.is_compatible is (name != "openai")
