"""Checks 3 and 4: client secrets and calls, requested by OpenAI's own package."""

from __future__ import annotations

import json
import re
import time

import aiohttp
import openai
import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection
from openai.types.realtime import ClientSecretCreateResponse

from openai_link.simulator.settings import SimulatorSettings
from tests.conformance.peers import KEY, MODEL
from tests.openai_link.simulator.caller import Caller, run, simulator

pytestmark = pytest.mark.sockets

SESSION = {"type": "realtime", "model": MODEL}


def test_check_3_a_client_secret() -> None:
    async def scenario() -> None:
        async with simulator() as (url, _), aiohttp.ClientSession() as http:
            tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
            session = {**SESSION, "tools": [tool], "audio": {"input": {"transcription": {}}}}
            body = {"session": session, "expires_after": {"anchor": "created_at", "seconds": 30}}
            address = f"{url}/realtime/client_secrets"
            async with http.post(address, json=body, headers=KEY) as reply:
                assert reply.status == 200
                assert reply.headers["openai-version"] == "2020-10-01"
                raw = json.loads(await reply.text())
            secret = ClientSecretCreateResponse.model_validate(raw)
            assert secret.value.startswith("ek_")
            assert abs(secret.expires_at - time.time() - 30) <= 2
            assert raw["session"]["expires_at"] == 0
            assert raw["session"]["object"] == "realtime.session"
            assert raw["session"]["id"].startswith("sess_")
            assert raw["session"]["tools"][0]["description"] is None
            transcription = raw["session"]["audio"]["input"]["transcription"]
            assert transcription["language"] is None and transcription["prompt"] is None
            assert raw["session"]["audio"]["input"]["turn_detection"]["threshold"] == 0.5

    run(scenario)


def test_check_3_the_package_reads_it_and_its_default_is_ten_minutes() -> None:
    async def scenario() -> None:
        async with (
            simulator(SimulatorSettings(api_key="sk-test")) as (url, _),
            openai.AsyncOpenAI(api_key="sk-test", base_url=url) as client,
        ):
            secret = await client.realtime.client_secrets.create(session={"type": "realtime"})
            assert abs(secret.expires_at - time.time() - 600) <= 2
            ephemeral = client.with_options(api_key=secret.value, max_retries=0)
            try:
                await ephemeral.realtime.client_secrets.create(session={"type": "realtime"})
            except openai.AuthenticationError as error:
                assert error.code == "invalid_api_key"
            else:
                raise AssertionError("an ephemeral key made another one")

    run(scenario)


def test_check_4_a_call_placed_by_the_package_in_both_forms() -> None:
    async def scenario() -> None:
        async with simulator() as (url, _), aiohttp.ClientSession() as http:
            for wanted in (SESSION, None):
                async with openai.AsyncOpenAI(api_key="sk-test", base_url=url) as client:
                    caller = Caller(http, url)
                    more = {"session": wanted} if wanted else {}
                    reply = await client.realtime.calls.with_raw_response.create(
                        sdp=await caller.offer(), **more
                    )
                    location = reply.headers["location"]
                    assert reply.http_response.status_code == 201
                    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
                    assert reply.headers["access-control-allow-origin"] == "*"
                    assert re.fullmatch(r"/v1/realtime/calls/rtc_\w+", location)
                    assert reply.text.endswith("\r\n")
                    await caller.accept(location, reply.text)
                    created = caller.events[0]["session"]
                    assert created["id"] == "sess_" + location.rsplit("rtc_", 1)[1]
                    assert abs(created["expires_at"] - time.time() - 3_600) <= 3
                    await caller.close()

    run(scenario)


@pytest.mark.parametrize("policy", [RTCBundlePolicy.MAX_BUNDLE, RTCBundlePolicy.BALANCED])
def test_check_4_an_answer_takes_only_what_was_offered(policy: RTCBundlePolicy) -> None:
    """Video is accepted, as by the service: aiortc opens no channel beside a refused section."""

    async def scenario() -> None:
        async with simulator() as (url, _), aiohttp.ClientSession() as http:
            caller = Caller(http, url)
            configuration = RTCConfiguration(iceServers=[], bundlePolicy=policy)
            caller.connection = RTCPeerConnection(configuration)
            caller.connection.addTransceiver("video", direction="sendrecv")
            await caller.dial()
            answer = caller.connection.remoteDescription.sdp
            media = [line for line in answer.splitlines() if line.startswith("m=")]
            ports = {line.split(" ")[0]: int(line.split(" ")[1]) for line in media}
            assert len(media) == 3
            assert all(ports.values()) and answer.count("a=recvonly") == 1
            assert "a=msid:realtimeapi audio" in answer
            assert answer.count("a=sendrecv") == 1
            assert "opus/48000/2" in answer and "stereo=1" not in answer
            caller.send(type="response.create")
            await caller.wait_for("output_audio_buffer.started")
            await caller.close()

    run(scenario)
