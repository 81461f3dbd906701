"""The room's microphones as ``input_audio_buffer.append`` events, one per 20 ms. Sans-I/O.

The pacer is the one of RTP, so that the server's clock of received audio runs like the room's: a
slot that RTP would pass over by its timestamp is sent here as silence.
"""

from __future__ import annotations

import binascii

from mixer_core.bus.pcm import SILENCE

from .uplink_pacer import FRAME_TICKS, Drop, PacerAction, SendFrame, UplinkPacer

MAX_FILL_FRAMES = 50
"""A gap of the timeline is filled up to one second; a longer stall is left out."""

_SILENCE = binascii.b2a_base64(SILENCE, newline=False).decode()


class AudioAppend:
    """Turns frames and pauses into the text of events; methods return what to send now."""

    def __init__(self, pacer: UplinkPacer) -> None:
        """``pacer``: decides what goes out when; owned by this object."""
        self.pacer = pacer
        self.sent_frames = 0
        """Frames of 20 ms that the server was sent, silence included."""
        self._events = 0
        self._next_timestamp = 0

    def start(self, now_ns: int) -> list[str]:
        """Begin: silence until the first frame comes."""
        return self._texts(self.pacer.start(now_ns))

    def frame(self, pcm: bytes, pause: bool, now_ns: int) -> list[str]:
        """20 ms of the room (960 bytes); ``pause``: nothing follows until further notice."""
        return self._texts(self.pacer.frame(pcm, now_ns, pause))

    def tick(self, now_ns: int) -> list[str]:
        """The pacer's time-out was reached."""
        return self._texts(self.pacer.tick(now_ns))

    def _texts(self, actions: list[PacerAction]) -> list[str]:
        texts = []
        for action in actions:
            if isinstance(action, Drop):
                continue
            skipped = (action.timestamp - self._next_timestamp) // FRAME_TICKS
            self._next_timestamp = action.timestamp + FRAME_TICKS
            fill = min(skipped, MAX_FILL_FRAMES)
            is_sound = isinstance(action, SendFrame)
            silent_frames = fill + (not is_sound)
            if silent_frames > 0:
                texts.append(self._event(_SILENCE * silent_frames, silent_frames))
            if isinstance(action, SendFrame):
                texts.append(self._event(_base64(action.pcm), 1))
        return texts

    def _event(self, audio: str, frames: int) -> str:
        """960 bytes are 1280 letters of base64 without padding: they can be put together."""
        self._events += 1
        self.sent_frames += frames
        return (
            f'{{"type":"input_audio_buffer.append","event_id":"mm_a{self._events}",'
            f'"audio":"{audio}"}}'
        )


def _base64(pcm: bytes) -> str:
    return binascii.b2a_base64(pcm, newline=False).decode()
