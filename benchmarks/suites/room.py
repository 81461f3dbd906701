"""``bench room``: six people who talk at once in a conference; who hears what, and who is named.

In virtual time, with the mixer, the room's engine and the simulator's server. The mix of each
listener is compared with the ideal mix-minus, the sum of the frames that the mixer took of the
others, for slots in which that sum stays below the limiter; automatic gain and gate are off for
that, since they are meant to change it. The timeline and the captions are measured with both.
``--page`` holds the conversation once
more, in real time, through the whole gateway (``room_call``).
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from mixer_core.bus.pcm import FRAME_MS
from mixer_core.kernels import KNEE
from mixer_core.settings import MixerCoreSettings

from ..report.findings import Findings, Options
from ..rig.room_in_memory import LINK, RoomInMemory
from ..rig.six_voices import NAMES, Script, script
from . import room_call

TURNS = 60
TARGET_DB = 40.0
EXACT_DB = 120.0
"""Stands for a mix without any error."""


def run(options: Options, findings: Findings) -> None:
    """The conversation twice: for the mix, and for the names."""
    talk = script(int(options.scaled(TURNS, 20, 2)))
    findings.progress(
        f"{len(talk.turns)} turns of six people, {talk.frames * FRAME_MS / 1e3:.0f} s"
    )
    plain = RoomInMemory(talk, MixerCoreSettings(auto_gain=False, noise_gate_db=0.0))
    plain.run()
    report_mix(plain, findings)
    findings.progress("the same with automatic gain and gate")
    room = RoomInMemory(talk, MixerCoreSettings())
    room.run()
    report_timeline(room, findings)
    report_captions(room, findings)
    if options.page:
        findings.progress("the same in real time: two pages in Chromium, four clients")
        room_call.measure(talk, options, findings)


def report_mix(room: RoomInMemory, findings: Findings) -> None:
    """Signal to error of each listener's mix, and of the link's."""
    worst = EXACT_DB
    for listener in (*range(1, len(NAMES) + 1), LINK):
        signal = error = 0.0
        limited = frames = exact = 0
        for slot, pcm in room.heard.get(listener, []):
            entries = room.slots[slot].entries
            parts = [e.pcm for who, e in entries.items() if who + 1 != listener]
            if not parts:
                continue
            ideal = sum(np.frombuffer(part, np.int16).astype(np.int64) for part in parts)
            if np.abs(ideal).max() > KNEE:
                limited += 1
                continue
            out = np.frombuffer(pcm, np.int16).astype(np.int64)
            signal += float(np.square(ideal).sum())
            error += float(np.square(out - ideal).sum())
            frames += 1
            exact += bool((out == ideal).all())
        ratio = EXACT_DB if not error else 10 * math.log10(max(signal, 1.0) / error)
        worst = min(worst, ratio)
        name = "the assistant" if listener == LINK else NAMES[listener - 1]
        findings.add(f"the mix for {name}", "signal to error", "dB", db=round(ratio, 1))
        findings.add(
            f"the mix for {name}",
            "compared",
            "frames",
            compared=frames,
            exact=exact,
            limited=limited,
        )
    findings.ratio(
        f"signal to error of the worst mix, {TARGET_DB:.0f} dB over it", TARGET_DB / worst, 1.0
    )


def report_timeline(room: RoomInMemory, findings: Findings) -> None:
    """Frames in which the timeline differs from the script, by how many talk at once."""
    wrong, total = timeline_errors(room)
    for talkers in sorted(total):
        findings.add(
            f"timeline, {talkers} talking at once",
            "frames of a person that are wrong",
            "frames",
            wrong=wrong[talkers],
            of=total[talkers],
            percent=round(100 * wrong[talkers] / total[talkers], 2),
        )


def timeline_errors(room: RoomInMemory) -> tuple[Counter[int], Counter[int]]:
    """By talkers at once: frames of a person that are wrong, and all."""
    truth = [room.script.speaks(who) for who in range(len(NAMES))]
    told = [_told(room, who) for who in range(len(NAMES))]
    wrong: Counter[int] = Counter()
    total: Counter[int] = Counter()
    for place, (slot, _) in enumerate(room.heard[LINK]):
        entries = room.slots[slot].entries
        speaks = {who: bool(truth[who][entry.seq]) for who, entry in entries.items()}
        talkers = sum(speaks.values())
        for who, is_so in speaks.items():
            total[talkers] += 1
            wrong[talkers] += is_so != (place in told[who])
    return wrong, total


def _told(room: RoomInMemory, who: int) -> set[int]:
    spells = room.engine._record.speech.spells(f"p-{who}")
    return {place for begin, end in spells for place in range(begin, end)}


def report_captions(room: RoomInMemory, findings: Findings) -> None:
    """Captions with exactly the names of those who spoke."""
    right = right_captions(room)
    turns = room.script.turns
    pairs = [n for n, turn in enumerate(turns) if len(turn.names) > 1]
    findings.add("captions", "with the right names", "turns", right=len(right), of=len(turns))
    both = len(right & set(pairs))
    findings.add(
        "captions of several people", "with both names", "turns", right=both, of=len(pairs)
    )


def right_captions(room: RoomInMemory) -> set[int]:
    """The turns whose caption has the names that it should have."""
    named = {text: tuple(sorted(filter(None, name.split(", ")))) for text, name in room.captions}
    found = enumerate(_turns(room.script))
    return {n for n, names in found if named.get(f"Turn {n + 1}.") == names}


def _turns(talk: Script) -> list[tuple[str, ...]]:
    return [turn.names for turn in talk.turns]
