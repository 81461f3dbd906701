"""Check 23: our WebRTC stack understands both DTLS roles and the service's answers."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiortc import RTCSessionDescription

from openai_link.simulator.settings import SimulatorSettings
from tests.openai_link.simulator.caller import Caller, call, run

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize("role", ["active", "passive"])
def test_check_23_both_dtls_roles(role: Any) -> None:
    async def scenario() -> None:
        async with call(SimulatorSettings(dtls_role=role)) as (caller, _):
            answer = caller.connection.remoteDescription.sdp
            assert f"a=setup:{role}" in answer
            caller.send(type="response.create")
            await caller.wait_for("output_audio_buffer.started")

    run(scenario)


CANDIDATES = (
    "a=candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host ufrag abc/u2/def\r\n"
    "a=candidate:2 1 tcp 1671430143 192.0.2.1 443 typ host tcptype passive ufrag abc/u2/def\r\n"
)


def service_answer(ice_lite: bool, role: str, payload_type: int) -> str:
    """An SDP answer like the service's, as far as it is known."""
    finger = ":".join(["AB"] * 32)
    transport = (
        f"a=setup:{role}\r\na=ice-ufrag:HqBApb/u2/3oMrw2\r\n"
        "a=ice-pwd:abcdefghijklmnopqrstuvwxyz012345\r\n"
    )
    return (
        "v=0\r\no=- 4215775240449105457 1766000000 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
        f"a=msid-semantic:WMS *\r\na=fingerprint:sha-256 {finger}\r\n"
        f"{'a=ice-lite' + chr(13) + chr(10) if ice_lite else ''}a=group:BUNDLE 0 1\r\n"
        f"m=audio 9 UDP/TLS/RTP/SAVPF {payload_type} 0 8\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
        f"{transport}a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:{payload_type} opus/48000/2\r\n"
        f"a=fmtp:{payload_type} minptime=10;useinbandfec=1\r\na=ssrc:7 cname:realtimeapi\r\n"
        f"a=msid:realtimeapi audio\r\na=sendrecv\r\n{CANDIDATES}"
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n"
        f"{transport}a=sendrecv\r\na=sctp-port:5000\r\na=max-message-size:1073741823\r\n"
    )


@pytest.mark.parametrize("ice_lite", [True, False])
@pytest.mark.parametrize("role", ["active", "passive"])
def test_check_23_the_answer_of_the_service_is_understood(ice_lite: bool, role: str) -> None:
    async def scenario() -> None:
        async with aiohttp.ClientSession() as http:
            caller = Caller(http, "")
            offer = await caller.offer()
            payload_type = next(
                int(line.split(":")[1].split(" ")[0])
                for line in offer.splitlines()
                if line.startswith("a=rtpmap:") and "opus" in line
            )
            answer = service_answer(ice_lite, role, payload_type)
            await caller.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            assert caller.connection.signalingState == "stable"
            [transceiver] = caller.connection.getTransceivers()
            assert transceiver.currentDirection == "sendrecv"
            await caller.close()

    run(scenario)
