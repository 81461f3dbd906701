"""A connection by WebRTC: RTP both ways, paced and ordered here; events by data channel."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from mixer_core.bus.pcm import FRAME_MS
from mixer_core.patches.aiortc.rtp_receiver import TappedPacket
from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.metrics import Histogram
from mixer_core.runtime.units import MS_NS

from ..media.opus import OpusDecoder
from ..media.packet_track import PacketTrack
from ..media.rtp_audio import ReceivedFrame, RtpAudioReceiver
from ..media.uplink import MAX_QUEUED_PACKETS, Uplink
from ..realtime.dialect import Dialect
from ..realtime.upstream import Upstream
from ..settings import OpenaiLinkSettings
from .interface import Callbacks, TransportKind
from .peer_call import RealtimeCall
from .ways import Ways


class WebrtcTransport:
    """One call over WebRTC; see ``interface.Transport``."""

    kind: TransportKind = "webrtc"

    def __init__(
        self,
        upstream: Upstream,
        settings: OpenaiLinkSettings,
        http: aiohttp.ClientSession,
        latency: Histogram,
        log: logging.LoggerAdapter[logging.Logger],
        callbacks: Callbacks,
        ways: Ways | None = None,
    ) -> None:
        """``latency`` observes the time from a frame's stamp to its packet."""
        self._callbacks = callbacks
        self._log = log
        self._track = PacketTrack(MAX_QUEUED_PACKETS)
        self._uplink = Uplink(settings, self._track, latency)
        self._receiver = RtpAudioReceiver(OpusDecoder(), gap_hold_ms=settings.gap_hold_ms)
        self._closed = False
        self._dialect = Dialect(settings.dialect)
        self._call = RealtimeCall(
            upstream,
            http,
            self._track,
            log,
            on_answered=callbacks.on_answered,
            on_up=self._up,
            on_packet=self._packet,
            on_event=self._event,
            on_lost=callbacks.on_lost,
            ways=ways,
        )

    @property
    def call_id(self) -> str:
        """``rtc_…``; empty before the answer."""
        return self._call.call_id

    @property
    def knows_session(self) -> bool:
        """The session went with the call."""
        return self._call.knows_session

    @property
    def simulated(self) -> bool:
        """The server is a simulator."""
        return self._call.simulated

    @property
    def bad_events(self) -> int:
        """Messages from the server that were not JSON objects."""
        return self._call.bad_events

    @property
    def last_received_ns(self) -> int:
        """When the newest datagram came, STUN included."""
        return self._call.last_received_ns

    async def connect(self, session: Mapping[str, Any]) -> None:
        """Make the call with ``session``. Raises UpstreamError."""
        await self._call.connect(session)

    def send(self, event: Mapping[str, Any]) -> bool:
        """Send a client event; False if the channel is not open."""
        return self._call.send(self._dialect.client(event))

    def clear_output(self, event: Mapping[str, Any]) -> None:
        """The server plays the reply: tell it to stop."""
        if not self._call.send(event):
            self._log.warning("! > %s: the event channel is not open", event.get("type"))

    async def close(self) -> None:
        """End the call here and on the server."""
        self._closed = True
        await self._call.close()

    def start(self, now_ns: int) -> None:
        """Nothing to do: RTP flows once the connection is up."""

    def frame(self, pcm: bytes, stamp_ns: int, pause: bool, now_ns: int) -> None:
        """20 ms of the room."""
        self._uplink.frame(pcm, stamp_ns, pause, now_ns)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``."""
        return earliest(self._uplink.pacer.next_timeout_ns(), self._receiver.next_timeout_ns())

    def tick(self, now_ns: int) -> None:
        """The timeout has been reached."""
        if not self._closed:
            self._uplink.tick(now_ns)
            self._received(self._receiver.pull(now_ns), now_ns)

    def counters(self) -> dict[str, int]:
        """Counters so far."""
        received = self._receiver.counters
        return {
            **self._uplink.pacer.counters.totals(),
            "uplink_unsent_packets_total": self._track.dropped,
            "downlink_packets_total": received.received,
            "downlink_lost_packets_total": received.lost,
            "downlink_late_packets_total": received.late,
            "downlink_corrupt_packets_total": received.corrupt,
            "downlink_concealed_frames_total": received.concealed,
            "downlink_resets_total": received.resets,
            "server_bad_events_total": self.bad_events,
        }

    def backlog_ms(self, now_ns: int) -> tuple[int, int]:
        """Audio that is waiting: on its way up, and on its way down."""
        lead_ns = self._uplink.pacer.lead_ns(now_ns)
        return max(0, lead_ns) // MS_NS, self._receiver.waiting * FRAME_MS

    def _up(self) -> None:
        self._uplink.start(time.monotonic_ns())
        self._callbacks.on_up()

    def _event(self, event: Mapping[str, Any]) -> None:
        """One event of the server, in whichever dialect."""
        refusal = self._dialect.refusal(event)
        if refusal is not None and not self._closed:
            self._closed = True
            self._callbacks.on_lost(refusal)
        if self._closed:
            return
        for understood in self._dialect.server(event):
            self._callbacks.on_event(understood)

    def _packet(self, packet: TappedPacket) -> None:
        if self._closed:
            return
        now_ns = packet.arrival_ns
        received = self._receiver.push(
            packet.sequence_number, packet.timestamp, packet.payload, now_ns, packet.ssrc
        )
        self._received(received, now_ns)
        if self._receiver.waiting:
            self._callbacks.on_change()

    def _received(self, received: list[ReceivedFrame], now_ns: int) -> None:
        for frame in received:
            self._callbacks.on_audio(frame.pcm, frame.stamp_ns, now_ns, frame.concealed)
