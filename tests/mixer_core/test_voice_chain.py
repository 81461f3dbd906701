"""One voice from frame to frame: what is heard of it, and what is passed on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mixer_core import voice_kernels
from mixer_core.bus.pcm import FRAME_BYTES, FRAME_MS, SILENCE
from mixer_core.settings import MixerCoreSettings
from mixer_core.voice_chain import VoiceChain, rules_of
from mixer_core.voice_kernels import LEARNED, SLEW_FIRST_DB, WORDS
from tests.mixer_core.mixer_bench import Bench, constant, samples
from tests.support.audio import RATE_HZ, SENTENCE, Samples, from_pcm, read_wav, to_pcm, tone

TARGET_DBFS = -22.0
LINK = 99


def new_chain(**changed: float) -> VoiceChain:
    return VoiceChain(rules_of(MixerCoreSettings(**changed)))  # type: ignore[arg-type]


def rms_dbfs(sound: Samples) -> float:
    return float(10 * np.log10(np.mean(sound**2) + 1e-12))


def speech(level_dbfs: float, times: int = 3) -> Samples:
    """A sentence of 2.7 s again and again, with pauses; RMS of its loud parts is ``level_dbfs``."""
    sentence = read_wav(SENTENCE)
    power = np.array([np.mean(from_pcm(frame) ** 2) for frame in frames_of(sentence)])
    active = np.mean(power[power > power.max() / 100])
    said = sentence * 10 ** (level_dbfs / 20) / np.sqrt(active)
    return np.clip(np.tile(np.concatenate([said, np.zeros(RATE_HZ // 2)]), times), -1, 1)


def passed(chain: VoiceChain, sound: Samples) -> Samples:
    """What others hear of ``sound``."""
    tally, out = np.zeros(3, np.int64), []
    for frame in frames_of(sound):
        chain.listen(frame, tally)
        out.append(chain.passed(frame))
    return from_pcm(b"".join(out))


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
    rules = rules_of(MixerCoreSettings())
    wide, plain_wide = np.zeros(480, np.int32), np.zeros(480, np.int32)
    for number, frame in enumerate(frames_of(speech(-45, 1)[: 3 * RATE_HZ // 2])):
        pcm = samples(frame).copy()
        voice_kernels.listen(pcm, tallies[0], compiled, rules, True)
        voice_kernels.listen.py_func(pcm, tallies[1], plain, rules, True)
        compiled[voice_kernels.DUCK] = plain[voice_kernels.DUCK] = -(number % 7)
        voice_kernels.amplify(pcm, compiled, wide, tallies[0])
        voice_kernels.amplify.py_func(pcm, plain, plain_wide, tallies[1])
        assert np.array_equal(wide, plain_wide)
    assert compiled == pytest.approx(plain, abs=1e-6)
    assert compiled[LEARNED] > 10
    assert tallies[0].tolist() == tallies[1].tolist()


def test_a_frame_that_needs_nothing_is_passed_on_itself() -> None:
    chain, tally = new_chain(), np.zeros(3, np.int64)
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
    speech = listened(new_chain(), sound)
    first, last = 3_000 // FRAME_MS, (3_000 + len(sentence) * 1_000 // RATE_HZ) // FRAME_MS
    loud = np.flatnonzero([np.abs(samples(f)).max() > 1_000 for f in frames_of(sound)])
    assert not speech[60:first].any(), "a steady noise is none after 0.8 s and the hang-over"
    assert speech[loud[0] + 4 : loud[-1]].all()
    assert not speech[last + 20 :].any()


@pytest.mark.parametrize("level_dbfs", [-10.0, -30.0, -50.0])
def test_a_tone_is_noise_after_a_second(level_dbfs: float) -> None:
    assert not listened(new_chain(), tone(440, 4, level_dbfs))[60:].any()


def test_digital_silence_says_nothing_of_the_noise() -> None:
    chain, tally = new_chain(), np.zeros(3, np.int64)
    listened(chain, noise(2, -50))
    before_dbfs = chain.floor_dbfs
    for _ in range(300):
        chain.listen(SILENCE, tally)
    assert chain.floor_dbfs == before_dbfs == pytest.approx(-50, abs=2)
    assert not chain.is_speech and chain.level_dbfs == -100


def test_speech_ends_with_the_spurt() -> None:
    chain = new_chain()
    listened(chain, tone(440, 0.2, -20))
    assert chain.is_speech
    chain.pause()
    assert not chain.is_speech


def test_ducking_moves_within_the_frame_without_a_step_and_comes_back() -> None:
    chain, tally, frame = new_chain(), np.zeros(3, np.int64), constant(10_000)
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


# -- one loudness for all -----------------------------------------------------------------------


@pytest.mark.parametrize("level_dbfs", [-50.0, -40.0, -30.0, -22.0, -15.0, -10.0])
def test_every_talker_is_at_the_target_after_three_seconds(level_dbfs: float) -> None:
    said = speech(level_dbfs)
    noise_dbfs = max(level_dbfs - 25, -75)
    sound = np.clip(said + noise(len(said) / RATE_HZ, noise_dbfs), -1, 1)
    chain = new_chain()
    heard = passed(chain, sound)
    loud = np.abs(said[: len(heard)]) > 0
    loud[: 3 * RATE_HZ] = False
    power = np.array([np.mean(heard[i : i + 480] ** 2) for i in np.flatnonzero(loud)[::480]])
    level = 10 * np.log10(np.mean(power[power > power.max() / 100]))
    assert level == pytest.approx(TARGET_DBFS, abs=3)
    pause = heard[-RATE_HZ // 10 :]
    assert rms_dbfs(pause) <= noise_dbfs + 6
    assert np.abs(heard).max() < 1 or np.abs(sound).max() >= 1


def test_the_gain_hardly_moves_inside_of_later_sentences() -> None:
    chain, gains = new_chain(), []
    for frame in frames_of(speech(-42, 4)):
        chain.listen(frame, np.zeros(3, np.int64))
        gains.append(chain.row[LEARNED])
    assert gains[200] == pytest.approx(20, abs=3)
    assert np.ptp(gains[200:]) < 3


def test_a_voice_at_the_target_is_passed_on_bit_for_bit_while_it_speaks() -> None:
    chain, tally, same = new_chain(), np.zeros(3, np.int64), 0
    for frame in frames_of(speech(-22)):
        was_open = chain.gain_db == 0
        chain.listen(frame, tally)
        heard = chain.passed(frame)
        if was_open and chain.voice_dbfs > chain.floor_dbfs + 9:
            assert heard is frame
            same += 1
    assert same > 200


def test_with_everything_off_every_frame_is_passed_on_itself() -> None:
    chain, tally = new_chain(auto_gain=False, noise_gate_db=0), np.zeros(3, np.int64)
    for frame in frames_of(speech(-45) + noise(len(speech(-45)) / RATE_HZ, -60)):
        chain.listen(frame, tally)
        assert chain.passed(frame) is frame


def test_what_was_learned_is_frozen_in_silence_and_the_noise_stays_down() -> None:
    chain = new_chain()
    passed(chain, speech(-48) + noise(len(speech(-48)) / RATE_HZ, -72))
    learned_db = chain.row[LEARNED]
    heard = passed(chain, noise(10, -72, seed=2))
    assert chain.row[LEARNED] == learned_db > 20
    assert rms_dbfs(heard[RATE_HZ:]) <= -72 + 6


def fan(seconds: float) -> Samples:
    sound = noise(seconds, -72)
    sound[RATE_HZ:] += noise(seconds - 1, -45, seed=3)
    return sound


def coughs(seconds: int) -> Samples:
    sound = noise(seconds, -72)
    for second in range(seconds):
        cough = noise(0.25, -20, seed=second) * np.exp(-np.arange(RATE_HZ // 4) / 2_000)
        sound[second * RATE_HZ :][: len(cough)] += cough
    return sound


def chords() -> Samples:
    chords_hz = ((220, 277, 330), (196, 247, 294), (247, 311, 370), (220, 277, 330))
    held = [sum(tone(hz, 2, -50) for hz in chord) for chord in chords_hz]
    return np.concatenate(held)


@pytest.mark.parametrize("sound", [fan(8), coughs(8), chords(), tone(440, 8, -45)])
def test_what_is_no_speech_is_not_amplified(sound: Samples) -> None:
    chain = new_chain()
    passed(chain, sound)
    assert chain.row[LEARNED] == chain.row[WORDS] == 0


def test_a_fan_that_starts_after_a_quiet_talker_is_down_in_two_seconds() -> None:
    chain = new_chain()
    passed(chain, speech(-50) + noise(len(speech(-50)) / RATE_HZ, -75))
    heard = passed(chain, fan(4) * 10 ** (-15 / 20))
    assert chain.row[LEARNED] > 20
    assert rms_dbfs(heard[3 * RATE_HZ :]) <= -60 + 6


def test_the_gate_takes_away_what_it_may_and_opens_for_the_first_frame_of_a_word() -> None:
    chain = new_chain()
    sound = speech(-22) + noise(len(speech(-22)) / RATE_HZ, -60)
    passed(chain, sound)
    heard = passed(chain, noise(2, -60, seed=5))
    assert rms_dbfs(heard[RATE_HZ:]) == pytest.approx(-60 - 12, abs=1)
    again = speech(-22, 1)
    begin = int(np.argmax(np.abs(again) > 0.02)) // 480 * 480
    frame = again[begin : begin + 480]
    out = passed(chain, frame)
    late = out[120:]
    assert late == pytest.approx(frame[120:] * 10 ** (chain.row[LEARNED] / 20), abs=2 / 32768)


@pytest.mark.parametrize(("first", "then"), [(-45, -8), (-8, -45), (-45, -25)])
def test_a_shout_and_a_whisper_neither_clip_nor_jump(first: float, then: float) -> None:
    chain, tally = new_chain(), np.zeros(3, np.int64)
    both = np.concatenate([speech(first, 2), speech(then, 2)])
    both = np.clip(both, -0.98, 0.98)
    learned = [0.0]
    for frame in frames_of(both):
        chain.listen(frame, tally)
        heard = samples(chain.passed(frame)).astype(int)
        assert np.abs(heard).max() < 32_767
        learned.append(chain.row[LEARNED])
    assert np.abs(np.diff(learned)).max() <= SLEW_FIRST_DB + 1e-9


def test_gains_move_without_a_click() -> None:
    """A hum that is let in and out: what is above 2 kHz is 60 dB below it; a step's is not."""
    sound = tone(200, 2, -20)
    chain, out = new_chain(), []
    for number, frame in enumerate(frames_of(sound)):
        chain.listen(frame, np.zeros(3, np.int64))
        chain.duck_db = -18.0 if number // 10 % 2 else 0.0
        out.append(chain.passed(frame))
    spectrum = np.abs(np.fft.rfft(from_pcm(b"".join(out)) * np.hanning(len(sound)))) ** 2
    high = spectrum[int(2_000 * len(sound) / RATE_HZ) :].sum() / spectrum.sum()
    assert 10 * np.log10(high) < -60


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 32_768), st.integers(1, 40)), max_size=12))
def test_nothing_that_comes_breaks_a_chain(parts: list[tuple[int, int]]) -> None:
    chain, tally = new_chain(), np.zeros(3, np.int64)
    rng = np.random.default_rng(len(parts))
    for peak, count in parts:
        for _ in range(count):
            pcm = rng.integers(-peak, min(peak, 32_767) + 1, 480).astype(np.int16)
            chain.listen(pcm.tobytes(), tally)
            assert len(chain.passed(pcm.tobytes())) == FRAME_BYTES
            assert np.isfinite(chain.row).all()
            assert -24 - 12 <= chain.gain_db <= 30 and -80 <= chain.floor_dbfs <= 1


