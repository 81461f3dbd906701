"""A short call between nobody, so that the first real frame meets code that has run. Sans-I/O."""

from __future__ import annotations

from .bus.events import StreamInfo
from .bus.frames import Frame, Kind
from .bus.pcm import FRAME_BYTES, FRAME_NS
from .mixer import Mixer
from .runtime.metrics import Metrics
from .settings import MixerCoreSettings

FRAMES = 20
"""Enough for the interpreter to specialise what it runs (PEP 659)."""
_LOUD, _QUIET = (cycle * (FRAME_BYTES // 4) for cycle in (b"\x10\x20\xf0\xdf", b"\1\0\xff\xff"))
_SOUNDS = (_LOUD, _LOUD, _QUIET, _QUIET)
"""Two loud frames and two quiet ones, like syllables: so a gain is learned and applied."""
_STREAMS = (
    (1, StreamInfo("browser", "rehearsal", "ann", "Ann")),
    (2, StreamInfo("browser", "rehearsal", "ben", "Ben")),
    (3, StreamInfo("link", "rehearsal")),
)


def rehearse(settings: MixerCoreSettings) -> int:
    """Mix two people and an assistant for ``FRAMES`` slots; the number of messages that came out.

    Takes some milliseconds and leaves nothing behind.
    """
    mixer = Mixer(settings, Metrics())
    out = 0
    for stream, info in _STREAMS:
        out += len(mixer.on_frame(Frame(Kind.START, stream, payload=info.encode()), 0))
    for seq in range(FRAMES):
        now_ns = seq * FRAME_NS
        for stream, _ in _STREAMS:
            frame = Frame(Kind.AUDIO, stream, 0, seq, 0, now_ns, _SOUNDS[seq % len(_SOUNDS)])
            out += len(mixer.on_frame(frame, now_ns))
        out += len(mixer.on_timeout(now_ns))
    return out
