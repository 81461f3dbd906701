"""A worker that browsers can reach only at the TURN server's address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Literal

import pytest

from media_worker.webrtc import peer
from media_worker.webrtc.network import NetworkSettings
from mixer_core.patches.aioice.gathering import check_consent, offer_addresses
from mixer_core.patches.aioice.sockets import open_sockets
from mixer_core.runtime import logs
from signaling.ice import IceServers
from signaling.settings import NetworkSettings as ServerSettings
from tests.support.coturn import SECRET, Coturn, needs_coturn
from tests.support.waiting import PATIENCE_S, until

from ..edges import Browser

pytestmark = [pytest.mark.processes, needs_coturn]

WORKER = NetworkSettings(addresses=("127.0.0.1",), probed=frozenset({"loopback"}), relay=True)


@pytest.fixture(autouse=True)
def patched() -> Iterator[None]:
    peer.prepare_ice(WORKER)
    yield
    offer_addresses(None)
    open_sockets(None)
    check_consent()


def only_relayed(answer: str) -> str:
    """The answer, as if the worker's own addresses did not exist."""
    lines = answer.splitlines(keepends=True)
    return "".join(line for line in lines if "candidate:" not in line or "typ relay" in line)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_messages_pass_both_ways_over_the_workers_relay(transport: Literal["udp", "tcp"]) -> None:
    heard: list[bytes] = []
    opened = asyncio.Event()

    async def call(coturn: Coturn) -> None:
        servers = IceServers(ServerSettings(ice_servers=coturn.url), {"TURN_SECRET": SECRET})
        browser = Browser(framed=True)
        events = peer.PeerEvents(
            lambda framed: opened.set(), heard.append, print, print, lambda detail: None
        )
        log = logs.get("media_worker", "test")
        callee = peer.Peer(events, log, WORKER, servers.current(int(time.time())))
        answer = await callee.answer(await browser.sdp())
        assert answer.count("typ relay") == 1
        await browser.accept(only_relayed(answer))
        await asyncio.wait_for(opened.wait(), PATIENCE_S)
        for index in range(20):
            browser.audio.send(bytes([index]) * 984)
            callee.send_audio(bytes([index]) * 984)
            await asyncio.sleep(0.01)
        await until(lambda: len(heard) >= 20 and len(browser.heard) >= 20, "not all messages came")
        await callee.close()
        await browser.close()

    with Coturn(transport) as coturn:
        asyncio.run(call(coturn))
    assert sorted(heard) == sorted(bytes([index]) * 984 for index in range(20))