def test_the_tally_has_what_others_hear() -> None:
    chain, tally = new_chain(), np.zeros(3, np.int64)
    passed(chain, speech(-45, 2))
    for frame in frames_of(speech(-45, 1)):
        tally[:] = 0
        chain.listen(frame, tally)
        heard = samples(chain.passed(frame)).astype(np.int64)
        if np.abs(heard).max() < 20_000:  # The limiter leaves it alone.
            assert tally[0] == (heard**2).sum()


def test_invented_frames_teach_nothing_and_keep_the_gain() -> None:
    chain, tally = new_chain(), np.zeros(3, np.int64)
    passed(chain, speech(-45, 2)[: 5 * RATE_HZ])
    before = chain.row.copy()
    for frame in (SILENCE, constant(30_000), SILENCE):
        chain.conceal(frame, tally)
        chain.passed(frame)
    assert np.array_equal(chain.row, before)


# -- the mixer that comes after -----------------------------------------------------------------


def talk(bench: Bench, sound: Samples) -> Samples:
    for frame in frames_of(sound):
        bench.audio(1, frame)
        bench.advance(FRAME_MS)
    return from_pcm(b"".join(frame.payload for frame in bench.heard_by(LINK)))


def two_streams(bench: Bench) -> Bench:
    bench.start(1)
    bench.start(LINK, "link")
    return bench


