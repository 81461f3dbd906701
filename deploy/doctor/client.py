"""A small browser: joins a room, says a tone, and hears the answer. The plain protocol."""

from __future__ import annotations

import asyncio
import math
import struct
import time
from dataclasses import dataclass

import aiohttp
from aiortc import (
    InvalidStateError,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)

RATE_HZ, CHUNK = 24_000, 480
TONE_HZ, LOUD = 440, 9_000
SAID_S, LIMIT_S = 1.2, 30.0
CLOSE_S = 5.0
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


def is_audible(pcm: bytes) -> bool:
    """Whether there is sound in PCM16; an odd byte at its end does not count."""
    whole = memoryview(pcm)[: len(pcm) & ~1]
    return any(abs(sample) > AUDIBLE for (sample,) in struct.iter_unpack("<h", whole))


class _Call:
    """A peer connection with its channel, and what has come of it."""

    def __init__(self) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channel = self.peer.createDataChannel("audio", ordered=True)
        self.is_open, self.is_ready, self.has_heard, self._is_over = (
            asyncio.Event() for _ in range(4)
        )
        self.channel.on("open", self.is_open.set)
        self.channel.on("close", self._is_over.set)
        self.channel.on("message", self._received)

    def _received(self, message: bytes | str) -> None:
        if isinstance(message, bytes):
            if is_audible(message):
                self.has_heard.set()
        elif '"ready"' in message:
            self.is_ready.set()

    async def reach(self, event: asyncio.Event, words: str) -> None:
        """Wait for an event. Raises CallError with ``words`` where it does not come."""
        waits = [asyncio.create_task(one.wait()) for one in (event, self._is_over)]
        try:
            await asyncio.wait(waits, timeout=LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not event.is_set():
            raise CallError(f"{words}{': the call was ended' * self._is_over.is_set()}")

    async def say(self, pcm: bytes) -> float:
        """Send in real time; returns when the last frame left."""
        began_s = time.monotonic()
        for index in range(0, len(pcm), 2 * CHUNK):
            delay_s = began_s + index / (2 * RATE_HZ) - time.monotonic()
            if delay_s > 0:
                await asyncio.sleep(delay_s)
            try:
                self.channel.send(pcm[index : index + 2 * CHUNK])
            except InvalidStateError as error:
                raise CallError("the call was ended while the doctor talked") from error
        return time.monotonic()


async def call(url: str, room: str = "doctor") -> Taken:
    """One call. Raises CallError."""
    made = _Call()
    try:
        return await _steps(made, f"{url}/rooms/{room}/participants")
    finally:
        await asyncio.wait([asyncio.create_task(made.peer.close())], timeout=CLOSE_S)


async def _steps(made: _Call, url: str) -> Taken:
    peer = made.peer
    await peer.setLocalDescription(await peer.createOffer())
    began_s = time.monotonic()
    answer = await _offer(url, peer.localDescription.sdp)
    answered_s = time.monotonic()
    try:
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    except Exception as error:  # aiortc's parser asserts, too.
        raise CallError(f"the answer to the offer cannot be used: {error!r}") from error
    await made.reach(made.is_open, "the data channel does not open: is UDP blocked here?")
    opened_s = time.monotonic()
    await made.reach(made.is_ready, "the assistant does not become ready")
    said_s = await made.say(tone(SAID_S))
    silence = asyncio.create_task(made.say(bytes(2 * RATE_HZ * 10)))
    try:
        await made.reach(made.has_heard, "nothing is heard of the answer")
    finally:
        silence.cancel()
        await asyncio.gather(silence, return_exceptions=True)
    heard_s = time.monotonic()
    return Taken((answered_s - began_s) * 1e3, (opened_s - began_s) * 1e3, (heard_s - said_s) * 1e3)


async def _offer(url: str, sdp: str) -> str:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S)) as session,
            session.post(url, data=sdp, headers={"Content-Type": "application/sdp"}) as answer,
        ):
            status, text = answer.status, await answer.text(errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CallError(f"the offer is not answered: {error!r}") from error
    if status != 201:
        raise CallError(f"the offer is refused ({status}): {text[:300]}")
    return text
