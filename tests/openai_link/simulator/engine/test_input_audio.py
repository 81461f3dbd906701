"""The input buffer: cut to the sample, bounded."""

from __future__ import annotations

from openai_link.simulator.engine.input_audio import InputAudio
from tests.openai_link.simulator.support import constant


def test_the_input_buffer_is_cut_to_the_sample_and_its_clock_survives_clearing() -> None:
    audio = InputAudio()
    for value in range(5):
        audio.append(constant(20, value))
    assert audio.cut(15, 25) == constant(5, 0) + constant(5, 1)
    audio.forget_before(40)
    assert audio.cut(0, 60) == constant(20, 2)
    audio.clear()
    assert (audio.start_ms, audio.end_ms, audio.buffered_ms) == (100, 100, 0)


def test_the_input_buffer_drops_the_oldest_audio_and_counts_it() -> None:
    audio = InputAudio(max_ms=100)
    for value in range(7):
        audio.append(constant(20, value))
    assert (audio.start_ms, audio.end_ms, audio.buffered_ms) == (40, 140, 100)
    assert audio.cut(40, 60) == constant(20, 2)
