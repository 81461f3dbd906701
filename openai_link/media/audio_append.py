"""The room's audio as ``input_audio_buffer.append`` events, one per 20 ms. Sans-I/O.

The pacer is the one used for RTP, so the server's clock of received audio runs like the room's: a
slot that RTP would skip by its timestamp is sent here as silence.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass

from mixer_core.bus.pcm import FRAME_MS, SILENCE

from .rtp_numbers import FRAME_TICKS
from .uplink_pacer import Drop, PacerAction, SendFrame, UplinkPacer

MAX_FILL_FRAMES = 50
"""A gap of up to one second is filled with silence; the rest of a longer stall is left out."""

_SILENCE = binascii.b2a_base64(SILENCE, newline=False).decode()


@dataclass(frozen=True, slots=True)
class AppendEvent:
    """Send this event."""

    text: str
    """JSON."""
    audio_ms: int
    """Duration of the audio in it."""
    is_room: bool
    """It holds a frame of the room; otherwise silence that fills a gap."""


class AudioAppend:
    """Turns frames and pauses into events; methods return what to send now."""

    def __init__(self, pacer: UplinkPacer) -> None:
        """``pacer``: decides what is sent when; owned by this object."""
        self.pacer = pacer
        self._events = 0
        self._next_timestamp = 0

    def start(self, now_ns: int) -> list[AppendEvent]:
        """Begin: silence until the first frame comes."""
        return self._append(self.pacer.start(now_ns))

    def frame(self, pcm: bytes, pause: bool, now_ns: int) -> list[AppendEvent]:
        """20 ms of the room (960 bytes); ``pause``: nothing follows until further notice."""
        return self._append(self.pacer.frame(pcm, now_ns, pause))

    def tick(self, now_ns: int) -> list[AppendEvent]:
        """The pacer's timeout has been reached."""
        return self._append(self.pacer.tick(now_ns))

    def _append(self, actions: list[PacerAction]) -> list[AppendEvent]:
        events = []
        for action in actions:
            if isinstance(action, Drop):
                continue
            skipped = (action.timestamp - self._next_timestamp) // FRAME_TICKS
            self._next_timestamp = action.timestamp + FRAME_TICKS
            silent_frames = min(skipped, MAX_FILL_FRAMES)
            silent_frames += not isinstance(action, SendFrame)
            if silent_frames:
                # 960 bytes are 1280 characters of base64 without padding: they can be joined.
                events.append(self._event(_SILENCE * silent_frames, silent_frames, is_room=False))
            if isinstance(action, SendFrame):
                events.append(self._event(_base64(action.pcm), 1, is_room=True))
        return events

    def _event(self, audio: str, frames: int, is_room: bool) -> AppendEvent:
        self._events += 1
        text = (
            f'{{"type":"input_audio_buffer.append","event_id":"mm_a{self._events}",'
            f'"audio":"{audio}"}}'
        )
        return AppendEvent(text, frames * FRAME_MS, is_room)


def _base64(pcm: bytes) -> str:
    return binascii.b2a_base64(pcm, newline=False).decode()
