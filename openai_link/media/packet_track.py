"""An audio track of packets that are already Opus: aiortc neither resamples nor encodes them.

aiortc's own audio path decodes in a thread, buffers 80 ms (280 ms once a packet is lost) and has
neither FEC nor concealment; its encoder resamples to 48 kHz stereo.
"""

from __future__ import annotations

import asyncio
from collections import deque
from fractions import Fraction
from typing import Any

from aiortc import MediaStreamError, MediaStreamTrack, RTCRtpSender, RTCRtpTransceiver
from av import Packet

from mixer_core.patches.aiortc.rtp_sender import RtpWriter, replace_rtp_task

_TIME_BASE = Fraction(1, 48_000)


class PacketTrack(MediaStreamTrack):
    """Opus packets to be sent.

    Packets are queued for aiortc's task until ``send_directly`` has a way around it. The queue is
    bounded: a full one drops its oldest packet and counts it.
    """

    kind = "audio"

    def __init__(self, max_queued: int = 4) -> None:
        """``max_queued``: packets (of 20 ms) that may wait for the sender's task."""
        super().__init__()
        self._queue: deque[Packet[Any]] = deque()
        self._max_queued = max_queued
        self._waiter: asyncio.Future[None] | None = None
        self._writer: RtpWriter | None = None
        self.sent = 0
        """Packets sent, or handed to aiortc."""
        self.dropped = 0
        """Packets dropped because the queue was full or the connection was gone."""

    def send_packet(self, payload: bytes, timestamp: int, marker: bool = False) -> bool:
        """Send one Opus packet; ``timestamp`` in ticks of 48 kHz since the start, unbounded.

        ``marker``: it is the first after silence; kept only if it is sent directly. Returns
        False when the packet has not left: it is queued, or the connection is gone.
        """
        if self._writer is not None:
            return self._write(payload, timestamp, marker)
        packet = Packet(payload)
        packet.pts = timestamp
        packet.time_base = _TIME_BASE
        if len(self._queue) >= self._max_queued:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(packet)
        self._wake()
        return False

    async def recv(self) -> Packet[Any]:
        """Return the next packet, for aiortc's sender. Raises MediaStreamError at the end."""
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self.sent += 1
        return self._queue.popleft()

    async def write_to(self, writer: RtpWriter) -> None:
        """Send what is queued and everything that follows by ``writer``; returns at the end."""
        self._writer = writer
        while self._queue:
            packet = self._queue.popleft()
            self._write(bytes(packet), packet.pts or 0, False)
        if self.readyState == "live":
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _write(self, payload: bytes, timestamp: int, marker: bool) -> bool:
        assert self._writer is not None
        if self._writer.send(payload, timestamp, marker):
            self.sent += 1
            return True
        self.dropped += 1
        return False

    def stop(self) -> None:
        """End the track; a pending ``recv`` raises MediaStreamError."""
        super().stop()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def send_directly(sender: RTCRtpSender, track: PacketTrack) -> None:
    """Send the packets of ``track`` to the socket at once, not through the sender's task.

    Call it before the connection is negotiated. RTCP sender reports and ``getStats`` keep working.
    """
    replace_rtp_task(sender, track.write_to, track.stop)


def speak_opus_only(transceiver: RTCRtpTransceiver) -> None:
    """Have an audio transceiver negotiate nothing but Opus; call it before the offer is set."""
    codecs = RTCRtpSender.getCapabilities("audio").codecs
    opus = [codec for codec in codecs if codec.mimeType.lower() == "audio/opus"]
    transceiver.setCodecPreferences(opus)