def test_a_mixer_that_takes_over_goes_on_at_the_gain_that_the_other_had_learned() -> None:
    said = speech(-45) + noise(len(speech(-45)) / RATE_HZ, -70)
    whole = talk(two_streams(Bench(stream_timeout_ms=60_000)), said)
    cut = 300 * 480
    first, second = two_streams(Bench(stream_timeout_ms=60_000)), Bench(stream_timeout_ms=60_000)
    talk(first, said[:cut])
    second.mixer.begin(second.now_ns, first.mixer.memory())
    after = talk(two_streams(second), said[cut:])
    expected = whole[cut : cut + len(after)]
    assert len(after) == len(expected) > 3 * RATE_HZ
    for at in range(0, len(after), 480):
        if rms_dbfs(expected[at : at + 480]) > -40:
            off = rms_dbfs(after[at : at + 480]) - rms_dbfs(expected[at : at + 480])
            assert abs(off) < 3, at
    assert first.mixer.memory().voices[1].gain_db > 15


def test_what_may_be_an_echo_of_the_assistant_teaches_nothing() -> None:
    bench = two_streams(Bench(stream_timeout_ms=60_000))
    quiet, reply = frames_of(speech(-45, 2)), frames_of(tone(300, 4, -20))
    for said, frame in zip(quiet, reply, strict=False):
        bench.audio(LINK, frame)
        bench.audio(1, said)
        bench.advance(FRAME_MS)
    bench.advance(400)
    talk(bench, speech(-45, 1)[: RATE_HZ // 5])
    assert bench.mixer.memory().voices == {}
    talk(bench, speech(-45, 1))
    assert bench.mixer.memory().voices[1].gain_db > 10


def test_a_link_is_passed_on_as_it_is() -> None:
    bench = two_streams(Bench(stream_timeout_ms=60_000))
    frames = frames_of(speech(-45, 2))
    for frame in frames:
        bench.audio(LINK, frame)
        bench.advance(FRAME_MS)
    assert [frame.payload for frame in bench.heard_by(1)] == frames
    assert bench.mixer.memory().voices == {}
