"""Checks 1, 7, 8, 9, 10, 18: order, ids, words, the two transports side by side, usage."""

from __future__ import annotations

from collections import Counter
from typing import Any

import aiohttp
import pytest

from openai_link.simulator.brains.sounds import tone
from openai_link.simulator.settings import SimulatorSettings
from tests.conformance import oracle
from tests.conformance.peers import Peer, peer, say_text, socket_peer
from tests.openai_link.simulator.automaton import check_usage
from tests.openai_link.simulator.caller import Caller, run, simulator

pytestmark = pytest.mark.sockets

BOTH = pytest.mark.parametrize("transport", ["webrtc", "websocket"])
SPEECH = tone(800, 300.0)
QUIET = bytes(2 * 24_000)
TRANSCRIBED: dict[str, Any] = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}


async def talk(client: Peer) -> None:
    """A typed turn with a spoken answer, a spoken turn, and a text answer."""
    say_text(client, "Hello.")
    client.send(type="response.create")
    await finished(client, 1)
    client.say(SPEECH + QUIET)
    await finished(client, 2)
    client.send(type="response.create", response={"output_modalities": ["text"]})
    await finished(client, 3)
    transcribed = "conversation.item.input_audio_transcription.completed"
    await client.wait_for(transcribed)


async def finished(client: Peer, count: int) -> None:
    """Wait for the end of an answer, and of its sound where that is heard."""
    await client.wait_for("response.done", count)
    if isinstance(client, Caller):
        spoken = [r for r in responses(client) if r["output_modalities"] == ["audio"]]
        await client.wait_for("output_audio_buffer.stopped", len(spoken))


def responses(client: Peer) -> list[dict[str, Any]]:
    return [e["response"] for e in client.events if e["type"] == "response.done"]


@BOTH
def test_checks_1_7_8_9_a_conversation_is_in_order(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport, session=TRANSCRIBED) as (client, _):
            await talk(client)
            oracle.check_all(client.events)
            oracle.check_order(client.events)
            oracle.check_concatenation(client.events)
            check_chain(client.events)
            assert [r["status"] for r in responses(client)] == ["completed"] * 3

    run(scenario)


def check_chain(events: list[dict[str, Any]]) -> None:
    """``conversation.item.added`` names the item before, so that all make one chain."""
    chain: list[str | None] = [None]
    for event in events:
        if event["type"] == "conversation.item.added":
            assert event.get("previous_item_id") == chain[-1], event
            chain.append(event["item"]["id"])
        if event["type"] == "input_audio_buffer.committed":
            assert event.get("previous_item_id") == chain[-1], event
    assert len(chain) == len(set(chain)) > 3


def test_check_7_golden_order_a_over_webrtc() -> None:
    async def scenario() -> None:
        async with peer("webrtc") as (client, _):
            say_text(client, "Hello.")
            client.send(type="response.create")
            await finished(client, 1)
            got = [k for k in oracle.kinds(client.events[1:]) if k != "rate_limits.updated"]
            started = got.index("output_audio_buffer.started")
            words = "response.output_audio_transcript.delta"
            assert got[started - 1] == words
            del got[started]
            got = [k for i, k in enumerate(got) if k != words or got[i - 1] != words]
            assert got == [
                "conversation.item.added",
                "conversation.item.done",
                "response.created",
                "response.output_item.added",
                "conversation.item.added",
                "response.content_part.added",
                words,
                "response.output_audio.done",
                "response.output_audio_transcript.done",
                "response.content_part.done",
                "conversation.item.done",
                "response.output_item.done",
                "response.done",
                "output_audio_buffer.stopped",
            ]

    run(scenario)


@BOTH
def test_check_7_golden_order_b_of_a_spoken_turn(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport) as (client, _):
            client.say(SPEECH + QUIET)
            await client.wait_for("response.created")
            expected = [
                "session.created",
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
                "response.created",
            ]
            assert client.kinds()[:7] == expected
            started, stopped, committed, added = client.events[1:5]
            assert started["item_id"] == stopped["item_id"] == committed["item_id"]
            assert added["item"]["id"] == started["item_id"]
            assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
            assert stopped["audio_end_ms"] > started["audio_start_ms"] >= 0

    run(scenario)


