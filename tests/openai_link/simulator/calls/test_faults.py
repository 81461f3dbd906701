"""Faults on real connections."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from openai_link.simulator.faults.plan import Faults, parse
from openai_link.simulator.settings import SimulatorSettings
from tests.openai_link.simulator.caller import Caller, call, run, simulator
from tests.support.waiting import until

pytestmark = pytest.mark.sockets


def test_offers_are_refused_as_often_as_asked_for() -> None:
    async def scenario() -> None:
        config = SimulatorSettings(faults="post_500=1,post_429=1,answer_delay_ms=200")
        async with simulator(config) as (url, _), aiohttp.ClientSession() as http:
            caller = Caller(http, url)
            offer = await caller.offer()
            sdp = {"Content-Type": "application/sdp"}
            for status, code in ((500, "server_error"), (429, "rate_limit_exceeded")):
                begun_s = time.monotonic()
                async with http.post(f"{url}/realtime/calls", data=offer, headers=sdp) as reply:
                    assert time.monotonic() - begun_s >= 0.2
                    assert (reply.status, (await reply.json())["error"]["code"]) == (status, code)
            async with http.post(f"{url}/realtime/calls", data=offer, headers=sdp) as reply:
                assert reply.status == 201
                await caller.accept(reply.headers["Location"], await reply.text())
            await caller.close()

    run(scenario)


def test_without_quota_nothing_can_be_opened() -> None:
    async def scenario() -> None:
        async with (
            simulator(SimulatorSettings(faults="no_quota")) as (url, _),
            aiohttp.ClientSession() as http,
        ):
            caller = Caller(http, url)
            sdp = {"Content-Type": "application/sdp"}
            offer = await caller.offer()
            async with http.post(f"{url}/realtime/calls", data=offer, headers=sdp) as reply:
                assert reply.status == 429
                assert (await reply.json())["error"]["code"] == "insufficient_quota"
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await http.ws_connect(f"{url}/realtime?model=m")
            assert caught.value.status == 429
            await caller.close()

    run(scenario)


def test_with_udp_dropped_a_call_is_answered_and_never_comes_up() -> None:
    async def scenario() -> None:
        config = SimulatorSettings(faults="drop_udp", connect_timeout_s=1)
        async with simulator(config) as (url, switchboard), aiohttp.ClientSession() as http:
            caller = Caller(http, url)
            dialling = asyncio.create_task(caller.dial())
            await until(lambda: caller.location)
            await until(lambda: not switchboard.calls)
            assert not dialling.done() and caller.connection.connectionState == "connecting"
            assert not caller.heard
            dialling.cancel()
            await caller.close()

    run(scenario)


def test_udp_that_is_dropped_later_silences_a_running_call() -> None:
    async def scenario() -> None:
        async with call(SimulatorSettings(brain="tone")) as (caller, switchboard):
            caller.send(type="response.create")
            await until(lambda: len(caller.heard) > 20)
            switchboard.faults.switch(parse("drop_udp"))
            await asyncio.sleep(0.1)
            heard, events = len(caller.heard), len(caller.events)
            await asyncio.sleep(0.3)
            assert len(caller.heard) == heard and len(caller.events) == events
            switchboard.faults.switch(Faults())
            await until(lambda: len(caller.heard) > heard)

    run(scenario)


def test_a_part_of_the_uplink_can_be_lost() -> None:
    async def scenario() -> None:
        async with call(SimulatorSettings(faults="drop_uplink=25")) as (caller, switchboard):
            [running] = switchboard.calls.values()
            await until(lambda: switchboard.report(running)["rtp"]["received"] >= 40)
            rtp = switchboard.report(running)["rtp"]
            assert rtp["expected"] == rtp["received"]
            assert rtp["dropped_as_fault"] == rtp["received"] // 4
            dropped = rtp["dropped_as_fault"]  # It is missed once later packets are played.
            await until(lambda: switchboard.report(running)["rtp"]["lost"] >= dropped)
            assert caller.events

    run(scenario)
