"""The gateway's Opus link for ``bench link``: the parts that a conversation puts together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import aiohttp

from mixer_core.patches.aiortc.rtp_receiver import TappedPacket
from mixer_core.runtime import logs
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.metrics import Histogram
from openai_link.media.opus import OpusDecoder
from openai_link.media.packet_track import PacketTrack
from openai_link.media.rtp_audio import ReceivedFrame, RtpAudioReceiver
from openai_link.media.uplink import MAX_QUEUED_PACKETS, Uplink
from openai_link.realtime.session_object import Upstream, session_object
from openai_link.settings import OpenaiLinkSettings
from openai_link.transport.peer_call import RealtimeCall

UP_TIMEOUT_S = 15.0


class Arrivals(Protocol):
    """Knows when packets came off the socket."""

    def arrived_ns(self, timestamp: int) -> int | None:
        """When the packet with this RTP timestamp came."""


class OurCall:
    """Uplink, downlink and their one timer."""

    def __init__(self, wire: Arrivals, heard: Callable[[int], None]) -> None:
        """``heard`` is told the arrival of each packet whose PCM is in hand."""
        settings = OpenaiLinkSettings(greet=False)
        self._session = session_object(settings)
        self._wire, self._heard = wire, heard
        self._loop = asyncio.get_event_loop()
        self._track = PacketTrack(MAX_QUEUED_PACKETS)
        self._uplink = Uplink(settings, self._track, Histogram())
        self._receiver = RtpAudioReceiver(OpusDecoder(), gap_hold_ms=settings.gap_hold_ms)
        self._timer = LazyTimer(self._loop, self._on_time)
        self._arrived_ns: dict[int, int] = {}
        self._up = asyncio.Event()

    async def connect(self, url: str) -> None:
        """Call the server; returns when media can flow."""
        self._http = aiohttp.ClientSession()
        self._call = RealtimeCall(
            Upstream("bench", url, "none", False),
            self._session,
            self._http,
            self._track,
            logs.get("bench"),
            on_answered=lambda: None,
            on_up=self._up.set,
            on_packet=self._packet,
            on_event=_ignore_event,
            on_lost=_lost,
        )
        await self._call.connect()
        await asyncio.wait_for(self._up.wait(), UP_TIMEOUT_S)
        self._uplink.start(time.monotonic_ns())

    def speak(self, pcm: bytes) -> None:
        """Send 20 ms."""
        now_ns = time.monotonic_ns()
        self._uplink.frame(pcm, now_ns, False, now_ns)
        self._rearm()

    def _packet(self, packet: TappedPacket) -> None:
        arrived_ns = self._wire.arrived_ns(packet.timestamp)
        if arrived_ns is not None:
            self._arrived_ns[packet.arrival_ns] = arrived_ns
        self._take(
            self._receiver.push(
                packet.sequence_number,
                packet.timestamp,
                packet.payload,
                packet.arrival_ns,
                packet.ssrc,
            )
        )
        if self._receiver.waiting:
            self._rearm()

    def _take(self, frames: list[ReceivedFrame]) -> None:
        for frame in frames:
            arrived_ns = None if frame.concealed else self._arrived_ns.pop(frame.stamp_ns, None)
            if arrived_ns is not None:
                self._heard(arrived_ns)

    def _on_time(self) -> None:
        now_ns = time.monotonic_ns()
        self._uplink.tick(now_ns)
        self._take(self._receiver.pull(now_ns))
        self._rearm()

    def _rearm(self) -> None:
        deadlines = (self._uplink.pacer.next_timeout_ns(), self._receiver.next_timeout_ns())
        waiting = [at_ns for at_ns in deadlines if at_ns is not None]
        if waiting:
            self._timer.arm(min(waiting))


def _ignore_event(event: Mapping[str, Any]) -> None:
    """What the server says is of no interest here."""


def _lost(error: UpstreamError) -> None:
    """The benchmark notices by the missing packets; at the end of a run it is as it should be."""
