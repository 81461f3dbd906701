"""OpenAI's Python package, unmodified: a spoken turn, a function call, a barge-in, both ways."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent

from openai_link.simulator.brains.sounds import tone
from openai_link.simulator.settings import SimulatorSettings
from tests.conformance.oracle import check_all
from tests.conformance.peers import MODEL
from tests.openai_link.simulator.caller import Caller, run, simulator
from tests.support.audio import RATE_HZ, SENTENCE, align, from_pcm, read_wav, to_pcm
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

QUIET = bytes(2 * 24_000)
TIME_SCRIPT = """
[[recognition]]
text = "What time is it?"
[[rule]]
on = "output"
say = "It is {output}"
length_ms = 400
[[rule]]
[[rule.call]]
name = "get_time"
"""
TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_time",
    "description": "Tells the time.",
    "parameters": {"type": "object", "properties": {}},
}


@asynccontextmanager
async def package(config: SimulatorSettings) -> AsyncIterator[tuple[AsyncOpenAI, str]]:
    """The package, set up as usual, and the simulator's base URL."""
    async with (
        simulator(config) as (url, _),
        AsyncOpenAI(
            api_key="sk-test", base_url=url, websocket_base_url=url.replace("http", "ws", 1)
        ) as client,
    ):
        yield client, url


async def until_event(connection: AsyncRealtimeConnection, kind: str) -> list[RealtimeServerEvent]:
    """Receive up to and including the next event of a kind."""
    events: list[RealtimeServerEvent] = []
    async for event in connection:
        assert event.type != "error", event
        events.append(event)
        if event.type == kind:
            break
    return events


async def append(connection: AsyncRealtimeConnection, pcm: bytes) -> None:
    for start in range(0, len(pcm), 4_800):
        piece = base64.b64encode(pcm[start : start + 4_800]).decode("ascii")
        await connection.input_audio_buffer.append(audio=piece)


def sound(events: list[RealtimeServerEvent]) -> bytes:
    return b"".join(
        base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta"
    )


def test_connect_a_spoken_turn_is_answered_in_sound() -> None:
    async def scenario() -> None:
        sentence = read_wav(SENTENCE)
        async with (
            package(SimulatorSettings()) as (client, _),
            client.realtime.connect(model=MODEL) as connection,
        ):
            [created] = await until_event(connection, "session.created")
            assert created.type == "session.created"
            await connection.session.update(session={"type": "realtime", "instructions": "Hi."})
            await until_event(connection, "session.updated")
            await append(connection, to_pcm(sentence) + QUIET)
            events = await until_event(connection, "response.done")
            kinds = [event.type for event in events]
            assert kinds[0] == "input_audio_buffer.speech_started"
            _, score = align(from_pcm(sound(events)), sentence)
            assert score >= 0.99  # No codec between.
            assert events[-1].type == "response.done"
            assert events[-1].response.status == "completed"

    run(scenario)


def test_connect_a_function_call_and_its_result() -> None:
    async def scenario() -> None:
        async with (
            package(SimulatorSettings(brain="script")) as (client, _),
            client.realtime.connect(model=MODEL) as connection,
        ):
            await connection.session.update(session={"type": "realtime", "tools": [TOOL]})  # type: ignore[list-item]
            await connection.conversation.item.create(
                item={
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "What time is it?"}],
                }
            )
            await connection.response.create()
            done = (await until_event(connection, "response.done"))[-1]
            assert done.type == "response.done" and done.response.output
            call = done.response.output[0]
            assert call.type == "function_call" and call.name == "get_time" and call.call_id
            json.loads(call.arguments)
            await connection.conversation.item.create(
                item={"type": "function_call_output", "call_id": call.call_id, "output": "12:34"}
            )
            await connection.response.create()
            events = await until_event(connection, "response.done")
            said = [e for e in events if e.type == "response.output_audio_transcript.done"]
            assert "12:34" in said[0].transcript and sound(events)

    run(scenario)


def test_connect_a_barge_in_and_its_truncation() -> None:
    async def scenario() -> None:
        config = SimulatorSettings(brain="tone", tone_ms=2_000, generation_speed=2.0)
        async with (
            package(config) as (client, _),
            client.realtime.connect(model=MODEL) as connection,
        ):
            await connection.response.create()
            first = await until_event(connection, "response.output_audio.delta")
            await append(connection, tone(500, 300.0) + QUIET)
            events = first + await until_event(connection, "response.done")
            done = events[-1]
            assert done.type == "response.done" and done.response.status == "cancelled"
            assert done.response.output and len(sound(events)) < 2_000 * 48
            item = done.response.output[0]
            await connection.conversation.item.truncate(
                item_id=str(item.id), content_index=0, audio_end_ms=100
            )
            cut = (await until_event(connection, "conversation.item.truncated"))[-1]
            assert cut.type == "conversation.item.truncated"
            assert (cut.item_id, cut.audio_end_ms) == (item.id, 100)
            answer = (await until_event(connection, "response.done"))[-1]
            assert answer.type == "response.done" and answer.response.status == "completed"

    run(scenario)


@asynccontextmanager
async def placed_call(
    config: SimulatorSettings, session: dict[str, Any] | None = None
) -> AsyncIterator[Caller]:
    """A peer connection whose offer was carried by ``realtime.calls.create``."""
    async with package(config) as (client, url), aiohttp.ClientSession() as http:
        caller = Caller(http, url)
        whole: Any = {"type": "realtime", "model": MODEL, **(session or {})}
        answer = await client.realtime.calls.with_raw_response.create(
            sdp=await caller.offer(), session=whole
        )
        await caller.accept(answer.headers["location"], answer.text)
        yield caller
        check_all(caller.events)
        await caller.close()


def test_calls_create_a_spoken_turn_is_answered_in_sound() -> None:
    async def scenario() -> None:
        async with placed_call(SimulatorSettings()) as caller:
            words = read_wav(SENTENCE)[:RATE_HZ]
            caller.say(to_pcm(words))
            await caller.wait_for("output_audio_buffer.stopped")
            _, score = align(from_pcm(caller.heard_pcm()), words)
            assert score >= 0.95

    run(scenario)


def test_calls_create_a_function_call_and_its_result(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text(TIME_SCRIPT, encoding="utf-8")

    async def scenario() -> None:
        config = SimulatorSettings(brain="script", script=str(script))
        async with placed_call(config, {"tools": [TOOL]}) as caller:
            caller.say(tone(400, 300.0))
            call = await caller.wait_for("response.function_call_arguments.done")
            await caller.wait_for("response.done")
            output = {"type": "function_call_output", "call_id": call["call_id"], "output": "12:34"}
            caller.send(type="conversation.item.create", item=output)
            caller.send(type="response.create")
            await caller.wait_for("output_audio_buffer.stopped")
            said = caller.last("response.output_audio_transcript.done")["transcript"]
            assert call["name"] == "get_time" and "12:34" in said

    run(scenario)


def test_calls_create_a_barge_in() -> None:
    async def scenario() -> None:
        async with placed_call(SimulatorSettings(brain="tone", tone_ms=10_000)) as caller:
            caller.send(type="response.create")
            await until(lambda: len(caller.heard) > 25)
            caller.say(tone(400, 300.0))
            cut = await caller.wait_for("conversation.item.truncated")
            assert 0 < cut["audio_end_ms"] < 10_000
            assert caller.kinds().count("output_audio_buffer.cleared") == 1
            await caller.wait_for("response.created", 2)

    run(scenario)
