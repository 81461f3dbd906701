"""The room's audio on its way to the server as RTP: paced, encoded, sent."""

from __future__ import annotations

import time

from mixer_core.bus.pcm import FRAME_MS, SILENCE
from mixer_core.runtime.metrics import Histogram

from ..settings import OpenaiLinkSettings
from .opus import OpusEncoder
from .packet_track import PacketTrack
from .uplink_pacer import Drop, PacerAction, SendFrame, UplinkPacer

SETTLED_FRAMES = 10
"""Silent frames that are encoded after sound before the last packet is simply repeated."""
STARVE_MS = 240
"""How late a talking room may be before silence takes its place: a stall of this machine must not
put a gap into a word. The late frames follow at once."""
MAX_LEAD_MS = 400
"""How far the room may run ahead of the clock for a moment: what a stall held back comes at once,
and clients of the plain protocol send long pieces. More is dropped."""
MAX_QUEUED_PACKETS = (STARVE_MS + MAX_LEAD_MS) // FRAME_MS
"""Packets that the track must be able to hold until it is connected."""


class Uplink:
    """Turns frames and pauses into packets.

    Silence costs no encoding once the encoder has settled: its packets are all alike then.
    """

    def __init__(
        self, settings: OpenaiLinkSettings, track: PacketTrack, latency: Histogram
    ) -> None:
        """Prepare.

        Args:
            settings: bit rate, complexity, and when silence becomes sparse.
            track: sends the packets.
            latency: observes, for each frame sent, the time from its stamp until its packet has
                been handed to the network.
        """
        self.pacer = UplinkPacer(STARVE_MS, MAX_LEAD_MS, settings.sparse_after_ms)
        self._track = track
        self._encoder = OpusEncoder(
            bitrate_bps=settings.opus_bitrate_bps, complexity=settings.opus_complexity
        )
        self._latency = latency
        self._silent_frames = 0
        self._silent_packet = b""

    def start(self, now_ns: int) -> None:
        """Begin to send: silence until the first frame comes."""
        self._apply(self.pacer.start(now_ns))

    def frame(self, pcm: bytes, stamp_ns: int, pause: bool, now_ns: int) -> None:
        """Send one frame of the room (960 bytes) that reached this host at ``stamp_ns``."""
        if self._apply(self.pacer.frame(pcm, now_ns, pause)):
            self._latency.observe_ns(time.monotonic_ns() - stamp_ns)

    def tick(self, now_ns: int) -> None:
        """The pacer's timeout has been reached."""
        self._apply(self.pacer.tick(now_ns))

    def _apply(self, actions: list[PacerAction]) -> bool:
        """Whether a frame (not silence) was handed to the network."""
        was_sent = False
        for action in actions:
            if isinstance(action, Drop):
                continue
            if isinstance(action, SendFrame):
                self._silent_frames = 0
                packet = self._encoder.encode(action.pcm)
                was_sent |= self._track.send_packet(packet, action.timestamp, action.marker)
            else:
                self._track.send_packet(self._silence(), action.timestamp)
        return was_sent

    def _silence(self) -> bytes:
        if self._silent_frames < SETTLED_FRAMES:
            self._silent_frames += 1
            self._silent_packet = self._encoder.encode(SILENCE)
        return self._silent_packet
