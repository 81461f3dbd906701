"""Checks 21 and 22 (the server's part): hang-up, expiry, and what faults do on the wire."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import openai
import pytest

from openai_link.simulator.faults.plan import parse
from openai_link.simulator.settings import SimulatorSettings
from tests.conformance.oracle import check
from tests.conformance.peers import peer, socket_peer
from tests.openai_link.simulator.caller import Caller, run, simulator
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

VANISH = parse("kill_call_after_ms=0")
BOTH = pytest.mark.parametrize("transport", ["webrtc", "websocket"])


def test_check_21_a_hang_up_ends_the_call_its_channel_and_its_sideband() -> None:
    async def scenario() -> None:
        async with simulator() as (url, switchboard), aiohttp.ClientSession() as http:
            caller = Caller(http, url)
            await caller.dial()
            call_id = caller.location.rsplit("/", 1)[1]
            async with (
                socket_peer(http, url, f"call_id={call_id}") as sideband,
                openai.AsyncOpenAI(api_key="sk-test", base_url=url) as client,
            ):
                reply = await client.realtime.calls.with_raw_response.hangup(call_id)
                assert reply.http_response.status_code == 200
                assert reply.http_response.content == b""
                with pytest.raises(openai.NotFoundError) as caught:
                    await client.realtime.calls.hangup(call_id)
                assert caught.value.code == "call_id_not_found"
                await until(lambda: caller.channel.readyState == "closed")
                await until(lambda: sideband.socket.closed)
                assert not switchboard.calls
                for verb in (
                    client.realtime.calls.accept(call_id, type="realtime"),
                    client.realtime.calls.reject(call_id),
                    client.realtime.calls.refer(call_id, target_uri="tel:+1"),
                ):
                    with pytest.raises(openai.NotFoundError):
                        await verb
            await caller.close()

    run(scenario)


@BOTH
def test_check_22_a_session_ends_when_it_said_it_would(transport: str) -> None:
    async def scenario() -> None:
        config = SimulatorSettings(session_max_s=3 if transport == "webrtc" else 1)
        async with peer(transport, config) as (client, switchboard):
            expires_at = client.events[0]["session"]["expires_at"]
            assert expires_at - time.time() <= config.session_max_s
            event = await client.wait_for("error")
            check(event)
            assert event["error"]["code"] == "session_expired"
            assert event["error"]["event_id"] is None
            assert -1 <= time.time() - expires_at <= 10
            if isinstance(client, Caller):
                await until(lambda: client.channel.readyState == "closed")
                await until(lambda: client.connection.connectionState in ("closed", "failed"))
            else:
                await until(lambda: client.socket.closed)
            await until(lambda: not switchboard.calls)
            assert switchboard.ended[-1]["reason"] == "session_expired"

    run(scenario)


@BOTH
def test_check_22_a_channel_that_closes_in_the_middle_of_an_answer(transport: str) -> None:
    async def scenario() -> None:
        config = SimulatorSettings(brain="tone", tone_ms=5_000, faults="close_mid_response=400*1")
        async with peer(transport, config) as (client, switchboard):
            client.send(type="response.create")
            if isinstance(client, Caller):
                await client.wait_for("output_audio_buffer.started")
                await until(lambda: client.channel.readyState == "closed")
                assert "output_audio_buffer.stopped" not in client.kinds()
            else:
                await until(lambda: client.socket.closed)
            await until(lambda: not switchboard.calls)

    run(scenario)


def test_check_22_a_call_that_vanishes_says_nothing() -> None:
    async def scenario() -> None:
        async with peer("webrtc") as (client, switchboard):
            assert isinstance(client, Caller)
            switchboard.faults.switch(VANISH)
            await until(lambda: not switchboard.calls)
            await asyncio.sleep(0.5)
            assert client.channel.readyState == "open"  # The client does not know.
            assert client.connection.connectionState == "connected"

    run(scenario)


def test_check_22_a_socket_that_vanishes_breaks() -> None:
    async def scenario() -> None:
        async with peer("websocket") as (client, switchboard):
            assert not isinstance(client, Caller)
            switchboard.faults.switch(VANISH)
            await until(client.reading.done)
            assert client.socket.close_code == 1006

    run(scenario)
