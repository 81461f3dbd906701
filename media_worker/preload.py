"""Imported once by the fork server: everything that a child needs, warmed and frozen.

A child forked from here answers an offer without importing anything. Nothing live may exist when
children are forked: no event loop, no ZeroMQ context, no open codec.
"""

from __future__ import annotations

import asyncio
import gc
import os

import uvloop
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from mixer_core.bus import control_client, drain
from mixer_core.runtime import fork_pool, logs
from mixer_core.runtime.errors import MixminusError

from . import child, host, protocol
from .webrtc import addresses, peer

__all__ = ["PRELOADED_PID", "child", "control_client", "drain", "fork_pool", "host"]


REHEARSAL_S = 3.0
"""Longest wait for the rehearsal; without it the first calls are only slower."""


async def _rehearse() -> None:
    """Have one call with ourselves over loopback: certificates, SDP, DTLS and SCTP tables."""
    peer.prepare_ice(addresses.LOOPBACK)
    opened = asyncio.Event()
    log = logs.get("media_worker", "rehearsal")
    told = peer.PeerEvents(
        opened=lambda framed: opened.set(),
        audio=lambda data: None,
        text=lambda text: None,
        unreadable=lambda code, sentence: None,
        closed=lambda detail: None,
    )
    caller = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    callee = peer.Peer(told, log)
    caller.createDataChannel("audio")
    await caller.setLocalDescription(await caller.createOffer())
    answer = await callee.answer(caller.localDescription.sdp)
    await caller.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.wait_for(opened.wait(), REHEARSAL_S)
    callee.send_audio(bytes(protocol.FRAME_MESSAGE_BYTES))
    await caller.close()
    await callee.close()


def _warm() -> None:
    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(_rehearse())
    except (TimeoutError, OSError, MixminusError) as error:
        logs.get("media_worker").warning("! the rehearsal failed: %s", error)
    finally:
        loop.close()
        asyncio.set_event_loop(None)


PRELOADED_PID = os.getpid()
"""Process that imported this module; a child compares it with its own."""

_warm()
gc.collect()
gc.freeze()
