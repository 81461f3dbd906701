"""The room's microphones on their way up: paced, encoded, sent as RTP packets."""

from __future__ import annotations

from mixer_core.bus.pcm import FRAME_MS, SILENCE
from mixer_core.runtime.metrics import Histogram
from mixer_core.runtime.settings import OpenaiLinkSettings

from ..transport.aiortc_media import PacketTrack
from .opus import OpusEncoder
from .rtp_audio import Drop, PacerAction, SendFrame, UplinkPacer

SETTLED_FRAMES = 10
"""Silent frames that are encoded after sound before the last packet is simply repeated."""
STARVE_MS = 240
"""How late a talking room may be before silence takes its place: a stall of this machine must not
put a gap into a word. The frames that were late follow at once."""
MAX_LEAD_MS = 400
"""How far the room may run ahead of the clock for a moment: what a stall held back comes at once,
and clients of the plain protocol send long pieces. More is dropped."""


class Uplink:
    """Turns frames and pauses into packets of ``track``.

    Silence costs no encoding once the encoder has settled: its packets are all alike then.
    """

    def __init__(self, settings: OpenaiLinkSettings, latency: Histogram) -> None:
        """``latency`` observes the time from a frame's stamp to its packet."""
        self.track = PacketTrack((STARVE_MS + MAX_LEAD_MS) // FRAME_MS)
        self.pacer = UplinkPacer(STARVE_MS, MAX_LEAD_MS, settings.sparse_after_ms)
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
        """Send one frame of the room (960 bytes) that entered this host at ``stamp_ns``."""
        self._apply(self.pacer.frame(pcm, now_ns, pause))
        self._latency.observe_ns(now_ns - stamp_ns)

    def tick(self, now_ns: int) -> None:
        """The pacer's time-out was reached."""
        self._apply(self.pacer.tick(now_ns))

    def _apply(self, actions: list[PacerAction]) -> None:
        for action in actions:
            if isinstance(action, Drop):
                continue
            if isinstance(action, SendFrame):
                self._silent_frames = 0
                packet = self._encoder.encode(action.pcm)
                self.track.send_packet(packet, action.timestamp, action.marker)
            else:
                self.track.send_packet(self._silence(), action.timestamp)

    def _silence(self) -> bytes:
        if self._silent_frames < SETTLED_FRAMES:
            self._silent_frames += 1
            self._silent_packet = self._encoder.encode(SILENCE)
        return self._silent_packet
