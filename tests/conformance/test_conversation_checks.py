"""Checks 16 and 19: one response at a time, and a seeded history."""

from __future__ import annotations

import pytest

from openai_link.simulator.settings import SimulatorSettings
from tests.conformance import oracle
from tests.conformance.peers import peer, say_text
from tests.openai_link.simulator.caller import run

pytestmark = pytest.mark.sockets

BOTH = pytest.mark.parametrize("transport", ["webrtc", "websocket"])


@BOTH
def test_check_16_one_response_at_a_time_and_others_beside_it(transport: str) -> None:
    async def scenario() -> None:
        config = SimulatorSettings(brain="tone", tone_ms=2_000, generation_speed=2.0)
        async with peer(transport, config) as (client, _):
            client.send(type="response.create")
            active = (await client.wait_for("response.created"))["response"]["id"]
            client.send(type="response.create", event_id="second")
            error = (await client.wait_for("error"))["error"]
            assert error["code"] == "conversation_already_has_active_response"
            assert active in error["message"] and error["event_id"] == "second"
            aside = {
                "conversation": "none",
                "output_modalities": ["text"],
                "metadata": {"topic": "aside"},
                "input": [
                    {
                        "type": "message",
                        "role": "user",
                        "content": [{"type": "input_text", "text": "Beside."}],
                    }
                ],
            }
            client.send(type="response.create", response=aside)
            await client.wait_for("response.done", 2)
            done = [e["response"] for e in client.events if e["type"] == "response.done"]
            [outside] = [response for response in done if response["id"] != active]
            assert outside["conversation_id"] is None
            assert outside["metadata"] == {"topic": "aside"}
            beside = outside["output"][0]["id"]
            added = [e["item"]["id"] for e in client.events if "item.added" in e["type"]]
            in_conversation = [
                e["item"]["id"] for e in client.events if e["type"] == "conversation.item.added"
            ]
            assert beside in added and beside not in in_conversation
            client.send(type="response.create")
            await client.wait_for("response.created", 3)
            oracle.check_all(client.events)

    run(scenario)


HISTORY = [
    ("user", "input_text", "My name is Ada, and I count the stars above the house."),
    ("assistant", "output_text", "Good evening, Ada. How many are there tonight?"),
    ("user", "input_text", "Two thousand one hundred and four."),
    ("system", "input_text", "The conversation goes on after an interruption."),
]


@BOTH
def test_check_19_a_history_is_taken_over_in_order_and_is_billed(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport) as (client, _):
            client.send(type="response.create")
            await client.wait_for("response.done")
            empty = client.last("response.done")["response"]["usage"]["input_tokens"]
            first = len(client.events)
            for number, (role, kind, text) in enumerate(HISTORY):
                content = [{"type": kind, "text": text}]
                item = {"type": "message", "id": f"old_{number}", "role": role, "content": content}
                client.send(type="conversation.item.create", item=item)
            call = {"type": "function_call", "id": "old_4", "call_id": "call_old"}
            call |= {"name": "count", "arguments": "{}"}
            client.send(type="conversation.item.create", item=call)
            output = {"type": "function_call_output", "call_id": "call_old", "output": "2104"}
            client.send(type="conversation.item.create", item={**output, "id": "old_5"})
            await client.wait_for("conversation.item.done", 7)
            seeded = [e for e in client.events[first:] if "conversation.item" in e["type"]]
            assert [e["type"].rsplit(".", 1)[1] for e in seeded] == ["added", "done"] * 6
            assert [e["item"]["id"] for e in seeded[::2]] == [f"old_{n}" for n in range(6)]
            assert "status" not in seeded[-1]["item"]
            say_text(client, "And now?")
            client.send(type="response.create")
            await client.wait_for("response.done", 2)
            usage = client.last("response.done")["response"]["usage"]
            assert usage["input_tokens"] > empty + sum(len(t) for _, _, t in HISTORY) // 8
            oracle.check_all(client.events)

    run(scenario)


@BOTH
def test_check_19_sound_of_the_assistant_and_outputs_of_unknown_calls_are_refused(
    transport: str,
) -> None:
    async def scenario() -> None:
        async with peer(transport) as (client, _):
            spoken = {"type": "output_audio", "audio": "AAAA", "transcript": "Hi."}
            message = {"type": "message", "role": "assistant", "content": [spoken]}
            client.send(type="conversation.item.create", item=message, event_id="sound")
            error = (await client.wait_for("error"))["error"]
            assert error["event_id"] == "sound"
            output = {"type": "function_call_output", "call_id": "call_never", "output": "1"}
            client.send(type="conversation.item.create", item=output, event_id="output")
            error = (await client.wait_for("error", 2))["error"]
            assert error["code"] == "invalid_tool_call_id" and error["event_id"] == "output"
            message = {"type": "message", "role": "user", "content": []}
            assert "conversation.item.added" not in client.kinds()

    run(scenario)
