"""Checks 11 to 14: playback in real time, barge-in, the stop button, push to talk."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from mixer_core.runtime.units import S_NS
from openai_link.simulator.brains.sounds import tone
from openai_link.simulator.settings import SimulatorSettings
from tests.conformance import oracle
from tests.conformance.peers import Peer, peer, say_text
from tests.openai_link.simulator.caller import Caller, run
from tests.support.audio import from_pcm
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

BOTH = pytest.mark.parametrize("transport", ["webrtc", "websocket"])
LONG_TONE = SimulatorSettings(brain="tone", tone_ms=8_000)
SPEECH = tone(500, 300.0)
QUIET = bytes(2 * 24_000)
PUSH_TO_TALK: dict[str, Any] = {"audio": {"input": {"turn_detection": None}}}


def loud_frames(caller: Caller) -> list[int]:
    """When each loud frame arrived; those that stand in for skipped slots do not count."""
    real = [frame for frame in caller.heard if not frame.concealed]
    return [f.stamp_ns for f in real if np.abs(from_pcm(f.pcm)).max() > 0.02]


async def playing(client: Caller, frames: int = 25) -> None:
    """Ask for an answer and wait until it has been heard for a while."""
    client.send(type="response.create")
    await client.wait_for("output_audio_buffer.started")
    await until(lambda: len(loud_frames(client)) >= frames)


def test_check_11_the_sound_lasts_as_long_as_it_should_and_stops_after_the_words() -> None:
    async def scenario() -> None:
        async with peer("webrtc", SimulatorSettings(brain="tone", tone_ms=2_000)) as (client, _):
            assert isinstance(client, Caller)
            client.send(type="response.create")
            await client.wait_for("output_audio_buffer.stopped")
            kinds = client.kinds()
            assert kinds.index("output_audio_buffer.stopped") > kinds.index("response.done")
            started_ns = client.time_of("output_audio_buffer.started")
            stopped_ns = client.time_of("output_audio_buffer.stopped")
            assert (stopped_ns - started_ns) / (2 * S_NS) > 0.9
            # The codec may smear the end into one more frame.
            assert 99 <= len(loud_frames(client)) <= 102
            assert all(len(frame.pcm) == 960 for frame in client.heard)

    run(scenario)


def test_check_12_barge_in_while_it_plays() -> None:
    async def scenario() -> None:
        async with peer("webrtc", LONG_TONE) as (client, _):
            assert isinstance(client, Caller)
            await playing(client)
            await client.wait_for("response.done")  # It speaks eight times slower than it thinks.
            client.say(SPEECH)
            await client.wait_for("response.created", 2)
            kinds = client.kinds()
            assert kinds.count("output_audio_buffer.cleared") == 1
            assert kinds.count("conversation.item.truncated") == 1
            order = [
                "input_audio_buffer.speech_started",
                "output_audio_buffer.cleared",
                "conversation.item.truncated",
                "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed",
            ]
            assert [kind for kind in kinds if kind in order] == order
            next_ns = client.time_of("response.created")
            before = [stamp_ns for stamp_ns in loud_frames(client) if stamp_ns < next_ns]
            end_ms = client.last("conversation.item.truncated")["audio_end_ms"]
            assert end_ms >= 0 and abs(end_ms - 20 * len(before)) <= 80
            done = [e["response"] for e in client.events if e["type"] == "response.done"]
            assert done[0]["status"] == "completed"  # It was generated long before.
            oracle.check_all(client.events)

    run(scenario)


@BOTH
def test_check_12_barge_in_while_it_is_generated(transport: str) -> None:
    async def scenario() -> None:
        config = SimulatorSettings(brain="tone", tone_ms=8_000, generation_speed=1.0)
        async with peer(transport, config) as (client, _):
            say_text(client, "Talk.")
            client.send(type="response.create")
            await until(lambda: client.kinds().count("response.output_audio_transcript.delta") >= 3)
            client.say(SPEECH + QUIET)
            done = (await client.wait_for("response.done"))["response"]
            assert done["status"] == "cancelled"
            assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
            assert [item["status"] for item in done["output"]] == ["incomplete"]
            await client.wait_for("response.created", 2)
            oracle.check_all(client.events)
            own = oracle.by_response(client.events)[done["id"]]
            assert own[-1]["type"] == "response.done"
            if transport == "webrtc":
                assert client.kinds().count("output_audio_buffer.cleared") == 1
                assert client.kinds().count("conversation.item.truncated") == 1
            else:
                assert "conversation.item.truncated" not in client.kinds()
                item_id = done["output"][0]["id"]
                truncate = {"item_id": item_id, "content_index": 0, "audio_end_ms": 0}
                client.send(type="conversation.item.truncate", **truncate)
                cut = await client.wait_for("conversation.item.truncated")
                assert {key: cut[key] for key in truncate} == truncate

    run(scenario)


def test_check_13_the_stop_button() -> None:
    async def scenario() -> None:
        async with peer("webrtc", LONG_TONE) as (client, _):
            assert isinstance(client, Caller)
            client.send(type="response.cancel", event_id="idle")
            error = (await client.wait_for("error"))["error"]
            assert error["code"] == "response_cancel_not_active" and error["event_id"] == "idle"
            client.send(type="output_audio_buffer.clear")  # Nothing plays: always safe.
            await playing(client)
            await client.wait_for("response.done")
            client.send(type="output_audio_buffer.clear")
            cut = await client.wait_for("conversation.item.truncated")
            assert client.kinds().count("output_audio_buffer.cleared") == 1
            assert "output_audio_buffer.stopped" not in client.kinds()
            assert 400 <= cut["audio_end_ms"] <= 8_000
            client.send(type="conversation.item.retrieve", item_id=cut["item_id"])
            kept = (await client.wait_for("conversation.item.retrieved"))["item"]
            said = client.last("response.output_audio_transcript.done")["transcript"]
            assert said.startswith(kept["content"][0].get("transcript") or "")
            assert kept["content"][0].get("transcript") != said
            check_terminals(client.events)

    run(scenario)


def check_terminals(events: list[dict[str, Any]]) -> None:
    """Every playback that began has exactly one end."""
    open_ids: list[str] = []
    for event in events:
        if event["type"] == "output_audio_buffer.started":
            assert event["response_id"] not in open_ids
            open_ids.append(event["response_id"])
        elif event["type"].startswith("output_audio_buffer."):
            open_ids.remove(event["response_id"])
    assert not open_ids


@BOTH
def test_check_13_cancelling_while_it_is_generated(transport: str) -> None:
    async def scenario() -> None:
        config = SimulatorSettings(brain="tone", tone_ms=8_000, generation_speed=1.0)
        async with peer(transport, config) as (client, _):
            client.send(type="response.create")
            await client.wait_for("response.output_audio_transcript.delta")
            client.send(type="response.cancel")
            done = (await client.wait_for("response.done"))["response"]
            assert done["status"] == "cancelled"
            assert done["status_details"]["reason"] == "client_cancelled"
            oracle.check_order(client.events)
            oracle.check_concatenation(client.events)

    run(scenario)


@BOTH
def test_check_14_push_to_talk(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport, session=PUSH_TO_TALK) as (client, _):
            await say_and_wait(client, SPEECH)
            assert client.kinds() == ["session.created"]  # Nobody detects turns.
            client.send(type="input_audio_buffer.clear")
            client.send(type="input_audio_buffer.commit", event_id="tap")  # At once: sound goes on.
            await client.wait_for("input_audio_buffer.cleared")
            error = (await client.wait_for("error"))["error"]
            assert error["code"] == "input_audio_buffer_commit_empty"
            assert error["event_id"] == "tap"
            await say_and_wait(client, SPEECH)
            client.send(type="input_audio_buffer.commit")
            await client.wait_for("conversation.item.done")
            assert client.kinds()[-3:] == [
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
            ]
            await asyncio.sleep(0.2)
            assert "response.created" not in client.kinds()
            client.send(type="response.create")
            await client.wait_for("response.done")
            oracle.check_all(client.events)

    run(scenario)


async def say_and_wait(client: Peer, pcm: bytes) -> None:
    """Speak, and wait until the server has heard it."""
    client.say(pcm)
    if isinstance(client, Caller):
        await until(lambda: not client._speech)
    await asyncio.sleep(0.2)
