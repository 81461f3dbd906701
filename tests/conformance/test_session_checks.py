"""Checks 5, 6, 17 and 20: the first events, session updates, the voice, errors."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import aiohttp
import pytest

from tests.conformance.oracle import check_all
from tests.conformance.peers import Peer, peer, socket_peer
from tests.openai_link.simulator.caller import Caller, run, simulator

pytestmark = pytest.mark.sockets

BOTH = pytest.mark.parametrize("transport", ["webrtc", "websocket"])


def location_id(caller: Caller) -> str:
    return caller.location.rsplit("/", 1)[1]


async def updated(client: Peer, **session: Any) -> dict[str, Any]:
    """Update the session; returns what the server says it is now."""
    count = client.kinds().count("session.updated") + 1
    client.send(type="session.update", session={"type": "realtime", **session})
    return (await client.wait_for("session.updated", count))["session"]


async def refused(client: Peer, **event: Any) -> dict[str, Any]:
    """Send an event that is wrong; returns the error."""
    count = client.kinds().count("error") + 1
    client.send(**event)
    error: dict[str, Any] = (await client.wait_for("error", count))["error"]
    assert error["event_id"] == event.get("event_id")
    return error


@BOTH
def test_check_5_the_session_is_introduced_first(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport) as (client, _):
            assert client.kinds()[0] == "session.created"
            assert client.kinds().count("session.created") == 1
            session = client.events[0]["session"]
            assert session["object"] == "realtime.session" and session["id"].startswith("sess_")
            assert session["model"] == "gpt-realtime-2.1"

    run(scenario)


def test_check_5_a_sideband_hears_nothing_before_it_speaks() -> None:
    async def scenario() -> None:
        async with simulator() as (url, _), aiohttp.ClientSession() as http:
            caller = Caller(http, url)
            await caller.dial()
            query = f"call_id={location_id(caller)}"
            async with socket_peer(http, url, query) as sideband:
                await asyncio.sleep(0.2)
                assert sideband.events == []
                sideband.send(type="session.update", session={"type": "realtime", "tools": []})
                await sideband.wait_for("session.updated")
                assert sideband.kinds() == ["session.updated"]
                assert (await caller.wait_for("session.updated")) == sideband.events[0]
            await caller.close()

    run(scenario)


@BOTH
def test_check_6_an_update_is_merged_deeply_and_whole_or_not_at_all(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport) as (client, _):
            before = client.events[0]["session"]
            detection = {"turn_detection": {"type": "server_vad", "silence_duration_ms": 333}}
            now = await updated(client, instructions="Be brief.", audio={"input": detection})
            expected = copy.deepcopy(before)
            expected["instructions"] = "Be brief."
            expected["audio"]["input"]["turn_detection"]["silence_duration_ms"] = 333
            assert now == expected

            bad = {"type": "realtime", "instructions": "never", "colour": "red"}
            error = await refused(client, type="session.update", session=bad, event_id="e1")
            assert error["code"] == "unknown_parameter" and error["param"] == "session.colour"
            bad = {"instructions": "never"}
            error = await refused(client, type="session.update", session=bad, event_id="e2")
            assert error["code"] == "missing_required_parameter"
            assert error["param"] == "session.type"
            assert await updated(client) == expected
            assert (await updated(client, instructions=""))["instructions"] == ""
            check_all(client.events)

    run(scenario)


@BOTH
def test_check_17_the_voice_is_fixed_by_the_first_answer(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport) as (client, _):
            cedar = {"output": {"voice": "cedar"}}
            assert (await updated(client, audio=cedar))["audio"]["output"]["voice"] == "cedar"
            client.send(type="response.create")
            await client.wait_for("response.done")
            tool = {"type": "function", "name": "late", "parameters": {"type": "object"}}
            other = {"type": "realtime", "tools": [tool], "audio": {"output": {"voice": "ash"}}}
            error = await refused(client, type="session.update", session=other, event_id="e3")
            assert error["code"] == "cannot_update_voice"
            after = await updated(client, audio=cedar)  # The same voice is no change.
            assert after["tools"] == [] and after["audio"]["output"]["voice"] == "cedar"

    run(scenario)


BAD_EVENTS: list[tuple[dict[str, Any], str]] = [
    ({"event_id": "no_type"}, "invalid_event"),
    ({"type": "response.sing"}, "invalid_value"),
    ({"type": "session.update"}, "missing_required_parameter"),
    ({"type": "response.cancel"}, "response_cancel_not_active"),
    ({"type": "input_audio_buffer.append", "audio": "%%%"}, "invalid_value"),
    ({"type": "conversation.item.create", "item": {"type": "poem"}}, "invalid_value"),
    ({"type": "conversation.item.delete", "item_id": "x"}, "item_delete_invalid_item_id"),
    ({"type": "conversation.item.retrieve", "item_id": "x"}, "item_retrieve_invalid_item_id"),
    (
        {
            "type": "conversation.item.truncate",
            "item_id": "x",
            "content_index": 0,
            "audio_end_ms": 0,
        },
        "item_truncate_invalid_item_id",
    ),
]


@BOTH
def test_check_20_every_error_names_its_cause_and_the_session_goes_on(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport) as (client, _):
            for number, (event, code) in enumerate(BAD_EVENTS):
                for more in ({"event_id": f"bad_{number}"}, {}):
                    sent = {**event, **more}
                    if "type" not in sent:
                        sent["event_id"] = f"bad_{number}"
                    error = await refused(client, **sent)
                    assert error["code"] == code, error
                    assert error["message"] and error["type"]
            long_id = {"type": "message", "role": "user", "id": "i" * 33, "content": []}
            content = [{"type": "input_text", "text": "x"}]
            error = await refused(
                client,
                type="conversation.item.create",
                item={**long_id, "content": content},
                event_id="long",
            )
            assert "maximum length 32" in error["message"]
            await updated(client)
            check_all(client.events)

    run(scenario)
