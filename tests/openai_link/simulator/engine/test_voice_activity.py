"""Speech starts and ends at the right millisecond; silence and noise do not count as speech."""

from __future__ import annotations

import random
from array import array

import pytest

from mixer_core.bus.pcm import FRAME_SAMPLES, SILENCE
from openai_link.simulator.brains.sounds import tone
from openai_link.simulator.engine.voice_activity import (
    SpeechStarted,
    SpeechStopped,
    VadEvent,
    VadSettings,
    VoiceActivity,
    level_db,
)

LOUD = tone(20, 300.0, 8_000)


def noise(level_dbfs: float, seed: int = 1) -> bytes:
    """One frame of white noise with an RMS of ``level_dbfs``."""
    source = random.Random(seed)
    peak = 32768 * 10 ** (level_dbfs / 20)
    return array("h", (round(source.gauss(0, peak)) for _ in range(FRAME_SAMPLES))).tobytes()


def events(vad: VoiceActivity, *parts: tuple[bytes, int]) -> list[VadEvent]:
    heard = (vad.push(pcm) for pcm, frames in parts for _ in range(frames))
    return [event for event in heard if event is not None]


def test_a_turn_has_its_padding_before_and_its_silence_after() -> None:
    assert events(VoiceActivity(), (SILENCE, 50), (LOUD, 20), (SILENCE, 50)) == [
        SpeechStarted(1_000 - 300),
        SpeechStopped(1_400 + 500, speech_end_ms=1_400),
    ]


def test_padding_never_reaches_into_the_turn_before_or_before_the_session() -> None:
    vad = VoiceActivity(VadSettings(prefix_padding_ms=1_000, silence_duration_ms=100))
    heard = events(vad, (SILENCE, 5), (LOUD, 5), (SILENCE, 10), (LOUD, 5))
    assert heard == [SpeechStarted(0), SpeechStopped(300, 200), SpeechStarted(300)]


def test_a_pause_within_a_sentence_does_not_end_it() -> None:
    heard = events(VoiceActivity(), (LOUD, 10), (SILENCE, 24), (LOUD, 10))
    assert heard == [SpeechStarted(0)]


def test_a_click_is_no_speech() -> None:
    assert events(VoiceActivity(), (SILENCE, 10), (LOUD, 2), (SILENCE, 10)) == []


@pytest.mark.parametrize("frame", [SILENCE, noise(-60.0), noise(-50.0)])
def test_silence_and_quiet_noise_are_no_speech(frame: bytes) -> None:
    assert events(VoiceActivity(), (frame, 1_000)) == []


def test_the_default_threshold_is_about_minus_45_dbfs_and_can_be_moved() -> None:
    assert events(VoiceActivity(), (noise(-42.0), 10)) == [SpeechStarted(0)]
    assert events(VoiceActivity(VadSettings(threshold=0.7)), (noise(-42.0), 10)) == []
    assert events(VoiceActivity(VadSettings(threshold=0.2)), (noise(-60.0), 10)) != []


def test_a_fan_is_taken_for_speech_once_and_then_for_noise() -> None:
    vad = VoiceActivity()
    fan = noise(-40.0)
    first = events(vad, (fan, 1_000))
    assert [type(event) for event in first] == [SpeechStarted, SpeechStopped]
    assert events(vad, (fan, 1_000)) == []
    assert [type(event) for event in events(vad, (LOUD, 20))] == [SpeechStarted]


def test_a_long_loud_tone_stays_speech() -> None:
    assert events(VoiceActivity(), (tone(20, 400.0, 3_277), 1_500)) == [SpeechStarted(0)]


def test_levels_are_rms_in_dbfs() -> None:
    assert level_db(SILENCE) == -120.0
    assert level_db(array("h", [-32768] * FRAME_SAMPLES).tobytes()) == pytest.approx(0.0)
    assert level_db(array("h", [3277, -3277] * 240).tobytes()) == pytest.approx(-20.0, abs=0.01)
