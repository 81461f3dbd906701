"""``bench own-words``: what it costs that each person is written down by themselves.

Two rooms of one gateway, three people in each, who talk by turns and in every third turn two at
once; ``transcribe_each`` is on in one room. They talk in turns of the rooms, so that both are
measured on the same machine in the same minutes: processor time of the links and of the mixer,
less that of a silence, when the assistant begins to answer, and when the line of a turn has its
last words. The server is the simulator, which writes down what it hears at once: a real one adds
its own time.
"""

from __future__ import annotations

import json
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from mixer_core.bus.pcm import FRAME_MS

from ..report.findings import Findings, Options
from ..rig import usage
from ..rig.gateway_process import GatewayProcess
from ..rig.helper_process import HelperProcess
from ..rig.window import spread

MIXED, OWN = "mix", "own"
ROOMS = (MIXED, OWN)
"""Without and with the setting."""
ROLES = ("openai_link child", "mixer_core")
PEOPLE = 3
SPEECH_MS = 2_400
TAIL_S = 0.15
"""Sound within this after the end of speech is no answer."""
LOOK_S = 0.05
IDLE_S = 2.0
"""Before a silence is measured: links send for a while after the last word."""
SPELL_TURNS = 3
"""Turns of one room before the other one talks."""


@dataclass
class Seen:
    """What the turns of one room took."""

    speech_s: float = 0.0
    cpu_ms: dict[str, float] = field(default_factory=dict)
    """By role, less what it takes while nobody speaks."""
    answer_ms: list[float] = field(default_factory=list)
    words_ms: list[float] = field(default_factory=list)


def run(options: Options, findings: Findings) -> None:
    """Spells of each room in turn."""
    spells = int(options.scaled(8, 3, 1))
    turns = 1 if options.smoke else SPELL_TURNS
    listen_s = options.scaled(3.5, 3.5, 0.5)
    with ExitStack() as stack:
        gateway = stack.enter_context(
            GatewayProcess(
                0,
                OPENAI_LINK__UPSTREAM="simulator",
                OPENAI_LINK__GREET=0,
                OPENAI_LINK__TRANSCRIPTION_MODEL="gpt-4o-mini-transcribe",
                SIMULATOR__BRAIN="tone",
                SIMULATOR__TONE_MS=300,
                SIGNALING__REFUSE_WHEN_BUSY=0,
                SIGNALING__MODE="assistant",
                **{f"ROOMS__{OWN.upper()}__TRANSCRIBE_EACH": "true"},
            )
        )
        people = People(gateway, listen_s, stack)
        seen = {room: Seen() for room in ROOMS}
        if not options.smoke:
            for room in ROOMS:  # The sessions are opened when somebody first speaks.
                for turn in range(PEOPLE):
                    people.turn(room, turn, Seen())
        people.rest(options.scaled(6, 6, 0.2))
        known = people.written()
        for spell in range(spells):
            for room in ROOMS:
                findings.progress(f"spell {spell + 1} of {spells}: {room}")
                for turn in range(turns):
                    people.turn(room, turn, seen[room])
        written = people.written() - known
    report(seen, written, listen_s, findings)


