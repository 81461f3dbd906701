"""Real calls over WebRTC on loopback: greeting, echo, barge-in, hang-up, recording, roles."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from openai_link.simulator.brains.sounds import tone
from openai_link.simulator.settings import SimulatorSettings
from tests.openai_link.simulator.caller import SESSION, UNANSWERED, Caller, call, run, simulator
from tests.openai_link.simulator.support import check
from tests.support.audio import (
    RATE_HZ,
    SENTENCE,
    align,
    from_pcm,
    read_wav,
    to_pcm,
    tone_level_dbfs,
)
from tests.support.waiting import until

pytestmark = pytest.mark.sockets


def test_it_greets_then_repeats_words_and_all_events_conform() -> None:
    async def scenario() -> None:
        async with call() as (caller, _):
            caller.send(type="response.create")
            await until(lambda: np.abs(from_pcm(caller.heard_pcm())).max(initial=0) > 0.1)
            caller.send(type="output_audio_buffer.clear")
            await caller.wait_for("output_audio_buffer.cleared")
            await caller.wait_for("response.done")
            caller.heard.clear()

            words = read_wav(SENTENCE)[:RATE_HZ]
            caller.say(to_pcm(words))
            await caller.wait_for("output_audio_buffer.stopped")
            _, score = align(from_pcm(caller.heard_pcm()), words)
            assert score >= 0.95
            assert (
                "[simulator]" in caller.last("response.output_audio_transcript.done")["transcript"]
            )
            assert caller.kinds()[0] == "session.created"
            for event in caller.events:
                check(event)

    run(scenario)


def test_a_long_silence_is_sparse_and_a_reply_begins_at_once_all_the_same() -> None:
    async def scenario() -> None:
        config = SimulatorSettings(brain="tone", tone_ms=400, sparse_after_ms=100)
        async with call(config) as (caller, _):
            counters = caller._audio.counters
            await until(lambda: counters.skipped_ms >= 380)
            packets, skipped_ms = counters.received, counters.skipped_ms
            await until(lambda: counters.skipped_ms >= skipped_ms + 2 * 380)
            assert counters.received - packets <= 2
            waits_ms = []
            for turn in range(1, 4):
                skipped_ms = counters.skipped_ms
                caller.send(type="response.create")
                await caller.wait_for("output_audio_buffer.stopped", turn)
                waits_ms.append(counters.skipped_ms - skipped_ms)
                resting_ms = counters.skipped_ms
                await until(lambda last=resting_ms: counters.skipped_ms > last)
            assert min(waits_ms) < 380  # It would wait for the next sparse packet otherwise.

    run(scenario)


def test_speaking_over_the_reply_stops_its_packets_at_once() -> None:
    async def scenario() -> None:
        config = SimulatorSettings(brain="tone", tone_ms=20_000)
        async with call(config, UNANSWERED) as (caller, _):
            caller.send(type="response.create")
            await until(lambda: len(caller.heard) > 20)
            await caller.wait_for("output_audio_buffer.started")
            caller.say(tone(400, 300.0))
            await caller.wait_for("conversation.item.truncated")
            await asyncio.sleep(0.3)
            real = [frame for frame in caller.heard if not frame.concealed]
            loud = [f for f in real if np.abs(from_pcm(f.pcm)).max() > 0.02]
            played_ms = caller.last("conversation.item.truncated")["audio_end_ms"]
            assert abs(played_ms - 20 * len(loud)) <= 80
            kinds = caller.kinds()
            start = kinds.index("input_audio_buffer.speech_started")
            assert kinds[start + 1] == "output_audio_buffer.cleared"
            assert kinds.count("output_audio_buffer.cleared") == 1
            assert "output_audio_buffer.stopped" not in kinds

    run(scenario)


def test_a_hang_up_ends_the_call_once() -> None:
    async def scenario() -> None:
        async with call() as (caller, switchboard):
            assert len(switchboard.calls) == 1
            assert caller.location.startswith("/v1/realtime/calls/rtc_")
            session_id = caller.events[0]["session"]["id"]
            assert session_id.removeprefix("sess_") == caller.location.rsplit("rtc_", 1)[1]
            assert await caller.hang_up() == 200
            assert await caller.hang_up() == 404
            await until(lambda: caller.channel.readyState == "closed")
            assert not switchboard.calls

    run(scenario)


def test_a_client_that_closes_ends_its_call() -> None:
    async def scenario() -> None:
        async with call() as (caller, switchboard):
            await caller.close()
            await until(lambda: not switchboard.calls)

    run(scenario)


def test_a_client_that_never_connects_is_forgotten() -> None:
    async def scenario() -> None:
        async with (
            simulator(SimulatorSettings(connect_timeout_s=0.2)) as (_, switchboard),
            aiohttp.ClientSession() as http,
        ):
            caller = Caller(http, "")
            await switchboard.place_call(await caller.offer(), SESSION)
            assert len(switchboard.calls) == 1
            await until(lambda: not switchboard.calls)
            await caller.close()

    run(scenario)


def test_an_ephemeral_key_brings_its_session_and_the_other_dtls_role_works() -> None:
    async def scenario() -> None:
        config = SimulatorSettings(api_key="sk-right", dtls_role="passive")
        async with simulator(config) as (url, _), aiohttp.ClientSession() as http:
            wanted = {"type": "realtime", "instructions": "from the token"}
            async with http.post(
                f"{url}/realtime/client_secrets",
                json={"session": wanted, "expires_after": {"anchor": "created_at", "seconds": 60}},
                headers={"Authorization": "Bearer sk-right"},
            ) as response:
                secret = (await response.json())["value"]
            caller = Caller(http, url)
            async with http.post(
                f"{url}/realtime/calls",
                data=await caller.offer(),
                headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/sdp"},
            ) as response:
                assert response.status == 201
                answer = await response.text()
                assert "a=setup:passive" in answer
                assert "realtimeapi audio" in answer
                await caller.accept(response.headers["Location"], answer)
            assert caller.events[0]["session"]["instructions"] == "from the token"
            await caller.close()

    run(scenario)


def test_the_recording_holds_what_was_said_at_its_level(tmp_path: Path) -> None:
    async def scenario() -> None:
        config = SimulatorSettings(record_dir=str(tmp_path))
        async with call(config) as (caller, _):
            caller.say(tone(1_000, 400.0, 3_277))
            await caller.wait_for("input_audio_buffer.speech_stopped")
            [recording] = tmp_path.glob("rtc_*.wav")
            assert len(read_wav(recording)) >= 24_000
            assert await caller.hang_up() == 200
            samples = read_wav(recording)
            said, score = align(samples, from_pcm(tone(1_000, 400.0, 3_277)))
            assert score > 0.99
            assert tone_level_dbfs(said[6_000:18_000], 400.0) == pytest.approx(-20.0, abs=1.0)

    run(scenario)
