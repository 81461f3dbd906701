"""Check 2: OpenAI's types and the server accept every event that our client sends."""

from __future__ import annotations

import asyncio
import base64
import inspect
from typing import Any

import aiohttp
import pytest

from openai_link.realtime.client_events import ClientEvents
from openai_link.realtime.session_object import session_object
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.engine import session_config
from openai_link.simulator.settings import SimulatorSettings
from tests.conformance.oracle import CLIENT, check
from tests.conformance.peers import socket_peer
from tests.openai_link.simulator.caller import run, simulator
from tests.support.pictures import jpeg

TOOL = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
PICTURE = f"data:image/jpeg;base64,{base64.b64encode(jpeg()).decode()}"
SETTINGS = [
    OpenaiLinkSettings(),
    OpenaiLinkSettings(turn_detection="push_to_talk"),
    OpenaiLinkSettings(turn_detection="semantic_vad", noise_reduction="near_field"),
    OpenaiLinkSettings(output="text", transcription_model=""),
]


def client_frames() -> list[dict[str, Any]]:
    """One event of every kind, in an order in which a server can take them all."""
    events = ClientEvents("check")
    call = events.function_call("call_old", "f", "{}")
    said = events.user_text("Hello.", item_id="said")
    return [
        events.update_session(session_object(SETTINGS[0], [TOOL])),
        said,
        events.assistant_text("Hi.", after="said"),
        events.system_text("Be kind.", after="root"),
        events.message("user", "Again."),
        events.user_picture(PICTURE, "What is this?"),
        events.create_item({"type": "message", "role": "user", "content": said["item"]["content"]}),
        call,
        events.function_output("call_old", "1"),
        events.append(bytes(9_600)),
        events.commit_input(),
        events.clear_input(),
        events.retrieve("said"),
        events.delete("said"),
        events.create_aside({"instructions": "Say: one moment."}),
        events.create_response({"instructions": "Greet."}),
        events.cancel_response(),
    ]


def refused_frames() -> list[dict[str, Any]]:
    """Events that need something that does not exist here, or not yet."""
    events = ClientEvents("later")
    return [
        events.mcp_approval("mcpr_1", True, "fine"),
        events.truncate("item_none", 100),
        events.clear_output(),
        events.cancel_response("resp_none"),
    ]


def test_check_2_the_types_take_every_event() -> None:
    for frame in client_frames() + refused_frames():
        check(frame, CLIENT)
        assert frame["event_id"]
    ids = [frame["event_id"] for frame in client_frames()]
    assert len(set(ids)) == len(ids)
    makers = {
        name
        for name, maker in inspect.getmembers(ClientEvents, inspect.isfunction)
        if not name.startswith("_")
    }
    source = inspect.getsource(client_frames) + inspect.getsource(refused_frames)
    assert {name for name in makers if f"events.{name}(" not in source} == set()


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: f"{s.turn_detection}-{s.output}")
def test_check_2_the_session_of_every_setting_is_taken_whole(settings: OpenaiLinkSettings) -> None:
    wanted = session_object(settings, [TOOL])
    frame = ClientEvents().update_session(wanted)
    check(frame, CLIENT)
    session_config.create_session("sess_1", 0, wanted)


@pytest.mark.sockets
def test_check_2_the_server_answers_none_of_them_with_an_error() -> None:
    async def scenario() -> None:
        async with (
            simulator(SimulatorSettings(generation_speed=1.0)) as (url, _),
            aiohttp.ClientSession() as http,
            socket_peer(http, url) as client,
        ):
            await client.wait_for("session.created")
            for frame in client_frames():
                client.send(**frame)
                await asyncio.sleep(0.01)
            await client.wait_for("response.done", 2)  # The aside's and the cancelled one's.
            done = [e["response"] for e in client.events if e["type"] == "response.done"]
            assert "cancelled" in {response["status"] for response in done}
            errors = [e["error"] for e in client.events if e["type"] == "error"]
            assert errors == []

    run(scenario)
