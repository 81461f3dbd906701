"""WebSockets: keys in headers and subprotocols, refusals, sidebands, slow and beta clients."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest

from openai_link.simulator.brains.sounds import tone
from openai_link.simulator.settings import SimulatorSettings
from tests.conformance.oracle import check
from tests.conformance.peers import socket_peer, socket_url
from tests.openai_link.simulator.caller import Caller, run, simulator
from tests.support.audio import from_pcm, read_wav
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

GUARDED = SimulatorSettings(api_key="sk-right")
RIGHT = {"Authorization": "Bearer sk-right"}


async def status_of(http: aiohttp.ClientSession, url: str, **more: object) -> int:
    """The status of a refused upgrade."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await http.ws_connect(url, **more)  # type: ignore[arg-type]
    return caught.value.status


async def secret(http: aiohttp.ClientSession, url: str, **session: object) -> str:
    body = {"session": {"type": "realtime", **session}}
    async with http.post(f"{url}/realtime/client_secrets", json=body, headers=RIGHT) as reply:
        value: str = (await reply.json())["value"]
        return value


def test_a_key_is_needed_in_the_header_or_as_a_subprotocol() -> None:
    async def scenario() -> None:
        async with simulator(GUARDED) as (url, switchboard), aiohttp.ClientSession() as http:
            address = socket_url(url)
            assert await status_of(http, address) == 401
            wrong = {"Authorization": "Bearer sk-wrong"}
            assert await status_of(http, address, headers=wrong) == 401
            protocols = ("realtime", "openai-insecure-api-key.sk-wrong")
            assert await status_of(http, address, protocols=protocols) == 401
            assert not switchboard.calls
            key = await secret(http, url, instructions="from the token")
            for protocols in (
                ("realtime", "openai-insecure-api-key.sk-right", "openai-project.p"),
                ("realtime", f"openai-insecure-api-key.{key}"),
            ):
                async with http.ws_connect(address, protocols=protocols) as socket:
                    assert socket.protocol == "realtime"
                    created = (await socket.receive_json())["session"]
            assert created["instructions"] == "from the token"
            await until(lambda: not switchboard.calls)

    run(scenario)


def test_a_beta_client_is_told_and_sent_away() -> None:
    async def scenario() -> None:
        async with simulator() as (url, switchboard), aiohttp.ClientSession() as http:
            beta = {"OpenAI-Beta": "realtime=v1"}
            async with http.ws_connect(socket_url(url), headers=beta) as socket:
                event = await socket.receive_json()
                check(event)
                assert event["error"]["code"] == "beta_api_shape_disabled"
                closing = await socket.receive()
                assert closing.data == 4000
                assert closing.extra == "invalid_request_error.beta_api_shape_disabled"
            assert not switchboard.calls

    run(scenario)


def test_without_a_model_the_client_is_told_and_sent_away() -> None:
    async def scenario() -> None:
        async with (
            simulator() as (url, _),
            aiohttp.ClientSession() as http,
            http.ws_connect(socket_url(url, "")) as socket,
        ):
            assert (await socket.receive_json())["error"]["code"] == "missing_model"
            assert (await socket.receive()).data == 4000

    run(scenario)


def test_a_transcription_session_writes_down_and_never_answers() -> None:
    async def scenario() -> None:
        async with (
            simulator() as (url, _),
            aiohttp.ClientSession() as http,
            socket_peer(http, url, "intent=transcription") as client,
        ):
            session = (await client.wait_for("session.created"))["session"]
            assert session["object"] == "realtime.transcription_session"
            heard = {"transcription": {"model": "whisper-1"}}
            wanted = {"type": "transcription", "audio": {"input": heard}}
            client.send(type="session.update", session=wanted)
            await client.wait_for("session.updated")
            client.say(tone(500, 300.0) + bytes(48_000))
            await client.wait_for("conversation.item.input_audio_transcription.completed")
            assert "response.created" not in client.kinds()

    run(scenario)


def test_a_sideband_needs_a_standard_key_and_a_call() -> None:
    async def scenario() -> None:
        async with simulator(GUARDED) as (url, _), aiohttp.ClientSession() as http:
            caller = Caller(http, url)
            await caller.dial(api_key="sk-right")
            call_id = caller.location.rsplit("/", 1)[1]
            address = socket_url(url, f"call_id={call_id}")
            ephemeral = {"Authorization": f"Bearer {await secret(http, url)}"}
            assert await status_of(http, address, headers=ephemeral) == 404
            assert await status_of(http, address) == 401
            nobody = socket_url(url, "call_id=rtc_nobody")
            assert await status_of(http, nobody, headers=RIGHT) == 404
            async with http.ws_connect(address, headers=RIGHT) as socket:
                await socket.send_json({"type": "session.update", "session": {"type": "realtime"}})
                assert (await socket.receive_json())["type"] == "session.updated"
            await caller.close()

    run(scenario)


def test_a_call_without_a_channel_can_be_driven_by_a_sideband() -> None:
    async def scenario() -> None:
        config = SimulatorSettings(brain="tone", tone_ms=600)
        async with simulator(config) as (url, _), aiohttp.ClientSession() as http:
            caller = Caller(http, url)
            offer = await caller.offer(with_channel=False)
            headers = {"Content-Type": "application/sdp"}
            async with http.post(f"{url}/realtime/calls", data=offer, headers=headers) as reply:
                location, answer = reply.headers["Location"], await reply.text()
            async with socket_peer(http, url, f"call_id={location.rsplit('/', 1)[1]}") as side:
                await caller.join(location, answer)
                side.send(type="response.create")
                await side.wait_for("output_audio_buffer.stopped")
                assert "session.created" not in side.kinds()
                assert len(caller.heard) > 25
            await caller.close()

    run(scenario)


def test_sockets_are_refused_as_a_fault_and_when_full() -> None:
    async def scenario() -> None:
        config = SimulatorSettings(faults="websocket_refused=403", max_calls=1)
        async with simulator(config) as (url, switchboard), aiohttp.ClientSession() as http:
            assert await status_of(http, socket_url(url)) == 403
            switchboard.faults.switch(type(switchboard.faults.faults)())
            async with http.ws_connect(socket_url(url)):
                assert await status_of(http, socket_url(url)) == 429

    run(scenario)


def test_a_message_that_is_no_json_is_answered_by_an_error() -> None:
    async def scenario() -> None:
        async with (
            simulator() as (url, _),
            aiohttp.ClientSession() as http,
            socket_peer(http, url) as client,
        ):
            client.send_text("{")
            assert (await client.wait_for("error"))["error"]["event_id"] is None
            await client.socket.send_bytes(json.dumps({"type": "response.cancel"}).encode())
            error = (await client.wait_for("error", 2))["error"]
            assert error["code"] == "response_cancel_not_active"

    run(scenario)


def test_what_a_socket_said_is_recorded_to_the_sample(tmp_path: Path) -> None:

    async def scenario() -> None:
        config = SimulatorSettings(record_dir=str(tmp_path))
        said = tone(1_000, 300.0)
        async with simulator(config) as (url, switchboard), aiohttp.ClientSession() as http:
            async with socket_peer(http, url) as client:
                client.say(said)
                await client.wait_for("input_audio_buffer.speech_started")
                [running] = switchboard.calls.values()
                await until(lambda: switchboard.report(running)["input_samples"] == 24_000)
            await until(lambda: not switchboard.calls)
            [recording] = tmp_path.glob("ws_*.wav")
            assert (read_wav(recording) == from_pcm(said)).all()

    run(scenario)