@BOTH
def test_check_7_golden_order_c_of_a_written_answer(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport, session={"output_modalities": ["text"]}) as (client, _):
            say_text(client, "Hello.")
            client.send(type="response.create")
            await client.wait_for("response.done")
            kinds = oracle.kinds(client.events[1:])
            assert kinds[: kinds.index("response.done") + 1] == [
                "conversation.item.added",
                "conversation.item.done",
                "response.created",
                "response.output_item.added",
                "conversation.item.added",
                "response.content_part.added",
                "response.output_text.delta",
                "response.output_text.done",
                "response.content_part.done",
                "conversation.item.done",
                "response.output_item.done",
                "response.done",
            ]
            assert client.last("response.content_part.done")["part"]["type"] == "text"

    run(scenario)


def test_check_10_the_transports_differ_only_in_how_sound_comes() -> None:
    async def scenario() -> None:
        counted: dict[str, Counter[str]] = {}
        for transport in ("webrtc", "websocket"):
            config = SimulatorSettings(brain="tone", tone_ms=600)
            async with peer(transport, config) as (client, _):
                say_text(client, "Hello.")
                client.send(type="response.create")
                await finished(client, 1)
                counted[transport] = Counter(client.kinds())
        sound, playback = "response.output_audio.delta", "output_audio_buffer."
        assert counted["webrtc"][sound] == 0 and counted["webrtc"][f"{playback}started"] == 1
        assert counted["websocket"][sound] >= 1
        assert not any(kind.startswith(playback) for kind in counted["websocket"])
        optional = {"rate_limits.updated", "response.output_audio_transcript.delta", sound}
        rest = [
            {k: n for k, n in c.items() if k not in optional and not k.startswith(playback)}
            for c in counted.values()
        ]
        assert rest[0] == rest[1]

    run(scenario)


def test_check_10_over_a_websocket_words_come_before_sound_and_the_sound_is_whole() -> None:
    async def scenario() -> None:
        config = SimulatorSettings(brain="tone", tone_ms=600)
        async with peer("websocket", config) as (client, _):
            client.send(type="response.create")
            await client.wait_for("response.done")
            kinds = client.kinds()
            words = kinds.index("response.output_audio_transcript.delta")
            assert words < kinds.index("response.output_audio.delta")
            assert client.audio() == tone(600)
            assert all(
                "obfuscation" not in e
                for e in client.events
                if e["type"] == "response.output_audio.delta"
            )

    run(scenario)


def test_check_1_a_sideband_mirrors_every_event_of_the_channel() -> None:
    async def scenario() -> None:
        async with simulator() as (url, _), aiohttp.ClientSession() as http:
            caller = Caller(http, url)
            await caller.dial()
            query = f"call_id={caller.location.rsplit('/', 1)[1]}"
            async with socket_peer(http, url, query) as sideband:
                say_text(sideband, "Hello from the side.")
                await sideband.wait_for("conversation.item.done")
                caller.send(type="response.create")
                await sideband.wait_for("output_audio_buffer.stopped")
                await caller.wait_for("output_audio_buffer.stopped")
                assert sideband.events == caller.events[1:]
                assert "response.output_audio.delta" not in sideband.kinds()
                oracle.check_all(sideband.events)
                sideband.send(type="output_audio_buffer.clear")
                sideband.send(type="response.cancel", event_id="side")
                error = (await caller.wait_for("error"))["error"]
                assert error["event_id"] == "side"
            await caller.close()

    run(scenario)


@BOTH
def test_check_18_usage_adds_up_grows_and_is_cached(transport: str) -> None:
    async def scenario() -> None:
        async with peer(transport, SimulatorSettings(brain="tone", tone_ms=400)) as (client, _):
            usages = []
            for turn in range(1, 4):
                say_text(client, "Count the tokens of this sentence, please. " * 4)
                client.send(type="response.create")
                await finished(client, turn)
                usage = responses(client)[-1]["usage"]
                check_usage(usage)
                usages.append(usage)
            created = [e for e in client.events if e["type"] == "response.created"]
            assert all(event["response"]["usage"] is None for event in created)
            assert [u["output_token_details"]["audio_tokens"] for u in usages] == [8, 8, 8]
            inputs = [u["input_tokens"] for u in usages]
            assert inputs == sorted(set(inputs))
            assert usages[0]["input_token_details"]["cached_tokens"] == 0
            assert usages[2]["input_token_details"]["cached_tokens"] > 0
            limits = [e for e in client.events if e["type"] == "rate_limits.updated"]
            assert all(limit["name"] == "tokens" for e in limits for limit in e["rate_limits"])

    run(scenario)
