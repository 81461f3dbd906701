"""Check 15: function calls, alone, in parallel, and with words."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from openai_link.simulator.settings import SimulatorSettings
from tests.conformance import oracle
from tests.conformance.peers import Peer, peer, say_text
from tests.openai_link.simulator.caller import run

pytestmark = pytest.mark.sockets

BOTH = pytest.mark.parametrize("transport", ["webrtc", "websocket"])
SCRIPTED = SimulatorSettings(brain="script")


def tool(name: str) -> dict[str, Any]:
    place = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
    return {"type": "function", "name": name, "description": "A test.", "parameters": place}


TOOLS = {"tools": [tool("get_time"), tool("get_weather")]}


async def ask(client: Peer, text: str, count: int = 1) -> dict[str, Any]:
    """Write something, ask for an answer; returns it when it is complete."""
    say_text(client, text)
    client.send(type="response.create")
    done: dict[str, Any] = (await client.wait_for("response.done", count))["response"]
    return done


def give(client: Peer, call_id: str, output: Any) -> None:
    item = {"type": "function_call_output", "call_id": call_id, "output": json.dumps(output)}
    client.send(type="conversation.item.create", item=item)


@BOTH
def test_check_15_golden_order_d_and_nothing_goes_on_by_itself(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport, SCRIPTED, TOOLS) as (client, _):
            done = await ask(client, "What time is it?")
            [call] = done["output"]
            assert call["type"] == "function_call" and call["name"] == "get_time"
            assert isinstance(json.loads(call["arguments"])["place"], str)
            kinds = oracle.kinds(client.events)
            start = kinds.index("response.created")
            assert kinds[start : kinds.index("response.done") + 1] == [
                "response.created",
                "response.output_item.added",
                "conversation.item.added",
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "conversation.item.done",
                "response.output_item.done",
                "response.done",
            ]
            give(client, call["call_id"], {"time": "12:00"})
            await client.wait_for("conversation.item.done", 3)
            await asyncio.sleep(0.3)
            assert client.kinds().count("response.created") == 1
            client.send(type="response.create")
            answer = (await client.wait_for("response.done", 2))["response"]
            assert "12:00" in answer["output"][0]["content"][0]["transcript"]
            oracle.check_all(client.events)
            oracle.check_order(client.events)
            oracle.check_concatenation(client.events)

    run(scenario)


@BOTH
def test_check_15_two_parallel_calls_are_answered_once(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport, SCRIPTED, TOOLS) as (client, _):
            calls = (await ask(client, "Call get_time and get_weather."))["output"]
            assert [call["name"] for call in calls] == ["get_time", "get_weather"]
            assert len({call["call_id"] for call in calls}) == 2
            for call in calls:
                json.loads(call["arguments"])
                give(client, call["call_id"], f"result of {call['name']}")
            client.send(type="response.create")
            answer = (await client.wait_for("response.done", 2))["response"]
            said = answer["output"][0]["content"][0]["transcript"]
            assert "result of get_time" in said and "result of get_weather" in said
            assert client.kinds().count("response.created") == 2
            oracle.check_all(client.events)
            oracle.check_order(client.events)

    run(scenario)


@BOTH
def test_check_15_golden_order_e_of_words_and_a_call_in_one_response(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport, SCRIPTED, TOOLS) as (client, _):
            done = await ask(client, "While you talk, call get_time.")
            assert [item["type"] for item in done["output"]] == ["message", "function_call"]
            order = [(e["type"], e["output_index"]) for e in client.events if "output_index" in e]
            begins = order.index(("response.output_item.added", 1))
            assert begins < order.index(("response.output_item.done", 0))
            oracle.check_all(client.events)
            oracle.check_order(client.events)
            oracle.check_concatenation(client.events)

    run(scenario)


@BOTH
def test_check_15_an_output_for_a_call_that_nobody_made_is_refused(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport, SCRIPTED, TOOLS) as (client, _):
            give(client, "call_unknown", 1)
            error = (await client.wait_for("error"))["error"]
            assert error["code"] == "invalid_tool_call_id" and error["event_id"] is None

    run(scenario)
