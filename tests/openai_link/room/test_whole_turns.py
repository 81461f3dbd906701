"""The pure parts of a call against the simulator's pure engine, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from mixer_core.bus.pcm import FRAME_NS, SILENCE
from openai_link.media.downlink_gate import DownlinkGate
from openai_link.playback.tracker import PlaybackTracker, TrackerAction, Truncation
from openai_link.realtime.client_events import ClientEvents
from openai_link.realtime.facts import (
    Fact,
    ItemTruncated,
    PlaybackStarted,
    ResponseStarted,
    ServerError,
)
from openai_link.realtime.reducer import Reducer
from openai_link.realtime.session_object import session_object
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.brains.tone import ToneBrain
from openai_link.simulator.engine.brain import Brain
from openai_link.turns.policy import (
    Flush,
    MicrophoneGate,
    ReplyEnded,
    ReplyStarted,
    Send,
    TurnAction,
    TurnPolicy,
    TurnRules,
)
from tests.openai_link.simulator.support import LOUD, Session

MS = 1_000_000


class Call:
    """One call in steps of 20 ms, and one page that plays ``wait_ms`` after the link has sent."""

    def __init__(self, wait_ms: int = 120, brain: Brain | None = None, **keys: Any) -> None:
        session = session_object(OpenaiLinkSettings(**keys))
        self.server = Session(session, brain or ToneBrain(8_000))
        self.events = ClientEvents()
        self.reducer = Reducer()
        self.turns = TurnPolicy(self.events, rules=TurnRules.of(session))
        self.microphone_open = self.turns.microphone_open
        self.heard = PlaybackTracker(self.events)
        self.heard.on_roster(["p-1"])
        self.gate = DownlinkGate()
        self.wait_ns = wait_ms * MS
        self.frames: list[int] = []
        """Stamps of what the page got."""
        self.epoch = 0
        self.facts: list[Fact] = []
        self.ends: list[Truncation] = []
        self.flush_ns: int | None = None
        self.seen = 0

    @property
    def now_ns(self) -> int:
        return self.server.now_ns

    def played_samples(self, at_ns: int) -> int:
        """What the page has played of all it got."""
        return sum(
            max(0, min(480, (at_ns - self.wait_ns - stamp_ns) * 24 // MS))
            for stamp_ns in self.frames
        )

    def report(self, epoch: int, at_ns: int, last: bool) -> None:
        begun = [stamp_ns for stamp_ns in self.frames if stamp_ns < at_ns - self.wait_ns]
        if begun:
            offset = min(480, (at_ns - self.wait_ns - begun[-1]) * 24 // MS)
            report = {"epoch": epoch, "stamp_ns": begun[-1], "offset_samples": offset, "last": last}
            self.heard_says(self.heard.played("p-1", report, self.now_ns))

    def step(self, pcm: bytes = SILENCE) -> None:
        self.server.hear(pcm if self.microphone_open else SILENCE)
        spoken = self.server.spoken[-1]
        while self.seen < len(self.server.events):
            event = self.server.events[self.seen]
            self.seen += 1
            for fact in self.reducer.feed(event, self.now_ns):
                self.facts.append(fact)
                self.heard_says(self.heard.on_fact(fact, self.now_ns))
                self.do(self.turns.on_fact(fact, self.now_ns))
        frame = self.gate.frame(spoken, self.now_ns, self.now_ns)
        if frame is not None:
            self.heard.sent(frame.stamp_ns, frame.pcm)
            self.frames.append(frame.stamp_ns)
        self.do(self.turns.tick(self.now_ns))
        self.heard_says(self.heard.tick(self.now_ns))
        if self.now_ns % (200 * MS) == 0 and self.flush_ns is None:
            self.report(self.epoch, self.now_ns, False)
        if self.flush_ns is not None and self.now_ns >= self.flush_ns + 40 * MS:
            self.report(self.epoch - 1, self.flush_ns + 15 * MS, True)  # 15 ms to it, 25 ms back.
            self.flush_ns = None

    def steps(self, count: int, pcm: bytes = SILENCE) -> None:
        for _ in range(count):
            self.step(pcm)

    def do(self, actions: list[TurnAction]) -> None:
        for action in actions:
            match action:
                case Send(event):
                    self.reducer.sent(event)
                    self.server.send(**event)
                case Flush():
                    self.epoch += 1
                    self.gate.flush(self.now_ns)
                    self.flush_ns = self.now_ns
                    self.heard_says(self.heard.cut(self.epoch, self.now_ns))
                case ReplyStarted():
                    self.gate.started()
                case ReplyEnded():
                    self.gate.stopped(self.now_ns)
                case MicrophoneGate(is_open):
                    self.microphone_open = is_open

    def heard_says(self, actions: list[TrackerAction]) -> None:
        for action in actions:
            if isinstance(action, Truncation):
                self.ends.append(action)
            else:
                self.do([action])

    def of(self, *kinds: type) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kinds)]

    def press(self, down: bool) -> None:
        event = {"type": "ptt", "down": down, "participant": "p-1"}
        self.do(self.turns.on_browser(event, self.now_ns))


@pytest.mark.parametrize("wait_ms", [40, 85, 130, 222, 300])
@pytest.mark.parametrize("talk_steps", [30, 111])
def test_a_barge_in_ends_the_item_where_the_page_was(wait_ms: int, talk_steps: int) -> None:
    call = Call(wait_ms)
    call.steps(30, LOUD)
    while not call.of(PlaybackStarted):
        call.step()
    call.steps(talk_steps)
    while call.flush_ns is None:
        call.step(LOUD)
    stopped_ns = call.flush_ns + 15 * MS
    call.steps(20, LOUD)
    call.steps(5)
    played_ms = call.played_samples(stopped_ns) / 24
    last = call.of(ItemTruncated)[-1]
    assert abs(last.audio_end_ms - played_ms) <= 20
    assert call.ends[-1].audio_end_ms == last.audio_end_ms
    assert call.ends[-1].item == last.item
    assert call.of(ServerError) == []


def test_a_stop_by_hand_ends_it_too() -> None:
    call = Call()
    call.steps(30, LOUD)
    while not call.of(PlaybackStarted):
        call.step()
    call.steps(50)
    call.do(call.turns.on_browser({"type": "interrupt"}))
    assert call.flush_ns is not None
    stopped_ns = call.flush_ns + 15 * MS
    call.steps(20)
    assert abs(call.of(ItemTruncated)[-1].audio_end_ms - call.played_samples(stopped_ns) / 24) <= 20
    assert call.of(ServerError) == []


def test_push_to_talk_against_the_engine() -> None:
    call = Call(turn_detection="push_to_talk")
    call.steps(20, LOUD)
    assert call.server.engine.input is not None
    call.press(True)
    call.steps(50, LOUD)
    call.press(False)
    call.steps(5, LOUD)
    assert call.of(ResponseStarted) == []
    call.steps(60, LOUD)
    (begun,) = call.of(ResponseStarted)
    assert begun.tag and call.of(PlaybackStarted)
    assert call.reducer.assistant == "speaking"
    call.press(True)  # It speaks: the press stops it.
    assert call.flush_ns is not None
    call.steps(20, LOUD)
    assert call.reducer.playing is None and len(call.ends) == 1
    assert call.of(ServerError) == []


def test_a_tap_on_the_button_leaves_no_trace() -> None:
    call = Call(turn_detection="push_to_talk")
    call.press(True)
    call.steps(2, LOUD)
    call.press(False)
    call.steps(30)
    assert call.facts == call.facts[:1]  # The session's beginning.
    assert call.now_ns > 30 * FRAME_NS


def test_written_answers_need_no_sound() -> None:
    call = Call(output="text")
    call.do(call.turns.on_browser({"type": "say", "text": "Hello?", "participant": "p-1"}))
    call.steps(100)
    assert len(call.of(ResponseStarted)) == 1 and call.of(PlaybackStarted) == []
    assert call.frames == [] and call.reducer.assistant == "idle"
    assert call.of(ServerError) == []
