"""A small browser: joins a room, says a tone, and hears the answer. The plain protocol."""

from __future__ import annotations

import asyncio
import math
import struct
import time
from dataclasses import dataclass

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

RATE_HZ, CHUNK = 24_000, 480
TONE_HZ, LOUD = 440, 9_000
SAID_S, LIMIT_S = 1.2, 30.0
AUDIBLE = 500
"""Samples above that are sound."""


class CallError(Exception):
    """The call does not work; the text says how far it came."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the steps of a call took, in ms."""

    answer_ms: float
    """From the offer to its answer."""
    join_ms: float
    """From the offer to the open channel."""
    reply_ms: float
    """From the end of what was said to the first sound of the answer."""


def tone(seconds: float, loudness: int = LOUD) -> bytes:
    """PCM16 at 24 kHz."""
    count = int(seconds * RATE_HZ)
    step = 2 * math.pi * TONE_HZ / RATE_HZ
    return struct.pack(f"<{count}h", *(int(loudness * math.sin(step * n)) for n in range(count)))


async def call(url: str, room: str = "doctor") -> Taken:
    """One call. Raises CallError."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    channel = peer.createDataChannel("audio", ordered=True)
    is_open, has_heard, is_ready = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def received(message: bytes | str) -> None:
        if isinstance(message, str):
            if '"ready"' in message:
                is_ready.set()
        elif any(abs(s) > AUDIBLE for (s,) in struct.iter_unpack("<h", message)):
            has_heard.set()

    channel.on("open", is_open.set)
    channel.on("message", received)
    try:
        await peer.setLocalDescription(await peer.createOffer())
        began_s = time.monotonic()
        answer = await _offer(f"{url}/rooms/{room}/participants", peer.localDescription.sdp)
        answered_s = time.monotonic()
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await _within(is_open, "the data channel does not open: is UDP blocked on this machine?")
        opened_s = time.monotonic()
        await _within(is_ready, "the assistant does not become ready")
        said_s = await _say(channel, tone(SAID_S))
        silence = asyncio.create_task(_say(channel, bytes(2 * RATE_HZ * 10)))
        try:
            await _within(has_heard, "nothing is heard of the answer")
        finally:
            silence.cancel()
        heard_s = time.monotonic()
    finally:
        await peer.close()
    return Taken((answered_s - began_s) * 1e3, (opened_s - began_s) * 1e3, (heard_s - said_s) * 1e3)


async def _offer(url: str, sdp: str) -> str:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S)) as session,
        session.post(url, data=sdp, headers={"Content-Type": "application/sdp"}) as answer,
    ):
        text = await answer.text()
        if answer.status != 201:
            raise CallError(f"the offer is refused ({answer.status}): {text[:300]}")
        return text


async def _within(event: asyncio.Event, words: str) -> None:
    try:
        await asyncio.wait_for(event.wait(), LIMIT_S)
    except TimeoutError as error:
        raise CallError(words) from error


async def _say(channel: object, pcm: bytes) -> float:
    """Send in real time; returns when the last frame left."""
    began_s = time.monotonic()
    for index in range(0, len(pcm), 2 * CHUNK):
        delay_s = began_s + index / (2 * RATE_HZ) - time.monotonic()
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        channel.send(pcm[index : index + 2 * CHUNK])  # type: ignore[attr-defined]
    return time.monotonic()
