"""``bench devices``: two devices that hear each other, with real parts and in real time.

A gateway, two pages in Chromium, each with the loudspeaker and the microphone of a sound server of
its own, and the air between them (``rig/air_process.py``). Each page's own echo is left out, as
with headphones; a guest without sound asks for the replies. It is real time: where the machine is
busy microphones have holes, which the table tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mixer_core.bus.pcm import FRAME_MS

from ..report.findings import Findings, Options
from ..rig.device_figures import Held, held, way_ms
from ..rig.devices_rig import DevicesRig, Notes
from ..rig.window import spread

REPLY_MS = 3_000
CREATED, STARTED = "response.created", "input_audio_buffer.speech_started"
AIRS = ((-8.0, 180.0), (-12.0, 60.0), (-16.0, 120.0), (-20.0, 20.0))
"""Level at the other microphone, and delay of the air in ms; each is a room of its own."""
TALK_MINUTES = 5.0
VOICES = ("en-gb-scotland", "en-us+f3")
TALK_DBFS = -22.0
TALK_FRAMES, PAUSE_FRAMES = 100, 30
"""One person talks for 2 s, then after 0.6 s the other one."""
TALK_AIR = (-12.0, 60.0)
LEAD_S = 5.0
"""The assistant speaks alone for so long: what is an echo is known."""
AFTER_S = 2.0
SOUND = "sound, whole or not"
QUALITY = (
    "of_microphones",
    "with_holes",
    "of_speakers_late",
    "underruns_of_pages",
    "air_late_ms",
)


@dataclass(frozen=True)
class Case:
    """A way in which the devices may be set up."""

    name: str
    detector: bool
    raw: bool
    airs: tuple[tuple[float, float] | None, ...]
    replies: tuple[int, int, int]
    """In all: in a full run, a quick one, and one that only tests that it runs."""


CASES = (
    Case("no air, detector off", False, True, (None,), (10, 4, 1)),
    Case("detector off", False, True, AIRS, (40, 8, 1)),
    Case("detector on", True, True, AIRS, (40, 8, 1)),
    Case("the browsers cancel echoes, detector off", False, False, AIRS[:2], (10, 4, 1)),
    Case("the browsers cancel echoes, detector on", True, False, AIRS[:2], (10, 4, 1)),
)
"""Chromium takes the other device's sound for its own, as long as both play the same: so the first
cases are without its canceller, as if it knew its own loudspeaker only."""


@dataclass(frozen=True)
class Talk:
    """People talk over the assistant."""

    name: str
    detector: bool
    air: tuple[float, float] | None
    share: float
    """Of the minutes."""


TALKS = (
    Talk("detector off, headphones", False, None, 0.1),
    Talk("detector on, headphones", True, None, 0.45),
    Talk("detector on, loudspeakers", True, TALK_AIR, 0.45),
)


def run(options: Options, findings: Findings) -> None:
    """Replies that interrupt themselves, then speech that is held back."""
    with DevicesRig(REPLY_MS) as rig:
        if not options.only or "replies" in options.only:
            for case in CASES:
                findings.progress(case.name)
                hear_itself(rig, case, options, findings)
        if not options.only or "talk" in options.only:
            minutes = options.minutes or options.scaled(TALK_MINUTES, 1.5, 0.1)
            for talk in TALKS:
                findings.progress(f"people talk: {talk.name}")
                talk_over(rig, talk, 60 * talk.share * minutes, findings)


def hear_itself(rig: DevicesRig, case: Case, options: Options, findings: Findings) -> None:
    """How many replies the assistant interrupts by hearing itself."""
    wanted = int(options.scaled(*case.replies))
    airs = case.airs[: max(1, min(len(case.airs), wanted))]
    rig.open(detector=case.detector)
    notes, told, ways = Notes(), 0, []
    for number, air in enumerate(airs):
        rig.join(f"room-{number}", raw=case.raw)
        here = Notes()
        rig.look(Notes())
        if air is not None:
            rig.air.ask("air", cross_db=air[0], own_db=None, lag_ms=air[1])
        while len(here.times_ns(CREATED)) < wanted // len(airs):
            rig.reply(here)
        looked = rig.look(here)
        told += any(page["hears"] for page in looked[1]["pages"])
        quality(case.name, looked, findings)
        ways.append(way_ms(here.sent, here.heard))
        findings.progress(f"air {air}: {_words(here)}, way {ways[-1]}")
        notes.events += here.events
    findings.add(
        "the assistant hears itself",
        case.name,
        "replies",
        replies=len(notes.times_ns(CREATED)),
        interrupted=len(notes.times_ns(STARTED, speaks=True)),
        after_its_end=len(notes.times_ns(STARTED, speaks=False)),
        rooms=len(airs),
        told=told,
    )


def _words(notes: Notes) -> str:
    cut, after = (len(notes.times_ns(STARTED, speaks)) for speaks in (True, False))
    return f"{len(notes.times_ns(CREATED))} replies, {cut} interrupted, {after} after their end"


def talk_over(rig: DevicesRig, talk: Talk, seconds: float, findings: Findings) -> None:
    """Two people talk by turns while the assistant goes on talking."""
    rig.open(detector=talk.detector)
    rig.join("room-0", raw=True)
    rig.look(Notes())
    if talk.air is not None:
        rig.air.ask("air", cross_db=talk.air[0], own_db=None, lag_ms=talk.air[1])
    rig.server.ask("style", style="talk")
    notes = Notes()
    rig.pause(LEAD_S, notes)
    rig.look(notes)
    notes = Notes()
    rig.air.ask(
        "talk",
        voices=VOICES,
        dbfs=TALK_DBFS,
        talk_frames=TALK_FRAMES,
        pause_frames=PAUSE_FRAMES,
    )
    rig.pause(seconds, notes)
    rig.air.ask("talk", voices=[], dbfs=0, talk_frames=1, pause_frames=0)
    rig.pause(AFTER_S, notes)
    looked = rig.look(notes)
    spoken = [(at_ns, level) for at_ns, _, level in looked[0]["spoken"]]
    quality(talk.name, looked, findings)
    report(talk.name, held(spoken, notes.heard, TALK_DBFS), findings)


def report(name: str, found: Held, findings: Findings) -> None:
    """What of the speech was not heard."""
    case = "people talk over the assistant"
    count = len(found.late_ms)
    findings.add(case, name, "utterances", utterances=count, later_than_300_ms=found.too_late)
    findings.add(
        case,
        name,
        "ms of loud speech",
        said=found.loud * FRAME_MS,
        missing=found.missing * FRAME_MS,
        cases=found.cases,
    )
    if count:
        findings.add(case, f"{name}: until speech is heard", "ms", **spread(found.late_ms))
    findings.notes.append(
        f"{name}: from microphone to server {found.lag_ms:.0f} ms, alike {found.alike:.2f}"
    )


def quality(name: str, looked: tuple[dict[str, Any], dict[str, Any]], findings: Findings) -> None:
    """Whether the sound was whole: what is not zero here is the machine's fault."""
    air, pages = looked
    devices = air["devices"]
    measure = next((m for m in findings.measures if (m.case, m.subject) == (SOUND, name)), None)
    if measure is None:
        measure = findings.add(SOUND, name, "frames", **dict.fromkeys(QUALITY, 0.0))
    values = measure.values
    values["of_microphones"] += sum(device["frames"] for device in devices)
    values["with_holes"] += sum(device["holes"] for device in devices)
    values["of_speakers_late"] += sum(device["dropped"] + device["missing"] for device in devices)
    values["underruns_of_pages"] += sum(
        (page["playback"] or {}).get("underruns", 0) for page in pages["pages"]
    )
    values["air_late_ms"] = max(values["air_late_ms"], air["late_ms"])
