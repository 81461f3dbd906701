"""A connection with ourselves, in the fork server: what it loads and fills, all children share.

Certificates, SDP, DTLS and SCTP import modules and build tables on first use. Done once before the
fork, a child answers its first offer faster and has less memory of its own.
"""

from __future__ import annotations

import asyncio

import uvloop
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from mixer_core.runtime import logs
from mixer_core.runtime.errors import MixminusError

from .protocol.audio_messages import FRAME_MESSAGE_BYTES
from .webrtc import peer
from .webrtc.interfaces import LOOPBACK
from .webrtc.network import NetworkSettings

TIMEOUT_S = 3.0
"""Longest wait; without the rehearsal the first connections are only slower."""


async def _rehearse() -> None:
    network = NetworkSettings(addresses=(LOOPBACK,))
    peer.prepare_ice(network)
    opened = asyncio.Event()
    log = logs.get("media_worker", "rehearsal")
    events = peer.PeerEvents(
        opened=lambda framed: opened.set(),
        audio=lambda data: None,
        text=lambda text: None,
        unreadable=lambda code, sentence: None,
        closed=lambda detail: None,
    )
    caller = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    callee = peer.Peer(events, log, network)
    caller.createDataChannel("audio")
    await caller.setLocalDescription(await caller.createOffer())
    answer = await callee.answer(caller.localDescription.sdp)
    await caller.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.wait_for(opened.wait(), TIMEOUT_S)
    callee.send_audio(bytes(FRAME_MESSAGE_BYTES))
    await caller.close()
    await callee.close()


def rehearse() -> None:
    """Connect over loopback; a failure is logged and otherwise harmless."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_rehearse())
    except (TimeoutError, OSError, MixminusError) as error:
        logs.get("media_worker").warning("! the rehearsal failed: %r", error)