class People:
    """Those of both rooms, in one process."""

    def __init__(self, gateway: GatewayProcess, listen_s: float, stack: ExitStack) -> None:
        """``listen_s``: behind a turn, until the answer has begun and the line has its words."""
        self._gateway, self._listen_s = gateway, listen_s
        self._load = HelperProcess("benchmarks.rig.load_process")
        stack.callback(self._load.close)
        seats = [(room, index, PEOPLE) for room in ROOMS for index in range(PEOPLE)]
        self._load.ask("join", url=gateway.url, seats=seats, framed=True)
        self._load.ask("behave", style="quiet")
        self._idle_ms_per_s: dict[str, float] = {}

    def rest(self, seconds: float) -> None:
        """Nobody speaks: what that takes is no cost of words."""
        time.sleep(IDLE_S)  # Until the links have nothing more to send.
        before = self._read()
        time.sleep(seconds)
        after = self._read()
        self._idle_ms_per_s = {role: (after[role] - before[role]) / 1e6 / seconds for role in after}

    def turn(self, room: str, number: int, seen: Seen) -> None:
        """One person speaks, or two; what it took is added to ``seen``."""
        first = ROOMS.index(room) * PEOPLE
        talkers = [first + number % PEOPLE]
        if number % PEOPLE == PEOPLE - 1:
            talkers.append(first)
        before = self._read()
        self._load.ask("look")
        began_s = time.monotonic()
        for client in talkers:
            self._load.ask("speak", client=client, frames=SPEECH_MS // FRAME_MS)
        ended_s = began_s + SPEECH_MS / 1_000
        changed_s = self._listen(room, ended_s)
        for role, used_ns in self._read().items():
            used_ms = (used_ns - before[role]) / 1e6
            used_ms -= self._idle_ms_per_s.get(role, 0.0) * (time.monotonic() - began_s)
            seen.cpu_ms[role] = seen.cpu_ms.get(role, 0.0) + used_ms
        seen.speech_s += len(talkers) * SPEECH_MS / 1_000
        if changed_s:
            seen.words_ms.append(1e3 * (changed_s - ended_s))
        arrived_ms = self._load.ask("look")[first]["arrived_ms"]
        answers = [ms - 1e3 * ended_s for ms in arrived_ms if ms > 1e3 * (ended_s + TAIL_S)]
        seen.answer_ms += [min(answers)] if answers else []

    def _listen(self, room: str, ended_s: float) -> float:
        """Until the turn is over for all; when the room's lines last changed."""
        lines, changed_s = self._lines(room), 0.0
        while time.monotonic() < ended_s + self._listen_s:
            time.sleep(LOOK_S)
            now = self._lines(room)
            if now != lines:
                lines, changed_s = now, time.monotonic()
        return changed_s

    def _lines(self, room: str) -> list[str]:
        """What people said, as the journal has it."""
        url = f"{self._gateway.url}/rooms/{room}/transcript?format=json"
        with urllib.request.urlopen(url, timeout=10) as answer:
            items: list[dict[str, Any]] = json.load(answer)["items"]
        return [str(item["text"]) for item in items if item["role"] == "user"]

    def _read(self) -> dict[str, int]:
        """Processor time so far, ns; of the links of both rooms, of which one has nothing to do."""
        found = dict.fromkeys(ROLES, 0)
        for process in self._gateway.processes():
            if process.role in ROLES:
                found[process.role] += usage.cpu_ns(process.pid)
        return found

    def written(self) -> float:
        """Turns that have everybody's own words."""
        time.sleep(1.5)  # Counters are told once a second.
        return self._gateway.metrics().value("openai_link", "own_words_turns_total")


def report(seen: dict[str, Seen], written: float, listen_s: float, findings: Findings) -> None:
    """Both rooms, and what the setting adds."""
    words = {MIXED: "one transcription of the mix", OWN: "everybody's own words"}
    for room, case in words.items():
        of = seen[room]
        for role, used_ms in sorted(of.cpu_ms.items()):
            findings.add(
                case, role, "ms of CPU per s of speech", each=round(used_ms / of.speech_s, 2)
            )
        for subject, values in (
            ("end of speech to the first sound of the answer", of.answer_ms),
            ("end of speech to the last words of its line", of.words_ms),
        ):
            findings.add(case, subject, "ms", turns=len(values), **spread(values))
    findings.add(words[OWN], "turns with everybody's own words", "turns", count=written)
    for role in sorted(seen[OWN].cpu_ms):
        each = [seen[room].cpu_ms[role] / seen[room].speech_s for room in ROOMS]
        findings.ratio(f"{role}: own words over mix", each[1] / max(each[0], 1e-9), None)
    findings.notes.append(
        f"{PEOPLE} people in a room, turns of {SPEECH_MS} ms, every third one of two at once; "
        f"processor time from the beginning of a turn to {listen_s} s behind its end, less that of "
        f"as long a silence; of the links of both rooms, of which one has nothing to do"
    )
