"""Imported once by the fork server: everything that a child needs, warmed and frozen.

A child forked from here answers an offer without importing anything. Nothing live may exist when
children are forked: no event loop, no ZeroMQ context, no open codec.
"""

from __future__ import annotations

import asyncio
import gc
import os

import uvloop
from aiortc import RTCCertificate, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from mixer_core.bus import control_client, drain, forkpool

from . import child, host

__all__ = ["PRELOADED_PID", "child", "control_client", "drain", "forkpool", "host"]


async def _rehearse() -> None:
    """Exchange one offer and answer in memory: certificates, SDP tables, lazy imports."""
    caller = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    callee = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    caller.createDataChannel("audio")
    offer = await caller.createOffer()
    await callee.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
    await callee.createAnswer()
    await caller.close()
    await callee.close()


def _warm() -> None:
    certificate = RTCCertificate.generateCertificate()
    certificate._create_ssl_context(srtp_profiles=[])
    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(_rehearse())
    finally:
        loop.close()
        asyncio.set_event_loop(None)


PRELOADED_PID = os.getpid()
"""Process that imported this module; a child compares it with its own."""

_warm()
gc.collect()
gc.freeze()
