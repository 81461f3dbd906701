"""``/simulator/…``: access, reports, fault switches."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from openai_link.simulator.brains.sounds import tone
from openai_link.simulator.settings import SimulatorSettings
from tests.conformance.peers import socket_peer
from tests.openai_link.simulator.caller import UNANSWERED, Caller, call, run, simulator
from tests.support.waiting import until

pytestmark = pytest.mark.sockets


def root(url: str) -> str:
    return url.removesuffix("/v1") + "/simulator"


async def get(http: aiohttp.ClientSession, url: str, **more: Any) -> Any:
    async with http.get(url, **more) as reply:
        assert reply.status == 200, await reply.text()
        return await reply.json()


def test_every_sample_of_a_call_is_counted() -> None:
    async def scenario() -> None:
        async with call(session=UNANSWERED) as (caller, switchboard):
            caller.say(tone(600, 300.0))
            await caller.wait_for("conversation.item.done")
            [running] = switchboard.calls.values()
            await until(lambda: switchboard.report(running)["events_out"] == len(caller.events))
            before = switchboard.report(running)
            assert before["transport"] == "webrtc" and before["state"] == "connected"
            assert before["rtp"]["expected"] == before["rtp"]["received"]
            assert before["rtp"]["lost"] == before["rtp"]["concealed_samples"] == 0
            heard = before["input_samples"] - before["rtp"]["filled_samples"]
            assert heard == 480 * before["rtp"]["received"]
            assert before["session"] == caller.events[0]["session"]["id"]
            assert before["expires_at"] == caller.events[0]["session"]["expires_at"]
            assert before["items"][0]["role"] == "user"
            await caller.hang_up()
            [ended] = switchboard.ended
            assert ended["id"] == before["id"] and ended["reason"] == "hang-up"
            assert ended["input_samples"] >= before["input_samples"]

    run(scenario)


def test_calls_are_listed_with_the_right_key_only() -> None:
    async def scenario() -> None:
        config = SimulatorSettings(api_key="sk-right")
        async with simulator(config) as (url, _), aiohttp.ClientSession() as http:
            key = {"Authorization": "Bearer sk-right"}
            async with http.get(f"{root(url)}/calls") as reply:
                assert reply.status == 401
            async with socket_peer(http, url, headers=key) as client:
                await client.wait_for("session.created")
                listed = await get(http, f"{root(url)}/calls", headers=key)
                [running] = listed["calls"]
                assert running["transport"] == "websocket" and running["input_samples"] == 0
                assert running["events_out"] == 1 and listed["ended"] == []

    run(scenario)


def test_a_page_may_not_ask() -> None:
    async def scenario() -> None:
        async with simulator() as (url, _), aiohttp.ClientSession() as http:
            page = {"Origin": "http://elsewhere.test"}
            async with http.post(f"{root(url)}/faults", data="drop_udp", headers=page) as reply:
                assert reply.status == 403
                assert "Access-Control-Allow-Origin" not in reply.headers
            assert (await get(http, f"{root(url)}/faults")) == {"faults": ""}

    run(scenario)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("duplicate_events,post_500=2", "post_500=2,duplicate_events"),
        ('{"post_500": 2, "drop_udp": true}', "drop_udp,post_500=2"),
        ('{"faults": "no_rate_limits"}', "no_rate_limits"),
        ("", ""),
    ],
)
def test_faults_are_switched_by_text_or_json(body: str, shown: str) -> None:
    async def scenario() -> None:
        config = SimulatorSettings(faults="unknown_events")
        async with simulator(config) as (url, _), aiohttp.ClientSession() as http:
            assert await get(http, f"{root(url)}/faults") == {"faults": "unknown_events"}
            async with http.post(f"{root(url)}/faults", data=body) as reply:
                assert (reply.status, await reply.json()) == (200, {"faults": shown})

    run(scenario)


@pytest.mark.parametrize("body", ["drop_udb", '{"drop_udp": []}', "{"])
def test_what_cannot_be_switched_is_named_and_nothing_changes(body: str) -> None:
    async def scenario() -> None:
        config = SimulatorSettings(faults="unknown_events")
        async with simulator(config) as (url, switchboard), aiohttp.ClientSession() as http:
            async with http.post(f"{root(url)}/faults", data=body) as reply:
                assert reply.status == 400
                assert (await reply.json())["error"]["message"]
            assert switchboard.faults.faults.unknown_events

    run(scenario)


def test_a_timed_fault_that_is_switched_on_hits_the_calls_that_run() -> None:
    async def scenario() -> None:
        async with simulator() as (url, switchboard), aiohttp.ClientSession() as http:
            caller = Caller(http, url)
            await caller.dial()
            async with http.post(f"{root(url)}/faults", data="close_channel_after_ms=0") as reply:
                assert reply.status == 200
            await until(lambda: caller.channel.readyState == "closed")
            await until(lambda: not switchboard.calls)
            async with http.post(f"{root(url)}/faults", data="") as reply:
                assert reply.status == 200
            second = Caller(http, url)
            await second.dial()
            await asyncio.sleep(0.2)
            assert second.channel.readyState == "open"
            await caller.close()
            await second.close()

    run(scenario)
