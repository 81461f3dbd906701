"""The page in a Chromium whose network lets it talk to a TURN server and to nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.support import KEEP_MICROPHONE, LINES, until, watched
from tests.support.coturn import SECRET, Coturn, needs_coturn
from tests.support.gateway import Gateway

pytestmark = [pytest.mark.browser, needs_coturn]

RELAY_ONLY = """
const Stock = window.RTCPeerConnection;
window.RTCPeerConnection = function (configuration) {
  const iceServers = configuration.iceServers.map((server) => ({
    ...server, urls: server.urls.filter((url) => url.endsWith('TRANSPORT')),
  }));
  window.pc = new Stock({ iceServers, iceTransportPolicy: 'relay' });
  return window.pc;
};
"""
PAIR = """
async () => {
  const report = await window.pc.getStats();
  for (const entry of report.values()) {
    if (entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded') {
      const { candidateType, relayProtocol } = report.get(entry.localCandidateId);
      return [candidateType, relayProtocol];
    }
  }
}
"""


@pytest.fixture(scope="module")
def relayed() -> Iterator[Gateway]:
    with Coturn("udp") as udp, Coturn("tcp") as tcp:
        gateway = Gateway(
            MEDIA_WORKER__ICE_SERVERS=f"{udp.url}, {tcp.url}",
            MEDIA_WORKER__ICE_ADDRESSES="127.0.0.1",
        )
        gateway.env["TURN_SECRET"] = SECRET
        with gateway:
            yield gateway


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_page_talks_over_the_relay(
    relayed: Gateway, open_browser: Callable[..., Any], transport: str
) -> None:
    page = open_browser(None).new_page()
    troubles = watched(page)
    page.add_init_script(KEEP_MICROPHONE)
    page.add_init_script(RELAY_ONLY.replace("TRANSPORT", transport))
    page.goto(f"{relayed.url}/?room={transport}&name=Ada")
    page.get_by_role("button", name="Join").click()
    until(page, f"() => ({LINES})().some((line) => line)", "the assistant says nothing")
    played = "() => window.mixminus.events.some((event) => event.type === 'played')"
    until(page, played, "nothing is played")
    assert page.evaluate(PAIR) == ["relay", transport]
    assert troubles == []
