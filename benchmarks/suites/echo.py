"""``bench echo``: two devices in one physical room, and what the gateway makes of them.

Virtual time and a software room (``rig/house.py``): the mixer that ships, the simulator's voice
activity detection, loudspeakers, air and microphones in numbers. Voices are recorded ones where
Debian's packages have them, else made-up ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mixer_core.bus.pcm import FRAME_MS, FRAME_SAMPLES
from openai_link.simulator.engine.voice_activity import SpeechStarted, VoiceActivity

from ..report.findings import Findings, Options
from ..rig import talkers
from ..rig.acoustics import Samples, at_level, frame_rms
from ..rig.house import House, pair
from ..rig.window import spread

REPLIES = 40
ROOMS = 8
"""Different rooms and lags that the replies are spread over."""
REPLY_FRAMES = 300
"""6 s."""
GAP_FRAMES = 75
LEAD_FRAMES = 75
"""A room is silent for 1.5 s before the assistant says something."""
REPLY_DBFS = -20.0
TALK_MINUTES = 10
TALK_FRAMES = 100
"""Somebody talks for 2 s …"""
QUIET_FRAMES = 125
"""… and is silent for 2.5 s."""
TALK_ABOVE_ECHO_DB = (0.0, 12.0)
BEGINS_DB = 10.0
"""Speech counts from so far below its level."""
LATE_MS = 300
CASES = (
    ("detector off, no places", False, ""),
    ("detector on, no places", True, ""),
    ("detector on, one place", True, "kitchen"),
)


def run(options: Options, findings: Findings) -> None:
    """Self-interruptions, then false holds, then what it costs."""
    names = talkers.recorded()
    told = f"voices: {', '.join(names)}" if names else "voices: made up, no recordings were found"
    findings.notes.append(told)
    replies = int(options.scaled(REPLIES, 16, 2))
    for name, detector, place in CASES:
        findings.progress(name)
        interrupted(findings, name, detector, place, replies)
    minutes = options.scaled(TALK_MINUTES, 2, 0.1)
    for name, echo in (("headphones: no echo", False), ("loudspeakers: with echo", True)):
        findings.progress(f"{name}: {minutes:g} minutes of talk over the assistant")
        talked_over(findings, name, echo, minutes)
    findings.progress("cost")
    cost(findings, int(options.scaled(3_000, 1_000, 100)))


def interrupted(findings: Findings, name: str, detector: bool, place: str, replies: int) -> None:
    """How many replies the assistant interrupts by hearing itself."""
    cut = first = loud = found = 0
    per_room = max(1, replies // ROOMS)
    voices = talkers.voices(4)
    for number in range(-(-replies // per_room)):
        rng = np.random.default_rng(50 + number)
        gain_db, lag_ms = rng.uniform(-26, -6), rng.uniform(90, 560)
        house = House(pair(rng, place, gain_db, lag_ms), detector=detector, seed=number)
        voice = frames_of(at_level(voices[number % 4], REPLY_DBFS), rng)
        vad = VoiceActivity()
        rest(house)
        for nth in range(per_room):
            is_cut = reply(house, vad, voice)
            cut, first, loud = cut + is_cut, first + (is_cut and nth == 0), loud + 1
        found += len(house.roster()) > 0
    findings.add(
        "the assistant hears itself",
        name,
        "replies",
        interrupted=cut,
        first_of_their_room=first,
        replies=loud,
        told=found,
    )


def rest(house: House) -> None:
    """Nobody says anything."""
    for _ in range(LEAD_FRAMES):
        house.step({}, None)


def reply(house: House, vad: VoiceActivity, voice: Iterator[Samples]) -> bool:
    """One reply, and a pause; whether the assistant heard itself and stopped."""
    is_cut = False
    for number in range(REPLY_FRAMES + GAP_FRAMES):
        speaks = number < REPLY_FRAMES and not is_cut
        house.step({}, next(voice) if speaks else None)
        event = vad.push(house.heard)
        if isinstance(event, SpeechStarted) and speaks:
            is_cut = True
            house.interrupt()
    return is_cut


def talked_over(findings: Findings, name: str, echo: bool, minutes: float) -> None:
    """Two people at two devices talk while the assistant goes on talking."""
    voices = talkers.voices(4)
    late_ms: list[float] = []
    held = spoken = 0
    for number in range(ROOMS):
        rng = np.random.default_rng(90 + number)
        gain_db, lag_ms = rng.uniform(-26, -6), rng.uniform(90, 560)
        house = House(
            pair(rng, "", gain_db if echo else -200.0, lag_ms), detector=True, seed=number
        )
        assistant = frames_of(at_level(voices[number % 4], REPLY_DBFS), rng)
        level_dbfs = REPLY_DBFS + gain_db + rng.uniform(*TALK_ABOVE_ECHO_DB)
        people = [
            frames_of(at_level(voices[(number + 1 + turn) % 4], level_dbfs), rng) for turn in (0, 1)
        ]
        rest(house)
        frames = int(minutes * 60_000 / FRAME_MS / ROOMS)
        late, kept, said = conversation(house, assistant, people, frames, level_dbfs)
        late_ms += late
        held, spoken = held + kept, spoken + said
    if not late_ms:
        return
    case = "people talk over the assistant"
    too_late = sum(ms > LATE_MS for ms in late_ms)
    findings.add(case, name, "utterances", utterances=len(late_ms), later_than_300_ms=too_late)
    findings.add(case, f"{name}: real speech held back", "%", share=100 * held / max(1, spoken))
    findings.add(case, f"{name}: until speech passes", "ms", **spread(late_ms))


def conversation(
    house: House,
    assistant: Iterator[Samples],
    people: list[Iterator[Samples]],
    frames: int,
    level_dbfs: float,
) -> tuple[list[float], int, int]:
    """Delay of each utterance, ms; frames of loud speech that were held back; all of them."""
    loud = 10 ** ((level_dbfs - BEGINS_DB) / 20)
    late_ms: list[float] = []
    held = spoken = 0
    began: int | None = None
    passed = True
    for number in range(frames):
        turn, place = divmod(number, TALK_FRAMES + QUIET_FRAMES)
        device = house.devices[turn % 2].stream
        voices: dict[int, Samples] = {}
        if place < TALK_FRAMES:
            voices[device] = next(people[turn % 2])
        house.step(voices, next(assistant))
        if place == 0:
            began, passed = None, False
        if place < TALK_FRAMES and frame_rms(voices[device])[0] > loud:
            began = number if began is None else began
            spoken += 1
            if house.held[device]:
                held += 1
            elif not passed:
                passed = True
                late_ms.append(float((number - began) * FRAME_MS))
        if place == TALK_FRAMES and began is not None and not passed:
            late_ms.append(float((number - began) * FRAME_MS))
    return late_ms, held, spoken


def frames_of(voice: Samples, rng: np.random.Generator) -> Iterator[Samples]:
    """The frames of a voice, for ever, from somewhere on."""
    frames = voice[: len(voice) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    number = int(rng.integers(len(frames)))
    while True:
        yield frames[number % len(frames)]
        number += 1


def cost(findings: Findings, frames: int) -> None:
    """The mixer's time for 20 ms of a room of two microphones and the assistant."""
    for speaks, words in ((True, "the assistant speaks"), (False, "the assistant is silent")):
        houses = {detector: _house(detector) for detector in (False, True)}
        taken_us: dict[bool, list[float]] = {detector: [] for detector in houses}
        voice = frames_of(at_level(talkers.made_up(0), REPLY_DBFS), np.random.default_rng(7))
        for _ in range(frames):
            reply = next(voice) if speaks else None
            for detector, house in houses.items():
                before_ns = house.took_ns
                house.step({}, reply)
                taken_us[detector].append((house.took_ns - before_ns) / 1_000)
        off_us, on_us = (float(np.median(taken_us[detector])) for detector in (False, True))
        findings.add("mixer, 20 ms of a room of two", words, "µs, median", off=off_us, on=on_us)
        findings.ratio(f"mixer's time with the detector, {words}", on_us / off_us)


def _house(detector: bool) -> House:
    house = House(pair(np.random.default_rng(7), "", -15.0, 200.0), detector=detector)
    rest(house)
    rest(house)
    return house
