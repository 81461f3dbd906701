"""Microphones that hear another device: found, held back while it sounds, told of; people pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.rig.acoustics import AirPath, Samples, at_level
from benchmarks.rig.house import Device, House, pair
from benchmarks.rig.six_voices import voice_loop
from mixer_core.bus.pcm import FRAME_MS, FRAME_SAMPLES
from mixer_core.places.echo import MAX_PAIRS, EchoWatch
from mixer_core.places.seating import Seating
from mixer_core.slots import Stream
from openai_link.simulator.brains.factory import greeting_pcm
from openai_link.simulator.engine.voice_activity import SpeechStarted, VoiceActivity
from tests.mixer_core.mixer_bench import Bench, constant
from tests.support.audio import SENTENCE, from_pcm, read_wav

ECHO_DB, LAG_MS = -12.0, 320.0
REPLY, PAUSE = 250, 60
"""Frames."""
SOON = 300 // FRAME_MS


def frames(voice: Samples, level_dbfs: float) -> Iterator[Samples]:
    """Its frames, for ever, each time with a pause."""
    spoken = at_level(voice, level_dbfs)
    size = (len(spoken) // FRAME_SAMPLES + 10) * FRAME_SAMPLES
    padded = np.concatenate([spoken, np.zeros(size - len(spoken))])
    return itertools.cycle(padded.reshape(-1, FRAME_SAMPLES))


def assistant() -> Iterator[Samples]:
    return frames(read_wav(SENTENCE), -20.0)


def person(level_dbfs: float = -24.0) -> Iterator[Samples]:
    return frames(from_pcm(greeting_pcm()), level_dbfs)


class Evening:
    """A house, its assistant, and how often the assistant would have been interrupted."""

    def __init__(self, place: str = "", *, detector: bool = True, echo_db: float = ECHO_DB) -> None:
        devices = pair(np.random.default_rng(5), place, echo_db, LAG_MS)
        self.house = House(devices, detector=detector)
        self.voice, self.vad = assistant(), VoiceActivity()
        self.started = 0
        self.rest(75)

    def rest(self, count: int) -> None:
        for _ in range(count):
            self.step(None, {})

    def reply(self, count: int = REPLY, talk: Iterator[Samples] | None = None) -> list[bool]:
        """The assistant speaks, and somebody over it at device 2: whether that was held back."""
        return [
            self.step(next(self.voice), {} if talk is None else {2: next(talk)})
            for _ in range(count)
        ]

    def step(self, reply: Samples | None, voices: dict[int, Samples]) -> bool:
        self.house.step(voices, reply)
        self.started += isinstance(self.vad.push(self.house.heard), SpeechStarted)
        return self.house.held[2]


def test_without_the_detector_the_assistant_hears_itself() -> None:
    evening = Evening(detector=False)
    evening.reply()
    assert evening.started > 0


def test_an_echo_is_found_in_the_first_reply_and_never_heard_again() -> None:
    evening = Evening()
    evening.reply()
    assert evening.house.roster() == {1: "assistant", 2: "assistant"}
    evening.rest(PAUSE)
    evening.started = 0
    for _ in range(3):
        evening.reply()
        evening.rest(PAUSE)
    assert evening.started == 0


def test_in_one_place_it_is_never_heard_and_nobody_is_told_what_they_chose() -> None:
    evening = Evening("kitchen")
    for _ in range(3):
        evening.reply()
        evening.rest(PAUSE)
    assert evening.started == 0 and evening.house.roster() == {}


def test_who_talks_over_the_assistant_passes_though_their_microphone_hears_it() -> None:
    evening = Evening()
    evening.reply()
    held = evening.reply(100, person())
    assert not all(held[:SOON]) and sum(held) < 20
    evening.rest(PAUSE)
    evening.started = 0
    evening.reply()
    assert evening.started == 0, "and then it is suppressed again"


def test_where_there_is_no_echo_nothing_is_found_and_people_pass_soon() -> None:
    evening = Evening(echo_db=-200.0)
    evening.reply(40)
    held = evening.reply(600, person())
    assert not any(held[150:]) and evening.house.roster() == {}
    runs = [len(list(run)) for is_held, run in itertools.groupby(held) if is_held]
    assert max(runs, default=0) <= SOON + 1, "while nothing is known of the microphone"


def test_alone_with_the_assistant_nobody_is_held_back_before_an_echo_is_found() -> None:
    house = House([Device(2)], detector=True)
    voice, talk = assistant(), person()
    for number in range(REPLY):
        house.step({2: next(talk)} if number > 40 else {}, next(voice))
        assert not house.held[2]


def test_a_finding_ends_when_the_echo_has_ended() -> None:
    evening = Evening()
    evening.reply()
    for device in evening.house.devices:
        device.paths.clear()
    for _ in range(4):
        evening.reply()
    assert evening.house.roster() == {}


def test_in_a_conference_a_voice_that_comes_back_by_another_device_is_found() -> None:
    rng = np.random.default_rng(3)
    far, near, other = Device(1), Device(2), Device(3)
    other.paths[2] = AirPath(rng, 180.0, ECHO_DB)  # It hears what the one beside it plays.
    house = House([far, near, other], detector=True, mode="conference")
    talk = person(-20.0)
    for _ in range(200):
        house.step({1: next(talk)}, None)
    assert house.roster() == {3: "p-1"}
    held = []
    for _ in range(100):
        house.step({1: next(talk)}, None)
        held.append((house.held[1], house.held[3]))
    assert not any(of_talker for of_talker, _ in held)
    assert sum(of_echo for _, of_echo in held) > 50


@pytest.mark.parametrize("seed", range(3))
def test_people_who_speak_in_one_rhythm_do_not_hear_each_other(seed: int) -> None:
    """They are alike at many lags; an echo comes at one."""
    size = 400
    loops = [voice_loop((who + 2 * seed) % 6, size) for who in range(3)]
    people = [loop.reshape(size, FRAME_SAMPLES) for loop in loops]
    house = House([Device(1), Device(2), Device(3)], detector=True, mode="conference")
    for number in range(size):
        voices = {who + 1: spoken[number] / 32_768 for who, spoken in enumerate(people)}
        house.step({who: voices[who] for who in (1, 2, 1 + number // 100 % 3)}, None)
        assert not any(house.held.values()), number
    assert house.roster() == {}


def test_a_held_button_opens_a_microphone_that_hears_the_assistant() -> None:
    evening = Evening("kitchen")
    evening.reply(100)
    room = next(iter(evening.house.mixer._rooms.values()))
    (device,) = [stream for stream in room.browsers if stream.stream == 2]
    object.__setattr__(device.info, "place", device.info.place.pressed(True))
    assert not any(evening.reply(20, person()))


def streams_of(*browsers: int) -> list[Stream]:
    bench = Bench()
    for stream in browsers:
        bench.start(stream)
    (room,) = bench.mixer._rooms.values()
    return room.streams


def test_many_talkers_take_no_more_memory_and_those_who_leave_none() -> None:
    streams = streams_of(*range(1, 21))
    seating = Seating()
    seating.update(streams)
    watch = EchoWatch(seating)
    voice = constant(500)
    for turn in range(40):
        for stream in streams:
            watch.is_echo(stream, voice, True, turn * FRAME_MS * 1_000_000)
    assert all(len(pairs) <= MAX_PAIRS for pairs in watch._pairs.values())
    watch.reseat(streams[:1])
    assert len(watch._ears) == 1 and not any(watch._pairs.values())


@pytest.mark.parametrize("gap_ms", [0, 7, 61, 500, 5_000])
def test_a_stream_that_pauses_leaves_no_old_sound_behind(gap_ms: int) -> None:
    from mixer_core import echo_kernels as kernels
    from mixer_core.places.ear import Ear

    ear, dice = Ear(), np.random.default_rng(1)
    now_ns = 1_000_000_000
    for _ in range(100):
        pcm = dice.normal(0, 3_000, FRAME_SAMPLES).astype("<i2").tobytes()
        ear.hear(pcm, now_ns)
        now_ns += FRAME_MS * 1_000_000
    before = ear.block
    ear.hear(pcm, now_ns + gap_ms * 1_000_000)
    skipped = ear.block - before - kernels.BLOCKS
    assert abs(skipped - gap_ms // 10) <= (1 if gap_ms >= 61 else gap_ms // 10)
    for block in range(before + kernels.BLOCKS, ear.block)[-kernels.RING + kernels.BLOCKS :]:
        assert not ear.ring[:, block % kernels.RING].any()
        assert not ear.ring[:, block % kernels.RING + kernels.RING].any()
