"""Calls over networks that are not a plain LAN: through a TURN server, or between networks."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCIceTransportPolicy, RTCPeerConnection

from signaling.ice import IceServers
from signaling.settings import NetworkSettings
from tests.support import audio
from tests.support.coturn import SECRET, Coturn, needs_coturn
from tests.support.gateway import ROOT, Gateway
from tests.support.plain_client import PlainClient
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

MOST = 0.6


def relay_only(gateway: Gateway, scheme: str, transport: str) -> RTCConfiguration:
    """A browser whose network lets it talk to one TURN server and to nobody else."""
    (told,) = gateway.json("/ice")["ice_servers"]
    fits = re.compile(rf"{scheme}:.*{transport}")
    (url,) = filter(fits.fullmatch, told["urls"])
    server = RTCIceServer(url, told["username"], told["credential"])
    return RTCConfiguration([server], iceTransportPolicy=RTCIceTransportPolicy.RELAY)


def candidates(sdp: str) -> list[list[str]]:
    """The candidate lines of a description, in words."""
    return [line.split() for line in sdp.splitlines() if line.startswith("a=candidate:")]


async def says_and_hears(client: PlainClient) -> tuple[float, float]:
    """Join and say a sentence, which the assistant repeats.

    Returns the seconds until the channels were open, and the share of the sentence that came back.
    """
    joined_s = await client.join()
    await client.until(
        lambda: any(m["upstream"] == "ready" for m in client.of_type("state")),
        "the assistant does not become ready",
    )
    original = audio.read_wav(audio.SENTENCE)
    began_s = await client.speak(audio.to_pcm(original) + bytes(48_000))
    await client.until(lambda: client.of_type("caption"), "there is no reply")
    await client.quiet()
    return joined_s, audio.share_found(audio.from_pcm(client.pcm(began_s)), original)


@pytest.fixture(scope="module")
def relayed() -> Iterator[Gateway]:
    """A gateway with three TURN servers: for UDP, TCP and TLS only."""
    with (
        Coturn("udp") as udp,
        Coturn("tcp") as tcp,
        Coturn("tls") as tls,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SSL_CERT_FILE", str(tls.certificate))
        gateway = Gateway(
            OPENAI_LINK__GREET="0",
            MEDIA_WORKER__ICE_SERVERS=f"{udp.url}, {tcp.url}, {tls.url}",
            MEDIA_WORKER__ICE_ADDRESSES="127.0.0.1",
        )
        gateway.env["TURN_SECRET"] = SECRET
        with gateway:
            yield gateway


@needs_coturn
@pytest.mark.parametrize("way", [("turn", "udp"), ("turn", "tcp"), ("turns", "tcp")], ids="-".join)
def test_a_call_that_can_go_only_through_coturn(relayed: Gateway, way: tuple[str, str]) -> None:
    async def call() -> float:
        configuration = relay_only(relayed, *way)
        client = PlainClient(relayed.url, "-".join(way), "Ada", configuration=configuration)
        joined_s, share = await says_and_hears(client)
        types = {parts[7] for parts in candidates(client.pc.localDescription.sdp)}
        print({"joined_ms": round(joined_s * 1e3), "share": share})
        assert types == {"relay"}
        await client.close()
        return share

    assert asyncio.run(call()) >= MOST
    assert SECRET not in relayed.log


@needs_coturn
def test_coturn_takes_a_long_term_user() -> None:
    with Coturn("udp", "ada") as coturn:
        settings = NetworkSettings(ice_servers=coturn.url, turn_username="ada")
        (server,) = IceServers(settings, {"TURN_SECRET": SECRET}).current(0)

        async def relayed_types() -> set[str]:
            one = RTCIceServer(list(server.urls), server.username, server.credential)
            peer = RTCPeerConnection(RTCConfiguration([one]))
            peer.createDataChannel("audio")
            await peer.setLocalDescription(await peer.createOffer())
            found = {parts[7] for parts in candidates(peer.localDescription.sdp)}
            await peer.close()
            return found

        assert "relay" in asyncio.run(relayed_types())


NAMESPACE = ["unshare", "--net", "--map-root-user"]


def may_make_networks() -> bool:
    """Whether a network namespace with a bridge can be made here."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    command = [*NAMESPACE, "ip", "link", "add", "docker0", "type", "bridge"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("case", "offered"),
    [
        pytest.param("bridge", ["10.77.0.1", "127.0.0.1", "fd77::1"], id="container-bridge"),
        pytest.param("nat", ["10.77.0.1", "10.77.0.99"], id="announced-address"),
    ],
)
def test_a_call_in_a_network_of_its_own(case: str, offered: list[str]) -> None:
    if not may_make_networks():
        pytest.skip("network namespaces are not permitted here")
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "-m", "tests.processes.inner_call", case],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == offered
