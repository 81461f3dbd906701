from __future__ import annotations

from typing import Any

import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeSessionCreateRequest
from pydantic import BaseModel, TypeAdapter

from mixer_core.bus.errors import SettingsError
from mixer_core.bus.settings import OpenaiLinkSettings, Settings, SimulatorSettings
from openai_link.session import ClientEvents, choose_upstream, greeting, session_object

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
    return [
        events.user_text("Hello."),
        events.create_response(),
        events.create_response(greeting("Be kind.")),
        events.cancel_response("resp_1"),
        events.clear_output(),
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


@pytest.mark.parametrize("transcription", ["", "gpt-4o-transcribe"])
def test_the_session_is_what_the_official_types_say(transcription: str) -> None:
    session = session_object(OpenaiLinkSettings(transcription_model=transcription))
    model = RealtimeSessionCreateRequest.model_validate(session)
    assert extras(model) == []
    update = CLIENT.validate_python({"type": "session.update", "session": session})
    assert extras(update) == []
    detection = session["audio"]["input"]["turn_detection"]
    assert {"threshold", "prefix_padding_ms", "silence_duration_ms"} <= detection.keys()
    assert detection["create_response"] is detection["interrupt_response"] is True
    assert session["output_modalities"] == ["audio"]
    expected = {"model": transcription} if transcription else None
    assert session["audio"]["input"]["transcription"] == expected


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


def test_openai_on_demand_without_a_key_names_the_cure() -> None:
    settings = Settings(openai_link=OpenaiLinkSettings(upstream="openai"))
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        choose_upstream(settings, "")
