"""What counts as quiet, and why the thresholds are where they are."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.pcm import FRAME_BYTES, SILENCE
from openai_link import simulator
from openai_link.media.opus import OpusDecoder, OpusEncoder
from openai_link.media.quiet import DECODED_SILENCE_PEAK, ROOM_NOISE_PEAK, is_quiet
from tests.support.audio import read_wav, to_pcm

GREETING = Path(simulator.__file__).parent / "assets" / "greeting.wav"


@given(st.lists(st.integers(-32_768, 32_767), max_size=480), st.integers(0, 32_767))
def test_quiet_is_a_matter_of_the_largest_sample(samples: list[int], peak: int) -> None:
    pcm = struct.pack(f"<{len(samples)}h", *samples)
    assert is_quiet(pcm, peak) == all(-peak <= sample <= peak for sample in samples)


def test_room_noise_is_what_is_below_minus_50_dbfs() -> None:
    assert 20 * math.log10(ROOM_NOISE_PEAK / 32_767) == pytest.approx(-50, abs=0.1)


@pytest.mark.parametrize("bitrate_bps", [12_000, 24_000, 64_000])
def test_200_ms_after_speech_was_cut_off_decoded_silence_is_quiet(bitrate_bps: int) -> None:
    speech = frames(to_pcm(read_wav(GREETING)))
    for end in range(30, len(speech), 16):
        encoder, decoder = OpusEncoder(bitrate_bps=bitrate_bps), OpusDecoder()
        sent = speech[end - 30 : end] + [SILENCE] * 20
        heard = [decoder.decode(encoder.encode(frame)) for frame in sent]
        assert all(is_quiet(frame, DECODED_SILENCE_PEAK) for frame in heard[-10:])


def frames(pcm: bytes) -> list[bytes]:
    """Whole frames of 20 ms."""
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]
