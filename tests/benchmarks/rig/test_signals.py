"""Marks survive Opus and mixing, and no speech looks like one."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.rig import signals
from mixer_core.bus.pcm import FRAME_BYTES, is_silence
from mixer_core.runtime.units import MS_NS
from openai_link.media.opus import OpusDecoder, OpusEncoder


def test_a_mark_is_found_in_the_packet_that_carries_it_and_in_no_speech() -> None:
    encoder, decoder = OpusEncoder(bitrate_bps=40_000), OpusDecoder()
    for index, frame in enumerate(signals.speech(1)):
        assert signals.find_mark(frame) == -1
        assert not is_silence(frame) and len(frame) == FRAME_BYTES
        marked = index % 12 == 5
        kind = index % len(signals.MARKS_HZ)
        heard = decoder.decode(encoder.encode(signals.mark_frame(kind) if marked else frame))
        if marked:
            assert signals.find_mark(heard) == kind
        elif index % 12 != 6:  # Opus delays by 6.5 ms, so that a mark reaches into the next frame
            assert signals.find_mark(heard) == -1


def test_a_mark_is_found_in_the_average_of_six() -> None:
    frames = [signals.speech(voice)[7] for voice in range(5)] + [signals.mark_frame(3)]
    mean = np.mean([np.frombuffer(frame, "<i2") for frame in frames], axis=0)
    assert signals.find_mark(mean.astype("<i2").tobytes()) == 3


@pytest.mark.parametrize("late_ms", [0, 100, 300, 1_900])
def test_the_number_of_a_mark_is_known_for_two_seconds(late_ms: int) -> None:
    for number in (1_000, 1_001, 1_007):
        heard_ns = number * signals.MARK_NS + late_ms * MS_NS
        assert signals.number_of(number % 8, heard_ns) == number
