"""When a frame counts as quiet. Sans-I/O.

There are two thresholds because there are two kinds of quiet. Between replies the server sends
digital silence: wherever speech is cut off, Opus at 12 to 64 kbit/s decodes the silence after it to
at most 8 within 200 ms. Whatever is louder belongs to a reply, even the faintest end of a word. A
microphone is never that silent: there, a frame below -50 dBFS is one that nobody misses.
"""

from __future__ import annotations

from mixer_core.bus.pcm import SILENCE

DECODED_SILENCE_PEAK = 8
"""Largest sample (of 32767) of decoded silence: -72 dBFS."""
ROOM_NOISE_PEAK = 104
"""Largest sample of a room in which nobody speaks: -50 dBFS."""


def is_quiet(pcm: bytes, peak: int) -> bool:
    """Whether no sample of ``pcm`` (PCM16, any even length) is beyond ±``peak``."""
    if pcm == SILENCE or pcm.count(0) == len(pcm):
        return True
    samples = memoryview(pcm).cast("h")
    if max(samples[::16]) > peak:  # A few samples reveal most loud frames.
        return False
    return max(samples) <= peak and min(samples) >= -peak
