"""Two real peer connections, one of them a ``Peer``: messages arrive as they were sent."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from media_worker.webrtc import peer
from media_worker.webrtc.network import NetworkSettings
from media_worker.webrtc.probing import MAX_CHECKS, Kind
from mixer_core.patches.aioice.gathering import check_consent, offer_addresses
from mixer_core.patches.aioice.sockets import open_sockets
from mixer_core.runtime import logs
from tests.support.waiting import PATIENCE_S, until

from ..edges import Browser

LOOPBACK_ONLY = NetworkSettings(addresses=("127.0.0.1",))
pytestmark = pytest.mark.sockets

Scenario = Callable[[Browser, "Callee"], Awaitable[None]]


class Callee:
    """A ``Peer`` that records."""

    def __init__(self, network: NetworkSettings = LOOPBACK_ONLY) -> None:
        self.heard: list[bytes] = []
        self.texts: list[str] = []
        self.trouble: list[str] = []
        self.ends: list[str] = []
        self.opened = asyncio.Event()
        events = peer.PeerEvents(
            lambda framed: self.opened.set(),
            self.heard.append,
            self.texts.append,
            lambda code, sentence: self.trouble.append(code),
            self.ends.append,
        )
        self.peer = peer.Peer(events, logs.get("media_worker", "test"), network)


@pytest.fixture
def patched() -> Iterator[None]:
    """ICE of this process as in a child, and back as it was."""
    peer.prepare_ice(LOOPBACK_ONLY)
    yield
    offer_addresses(None)
    open_sockets(None)
    check_consent()


def run(scenario: Scenario, *, framed: bool = True) -> None:
    async def main() -> None:
        browser, callee = Browser(framed=framed), Callee()
        answer = await callee.peer.answer(await browser.sdp())
        await browser.accept(answer)
        await asyncio.wait_for(callee.opened.wait(), PATIENCE_S)
        try:
            await asyncio.wait_for(scenario(browser, callee), 2 * PATIENCE_S)
        finally:
            await callee.peer.close()
            await browser.close()

    asyncio.run(main())


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize("framed", [True, False])
def test_messages_arrive_whole_in_both_directions(framed: bool) -> None:
    async def scenario(browser: Browser, callee: Callee) -> None:
        source = random.Random(1)
        up = [source.randbytes(source.choice([2, 960, 984, 5000])) for _ in range(40)]
        down = [source.randbytes(984) for _ in range(40)]
        for sent, returned in zip(up, down, strict=True):
            browser.audio.send(sent)
            callee.peer.send_audio(returned)
            await asyncio.sleep(0.002)
        await until(lambda: len(callee.heard) == 40, "uplink")
        await until(lambda: len(browser.heard) == 40, "downlink")
        assert sorted(callee.heard) == sorted(up)
        assert sorted(browser.heard) == sorted(down)
        await until(lambda: callee.peer.buffered_bytes() == 0, "sent")
        assert callee.peer.faults_total == 0

    run(scenario, framed=framed)


@pytest.mark.usefixtures("patched")
def test_lost_datagrams_are_sent_again() -> None:
    async def scenario(browser: Browser, callee: Callee) -> None:
        connection = browser.pc.sctp.transport.transport._connection
        original, count = connection.send, 0

        async def lossy(data: bytes) -> None:
            nonlocal count
            count += 1
            if count % 10:
                await original(data)

        browser.pc.sctp.transport.transport._send = lossy
        sent = [bytes([index]) * 960 for index in range(60)]
        for message in sent:
            browser.audio.send(message)
            await asyncio.sleep(0.005)
        await until(lambda: len(callee.heard) == 60, "all of them")
        assert callee.heard == sent
        assert callee.peer.faults_total == 0

    run(scenario, framed=False)


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize("framed", [True, False])
def test_texts_arrive_whole_and_in_order(framed: bool) -> None:
    async def scenario(browser: Browser, callee: Callee) -> None:
        sent = [json.dumps({"type": "caption", "text": "ä" * size}) for size in (1, 500, 3000, 2)]
        for text in sent * 3:
            callee.peer.send_control(text)
            callee.peer.send_audio(bytes(984))
        await until(lambda: len(browser.messages) == 12, "all texts")
        assert [json.loads(text) for text in sent] * 3 == browser.messages
        await until(lambda: len(browser.heard) == 12, "all audio")
        assert callee.peer.faults_total == 0

    run(scenario, framed=framed)


@pytest.mark.usefixtures("patched")
def test_what_aiortc_trips_over_is_counted_and_survived() -> None:
    async def scenario(browser: Browser, callee: Callee) -> None:
        receive = callee.peer._connection.sctp._receive_chunk

        async def trip(chunk: object) -> None:
            callee.peer._connection.sctp._receive_chunk = receive
            raise AssertionError("tripped")

        callee.peer._connection.sctp._receive_chunk = trip
        browser.control.send("first")
        await until(lambda: callee.peer.faults_total == 1, "a fault")
        browser.control.send("second")
        await until(lambda: "second" in callee.texts, "the session goes on")

    run(scenario)


@pytest.mark.usefixtures("patched")
def test_queued_audio_can_be_dropped_and_a_full_queue_is_seen() -> None:
    async def scenario(browser: Browser, callee: Callee) -> None:
        for index in range(200):
            callee.peer.send_audio(bytes([index]) * 984)
        callee.peer.send_control("{}")
        assert callee.peer.buffered_bytes() > 150 * 984
        assert callee.peer.drop_queued_audio() > 150
        assert callee.peer.buffered_bytes() <= 10 * 984
        await until(lambda: browser.messages, "control is kept")
        await until(lambda: callee.peer.buffered_bytes() == 0, "sent")
        assert len(browser.heard) < 50

    run(scenario)


@pytest.mark.usefixtures("patched")
def test_a_browser_that_leaves_ends_the_connection_once() -> None:
    async def scenario(browser: Browser, callee: Callee) -> None:
        await browser.close()
        await until(lambda: callee.ends, "the end")
        await asyncio.sleep(0.05)
        assert len(callee.ends) == 1

    run(scenario)


@pytest.mark.usefixtures("patched")
def test_a_session_goes_over_ipv6() -> None:
    async def scenario() -> None:
        browser, callee = Browser(framed=True), Callee()
        offer_addresses(lambda: ["::1"])
        answer = await callee.peer.answer(await browser.sdp())
        assert " ::1 " in answer and "127.0.0.1" not in answer
        await browser.accept(answer)
        await asyncio.wait_for(callee.opened.wait(), PATIENCE_S)
        browser.audio.send(bytes(984))
        callee.peer.send_audio(bytes(984))
        await until(lambda: callee.heard and browser.heard, "no message came")
        await callee.peer.close()
        await browser.close()

    asyncio.run(scenario())


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize(("kind", "sent"), [("loopback", MAX_CHECKS), ("private", 0)])
def test_an_offer_aims_few_datagrams_at_others(kind: Kind, sent: int) -> None:
    """64 addresses that never answer; all of them are one socket here."""

    async def scenario(target: socket.socket) -> None:
        port = target.getsockname()[1]
        lines = [
            f"a=candidate:{i} 1 udp {2113937151 - i} 127.0.1.{i} {port} typ host"
            for i in range(1, 65)
        ]
        browser = Browser(framed=True)
        callee = Callee(NetworkSettings(addresses=("127.0.0.1",), probed=frozenset({kind})))
        own = [line for line in (await browser.sdp()).splitlines() if "a=candidate" not in line]
        await callee.peer.answer("\r\n".join([*own, *lines, ""]))
        if sent:
            await until(lambda: callee.peer.checks_refused_total, "no check is refused")
        await asyncio.sleep(0.1)
        await callee.peer.close()
        await browser.close()
        assert len(drained(target)) == sent

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        target.bind(("0.0.0.0", 0))
        target.setblocking(False)
        asyncio.run(scenario(target))


def drained(receiver: socket.socket) -> list[bytes]:
    """All datagrams that have come."""
    found = []
    while True:
        try:
            found.append(receiver.recv(2048))
        except BlockingIOError:
            return found
