"""One voice from frame to frame: what is heard of it, and what is passed on."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mixer_core import voice_kernels
from mixer_core.bus.pcm import FRAME_BYTES, FRAME_MS, SILENCE
from mixer_core.voice_chain import VoiceChain
from tests.mixer_core.mixer_bench import constant, samples
from tests.support.audio import RATE_HZ, SENTENCE, Samples, read_wav, to_pcm, tone


def frames_of(sound: Samples) -> list[bytes]:
    pcm = to_pcm(sound)
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


def noise(seconds: float, dbfs: float, seed: int = 1) -> Samples:
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 10 ** (dbfs / 20), int(seconds * RATE_HZ))


def listened(chain: VoiceChain, sound: Samples) -> NDArray[np.bool_]:
    """Speech or not, frame by frame."""
    tally, heard = np.zeros(3, np.int64), []
    for frame in frames_of(sound):
        chain.listen(frame, tally)
        chain.passed(frame)
        heard.append(chain.is_speech)
    return np.array(heard)


def test_compiled_and_interpreted_kernels_agree() -> None:
    compiled, plain = voice_kernels.new_row(), voice_kernels.new_row()
    tallies = np.zeros(3, np.int64), np.zeros(3, np.int64)
    wide, plain_wide = np.zeros(480, np.int32), np.zeros(480, np.int32)
    for number, frame in enumerate(frames_of(read_wav(SENTENCE)[: RATE_HZ // 2])):
        pcm = samples(frame).copy()
        voice_kernels.listen(pcm, tallies[0], compiled)
        voice_kernels.listen.py_func(pcm, tallies[1], plain)
        compiled[voice_kernels.WANTED] = plain[voice_kernels.WANTED] = -(number % 7)
        compiled[voice_kernels.QUICK] = plain[voice_kernels.QUICK] = number % 2
        voice_kernels.amplify(pcm, compiled, wide)
        voice_kernels.amplify.py_func(pcm, plain, plain_wide)
        assert np.array_equal(wide, plain_wide)
    assert compiled == pytest.approx(plain, abs=1e-6)
    assert tallies[0].tolist() == tallies[1].tolist()


def test_a_frame_that_needs_nothing_is_passed_on_itself() -> None:
    chain, tally = VoiceChain(), np.zeros(3, np.int64)
    frame = frames_of(tone(1_000, 0.02, -27))[0]
    chain.listen(frame, tally)
    assert chain.passed(frame) is frame
    assert tally[2] == 480 and chain.gain_db == 0
    assert chain.level_dbfs == pytest.approx(-30, abs=0.1)


def test_a_sentence_in_noise_is_speech_and_what_surrounds_it_is_not() -> None:
    sentence = read_wav(SENTENCE)
    sound = noise(3 + len(sentence) / RATE_HZ + 3, -60)
    begin = 3 * RATE_HZ
    sound[begin : begin + len(sentence)] += sentence
    speech = listened(VoiceChain(), sound)
    first, last = 3_000 // FRAME_MS, (3_000 + len(sentence) * 1_000 // RATE_HZ) // FRAME_MS
    loud = np.flatnonzero([np.abs(samples(f)).max() > 1_000 for f in frames_of(sound)])
    assert not speech[60:first].any(), "a steady noise is none after 0.8 s and the hang-over"
    assert speech[loud[0] + 4 : loud[-1]].all()
    assert not speech[last + 20 :].any()


@pytest.mark.parametrize("level_dbfs", [-10.0, -30.0, -50.0])
def test_a_tone_is_noise_after_a_second(level_dbfs: float) -> None:
    assert not listened(VoiceChain(), tone(440, 4, level_dbfs))[60:].any()


def test_digital_silence_says_nothing_of_the_noise() -> None:
    chain, tally = VoiceChain(), np.zeros(3, np.int64)
    listened(chain, noise(2, -50))
    before_dbfs = chain.floor_dbfs
    for _ in range(300):
        chain.listen(SILENCE, tally)
    assert chain.floor_dbfs == before_dbfs == pytest.approx(-50, abs=2)
    assert not chain.is_speech and chain.level_dbfs == -100


def test_speech_ends_with_the_spurt() -> None:
    chain = VoiceChain()
    listened(chain, tone(440, 0.2, -20))
    assert chain.is_speech
    chain.pause()
    assert not chain.is_speech


def test_ducking_moves_within_the_frame_without_a_step_and_comes_back() -> None:
    chain, tally, frame = VoiceChain(), np.zeros(3, np.int64), constant(10_000)
    out = []
    for duck_db in (0.0, -20.0, -20.0, 0.0, 0.0):
        chain.listen(frame, tally)
        chain.duck_db = duck_db
        out.append(samples(chain.passed(frame)).astype(int))
        assert chain.gain_db == duck_db
    assert out[1][0] == 10_000 and out[1][-1] == pytest.approx(1_000, rel=0.02)
    assert set(out[2]) == {1_000}
    assert np.abs(np.diff(np.concatenate(out))).max() <= 20
    assert out[4].tolist() == samples(frame).tolist()
