"""The part of ``bench room`` with real people: two pages in Chromium and four clients in one call.

They talk by the same script, in real time, through the whole gateway; a page's microphone plays a
voice all the time, and its person mutes it between their words. The names of the captions are read
from the transcript that the gateway keeps.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import urllib.request
import wave
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from mixer_core.bus.pcm import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ

from ..report.errors import BenchmarkError
from ..report.findings import Findings, Options
from ..rig.gateway_process import GatewayProcess
from ..rig.helper_process import HelperProcess
from ..rig.page_process import FLAGS
from ..rig.six_voices import NAMES, Script, voice_loop

ROOM = "room-0"
CLIENTS, PAGES = 4, 2
LOOP_S = 6
EARLY_MS = 600
"""A line of the transcript may begin so long before its turn: the server pads it."""
JOIN_MS = 30_000
JOURNAL_S = 8.0
Lines = list[tuple[int, tuple[str, ...]]]
"""What people said: when it began (Unix time in ms), and their names."""


def measure(talk: Script, options: Options, findings: Findings) -> None:
    """The conversation in real time; how many captions have the right names."""
    with ExitStack() as stack:
        gateway = stack.enter_context(
            GatewayProcess(
                0,
                OPENAI_LINK__UPSTREAM="simulator",
                OPENAI_LINK__GREET=0,
                OPENAI_LINK__TRANSCRIPTION_MODEL="gpt-4o-mini-transcribe",
                SIGNALING__MODE="conference",
                SIGNALING__REFUSE_WHEN_BUSY=0,
                MEDIA_WORKER__MAX_CHILDREN=CLIENTS + PAGES + 4,
            )
        )
        call = Call(gateway, stack)
        began_ms = call.talk(talk)
        time.sleep(JOURNAL_S)
        lines = call.lines()
    report(call.names, talk, began_ms, lines, findings)


def report(names: list[str], talk: Script, began_ms: int, lines: Lines, findings: Findings) -> None:
    """How many turns have the right names, in the line or the lines that they have become."""
    right: dict[int, bool] = {}
    for n, turn in enumerate(talk.turns):
        wanted = {names[span.who] for span in turn.spans}
        begin_ms = began_ms + min(span.begin for span in turn.spans) * FRAME_MS
        found = _named(begin_ms, began_ms + turn.end * FRAME_MS, lines)
        right[n] = found == wanted
        if not right[n]:
            told = ", ".join(sorted(found)) or "nobody"
            findings.notes.append(f"turn {n + 1}: {told} in place of {', '.join(sorted(wanted))}")
    several = [n for n, turn in enumerate(talk.turns) if len(turn.names) > 1]
    findings.add(
        "a real call",
        "captions with the right names",
        "turns",
        right=sum(right.values()),
        of=len(right),
    )
    both = sum(right[n] for n in several)
    findings.add("a real call", "of several people", "turns", right=both, of=len(several))


class Call:
    """Six people in one room; the first ones are clients."""

    def __init__(self, gateway: GatewayProcess, stack: ExitStack) -> None:
        self._gateway = gateway
        self.names: list[str] = []
        self._load = HelperProcess("benchmarks.rig.load_process")
        stack.callback(self._load.close)
        for index in range(CLIENTS):
            seat = (ROOM, index, CLIENTS)
            self._load.ask("join", url=gateway.url, seats=[seat], framed=True)
            self._note_name()
        self._ask("PATCH", f"/rooms/{ROOM}", {"rules": {"address": "addressed"}})
        self._load.ask("behave", style="quiet")
        self._pages = [self._page(stack, who) for who in range(CLIENTS, CLIENTS + PAGES)]

    def talk(self, talk: Script) -> int:
        """Say it all; the Unix time of its frame 0, in ms."""
        events = sorted(
            (frame, who, length)
            for turn in talk.turns
            for span in turn.spans
            for who, frame, length in (
                (span.who, span.begin, span.end - span.begin),
                (span.who, span.end, 0),
            )
        )
        began_s, began_ms = time.monotonic(), time.time_ns() // 1_000_000
        for frame, who, length in events:
            time.sleep(max(0.0, began_s + frame * FRAME_MS / 1_000 - time.monotonic()))
            if who >= CLIENTS:
                self._pages[who - CLIENTS].locator("#mic").click()
            elif length:
                self._load.ask("speak", client=who, frames=length)
        return began_ms

    def lines(self) -> Lines:
        """What people said, by the transcript: when it began, and their names."""
        told = self._ask("GET", f"/rooms/{ROOM}/transcript?format=json")
        return [
            (_ms(entry["time"]), tuple(sorted(filter(None, entry["name"].split(", ")))))
            for entry in told["items"]
            if entry["role"] == "user"
        ]

    def _note_name(self) -> None:
        people = self._ask("GET", f"/rooms/{ROOM}")["participants"]
        (name,) = {person["name"] for person in people} - set(self.names)
        self.names.append(name)

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        request = urllib.request.Request(self._gateway.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def _page(self, stack: ExitStack, who: int) -> Any:
        """A person at the page, muted."""
        from playwright.sync_api import sync_playwright

        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        if chromium is None:
            raise BenchmarkError("Chromium is not installed")
        if not hasattr(self, "_playwright"):
            self._playwright = stack.enter_context(sync_playwright())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mmb-"))
        sound = _write(Path(folder, "voice.wav"), who)
        browser = self._playwright.chromium.launch(
            executable_path=chromium,
            args=[*FLAGS, f"--use-file-for-fake-audio-capture={sound}"],
            ignore_default_args=["--mute-audio"],
        )
        stack.callback(browser.close)
        page = browser.new_context(bypass_csp=True).new_page()
        query = f"room={ROOM}&name={NAMES[who]}&raw=1&mode=conference"
        page.goto(f"{self._gateway.url}/?{query}")
        page.get_by_role("button", name="Join").click()
        page.wait_for_function(
            "() => window.mixminus?.state().upstream === 'ready'", timeout=JOIN_MS
        )
        page.locator("#mic").click()
        self._note_name()
        return page


def _write(path: Path, who: int) -> Path:
    """A voice that speaks all the time, as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        frames = LOOP_S * SAMPLE_RATE_HZ // FRAME_SAMPLES
        file.writeframes(voice_loop(who, frames).tobytes())
    return path


def _ms(time_text: str) -> int:
    return int(datetime.fromisoformat(time_text).timestamp() * 1_000)


def _named(begin_ms: int, end_ms: int, lines: Lines) -> set[str]:
    """The names of all lines that begin within a turn."""
    within = (names for at, names in lines if begin_ms - EARLY_MS <= at < end_ms)
    return {name for names in within for name in names}
