"""The fast path against a real Chromium: messages both ways, with and without lost datagrams."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from media_worker.webrtc import peer
from media_worker.webrtc.network import NetworkSettings
from mixer_core.patches.aioice.gathering import check_consent, offer_addresses
from mixer_core.patches.aioice.sockets import open_sockets
from mixer_core.runtime import logs
from tests.browser.conftest import browsers as browsers
from tests.browser.conftest import open_browser as open_browser
from tests.browser.conftest import silence as silence
from tests.support.waiting import PATIENCE_S

LOOPBACK_ONLY = NetworkSettings(addresses=("127.0.0.1",))
pytestmark = pytest.mark.browser
MESSAGES = 150
OFFER_JS = """async () => {
  const pc = new RTCPeerConnection();
  const audio = pc.createDataChannel("audio", %s);
  const control = pc.createDataChannel("control");
  audio.binaryType = "arraybuffer";
  window.pc = pc; window.audio = audio; window.heard = [];
  audio.onmessage = (event) => window.heard.push(new Uint8Array(event.data)[0]);
  window.opened = new Promise((done) => { audio.onopen = done; });
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}"""
TALK_JS = """async ([sdp, count]) => {
  await pc.setRemoteDescription({type: "answer", sdp});
  await opened;
  for (let index = 0; index < count; index++) {
    audio.send(new Uint8Array(984).fill(index));
    await new Promise((done) => setTimeout(done, 10));
  }
}"""


class Worker:
    """A loop in a thread of its own with one ``Peer``."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.heard: list[int] = []
        self.opened = threading.Event()
        events = peer.PeerEvents(
            lambda framed: self.opened.set(),
            lambda message: self.heard.append(message[0]),
            *(lambda *words: None for _ in range(3)),
        )

        async def make() -> peer.Peer:
            return peer.Peer(events, logs.get("media_worker", "test"), LOOPBACK_ONLY)

        self.peer = self.call(make())

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the thread and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    async def talk(self) -> None:
        """Send messages as a mixer would."""
        for index in range(MESSAGES):
            self.peer.send_audio(bytes([index]) * 984)
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """End the connection, the loop and the thread."""
        self.call(self.peer.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_S)


@pytest.fixture
def worker() -> Iterator[Worker]:
    peer.prepare_ice(LOOPBACK_ONLY)
    made = Worker()
    yield made
    made.close()
    offer_addresses(None)
    open_sockets(None)
    check_consent()


def lose_every(nth: int, fast: Any) -> None:
    """Lose every ``nth`` datagram in each direction."""
    counts = itertools.count(1), itertools.count(1)
    receive, transmit = fast.receive, fast._plain._transmit

    def lossy_receive(data: bytes) -> bool:
        return bool(next(counts[0]) % nth == 0) or receive(data)

    def lossy_transmit(packet: bytes) -> None:
        if next(counts[1]) % nth:
            transmit(packet)

    fast._datagrams.take, fast._plain._transmit = lossy_receive, lossy_transmit


@pytest.mark.parametrize("lost_nth", [0, 9])
@pytest.mark.parametrize("options", ["{}", '{ordered: false, protocol: "mixminus.v1"}'])
def test_every_message_arrives(
    open_browser: Callable[[None], Any], worker: Worker, options: str, lost_nth: int
) -> None:
    page = open_browser(None).new_page()
    page.goto("about:blank")
    answer = worker.call(worker.peer.answer(page.evaluate(OFFER_JS % options)))
    talk = f"([sdp, count]) => {{ window.talked = ({TALK_JS})([sdp, count]); }}"
    page.evaluate(talk, [answer, MESSAGES])
    assert worker.opened.wait(PATIENCE_S)
    fast = worker.peer._fast
    if lost_nth:
        lose_every(lost_nth, fast)
    worker.call(worker.talk())
    page.evaluate("() => talked")
    page.wait_for_function(f"() => heard.length >= {MESSAGES}", timeout=1_000 * PATIENCE_S)
    until_s = time.monotonic() + PATIENCE_S
    while len(worker.heard) < MESSAGES and time.monotonic() < until_s:
        page.wait_for_timeout(100)
    everything = list(range(MESSAGES))
    ordered = options == "{}"
    heard = page.evaluate("() => heard")
    assert (heard if ordered else sorted(heard)) == everything
    assert (worker.heard if ordered else sorted(worker.heard)) == everything
    assert worker.peer.faults_total == 0
    if not lost_nth:
        assert fast._plain.taken_total > MESSAGES
