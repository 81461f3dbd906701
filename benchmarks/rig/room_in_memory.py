"""A room in virtual time: mixer, engine of the room, and the simulator's server, without a socket.

Everybody's frames reach the mixer in the order of their times, each talker with a phase of their
own and some jitter. What the mixer publishes is kept by listener; the link's frames and reports go
to the engine, and from there to the server, which transcribes what the script says.
"""

from __future__ import annotations

import heapq
import json
import random
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixer_core.bus.events import StreamInfo, decode_event
from mixer_core.bus.frames import Frame, Kind, decode
from mixer_core.bus.pcm import FRAME_BYTES, FRAME_NS
from mixer_core.jitter import Entry
from mixer_core.mixer import Mixer
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.room_rules import RoomRules
from mixer_core.runtime.units import MS_NS, S_NS
from mixer_core.settings import MixerCoreSettings
from openai_link.realtime.upstream import Upstream
from openai_link.room import actions as do
from openai_link.room.engine import RoomEngine
from openai_link.room.parts import RoomConfig
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.brains.rules import Script as Answers
from openai_link.simulator.brains.script import ScriptBrain
from openai_link.simulator.engine.brain import Recognition
from openai_link.simulator.engine.options import EngineOptions
from openai_link.simulator.engine.server_events import EndCall
from openai_link.simulator.engine.session_config import create_session
from openai_link.simulator.engine.session_engine import SessionEngine

from .six_voices import NAMES, Script

LINK = 99
WALL_MS = 1_800_000_000_000
JITTER_NS = 4 * MS_NS
ALIVE_FRAMES = 50
"""Everybody announces themselves once a second."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What the mixer took for one slot: each talker's frame."""

    entries: Mapping[int, Entry]


class RoomInMemory:
    """See the module; ``run`` holds the whole conversation."""

    def __init__(self, script: Script, settings: MixerCoreSettings, seed: int = 1) -> None:
        self.script = script
        self.mixer = Mixer(settings, Metrics())
        self.now_ns = S_NS
        self.slots: list[Slot] = []
        self.heard: dict[int, list[tuple[int, bytes]]] = {}
        """Per listener: the slot and the sound of each frame."""
        self.captions: list[tuple[str, str]] = []
        """Words and names of what people said, as they are final."""
        self._dice = random.Random(seed)
        self._taken: list[dict[int, Entry]] = [{}]
        self._server: SessionEngine | None = None
        self._inputs: deque[dict[str, Any]] = deque()
        link = OpenaiLinkSettings(
            greet=False, transcription_model="gpt-4o-mini-transcribe", tools=()
        )
        upstream = Upstream("openai", "http://127.0.0.1:9/v1", "sk-none", False)
        rules = RoomRules(address="addressed")
        config = RoomConfig("den", link, upstream, "b", str, lambda: 0.5, rules=rules)
        self.engine = RoomEngine(config, WALL_MS, self.now_ns)

    def run(self) -> None:
        """From the first frame to the last."""
        for who in range(len(NAMES)):
            self._start(who)
        self._put(Frame(Kind.START, LINK, payload=_link().encode()))
        self._do(self.engine.open(self.now_ns))
        self._do(self.engine.journal_recovered([], "day", 0.0, self.now_ns))
        for at_ns, who, number in self._arrivals():
            self._advance(at_ns)
            if number % ALIVE_FRAMES == 0:
                self._start(who)
                self._put(Frame(Kind.START, LINK, payload=_link().encode()))
            begin = number * FRAME_BYTES // 2
            pcm = self.script.sounds[who][begin : begin + FRAME_BYTES // 2].tobytes()
            self._put(Frame(Kind.AUDIO, who + 1, 0, number, 0, at_ns, pcm))
        self._advance(self.now_ns + S_NS)

    def _arrivals(self) -> list[tuple[int, int, int]]:
        """When which frame of whom comes."""
        heap: list[tuple[int, int, int]] = []
        for who in range(len(NAMES)):
            phase_ns = self._dice.randrange(FRAME_NS)
            for number in range(self.script.frames):
                jitter_ns = self._dice.randrange(JITTER_NS)
                at_ns = 2 * S_NS + phase_ns + number * FRAME_NS + jitter_ns
                heap.append((at_ns, who, number))
        heapq.heapify(heap)
        return [heapq.heappop(heap) for _ in range(len(heap))]

    # -- the mixer --------------------------------------------------------------------------------

    def _start(self, who: int) -> None:
        name = NAMES[who]
        info = StreamInfo("browser", "den", f"p-{who}", name, mode="conference")
        known = who + 1 in self.mixer._streams
        self._put(Frame(Kind.START, who + 1, payload=info.encode()))
        if not known:
            self._tap(who)

    def _tap(self, who: int) -> None:
        """Note what the mixer takes of somebody: with that the ideal mix can be computed."""
        buffer = self.mixer._streams[who + 1][1].buffer
        pop = buffer.pop

        def noted(now_ns: int, *, force: bool = False) -> Entry | None:
            entry = pop(now_ns, force=force)
            if entry is not None:
                if who in self._taken[-1]:  # The next slot of the same turn of the mixer.
                    self._taken.append({})
                self._taken[-1][who] = entry
            return entry

        buffer.pop = noted  # type: ignore[method-assign]

    def _advance(self, to_ns: int) -> None:
        while True:
            due = [self.mixer.next_timeout_ns(), self.engine.next_timeout_ns()]
            next_ns = min((ns for ns in due if ns is not None), default=to_ns)
            if next_ns >= to_ns:
                break
            self.now_ns = max(self.now_ns, next_ns)
            self._publish(self.mixer.on_timeout(self.now_ns))
            self._do(self.engine.tick(self.now_ns))
        self.now_ns = max(self.now_ns, to_ns)

    def _put(self, frame: Frame) -> None:
        self._publish(self.mixer.on_frame(frame, self.now_ns))

    def _publish(self, messages: Sequence[bytes]) -> None:
        frames = [decode(message) for message in messages]
        first = len(self.slots)
        if any(frame.kind is Kind.AUDIO for frame in frames):
            self.slots += [Slot(taken) for taken in self._taken if taken]
            self._taken = [{}]
        heard: Counter[int] = Counter()
        for frame in frames:
            if frame.kind is Kind.AUDIO:
                slot = first + heard[frame.stream]
                heard[frame.stream] += 1
                self.heard.setdefault(frame.stream, []).append((slot, frame.payload))
            if frame.stream == LINK:
                self._to_link(frame)

    # -- the link and its server ------------------------------------------------------------------

    def _to_link(self, frame: Frame) -> None:
        now_ns = self.now_ns
        if frame.kind is Kind.AUDIO:
            self.engine.room_slot(frame.seq, now_ns)
            _, actions = self.engine.room_audio(frame.payload, frame.flags, now_ns)
            self._do(actions)
            if self._server is not None:
                self.engine.session_received(1, now_ns, now_ns)
                self._serve(self._server.audio(frame.payload, now_ns))
                _, made = self._server.slot(now_ns)
                self._serve(made)
        elif frame.kind is Kind.EVENT:
            event = decode_event(frame.payload)
            if event["type"] == "participants":
                self._do(self.engine.roster(event, now_ns))
            elif event["type"] == "speech":
                self._do(self.engine.speech(event, now_ns))

    def _do(self, actions: Sequence[Any]) -> None:
        for action in actions:
            match action:
                case do.OpenSession(session, _, description):
                    self._open(session, dict(description))
                case do.SendEvent(_, event) | do.ClearOutput(_, event):
                    if self._server is not None:
                        self._serve(self._server.client_event(json.dumps(event), self.now_ns))
                case do.TellBrowsers(event):
                    self._told(event)
                case do.WriteJournal(_, ticket) if ticket is not None:
                    self._do(self.engine.journal_written(ticket, self.now_ns))

    def _open(self, session: int, description: dict[str, Any]) -> None:
        words = {n + 1: Recognition(f"Turn {n + 1}.") for n in range(len(self.script.turns))}
        brain = ScriptBrain(Answers(prefix="", recognitions=words))
        wanted = create_session("sess_1", WALL_MS // 1000 + 86_400, description)
        options = EngineOptions(session_limit_s=86_400.0, transport="webrtc")
        self._server = SessionEngine(wanted, brain, random.Random(1), self.now_ns, options)
        self._do(self.engine.session_answered(session, False, self.now_ns))
        self._do(self.engine.session_up(session, self.now_ns))
        self._serve(self._server.open())

    def _serve(self, made: Sequence[Any]) -> None:
        self._inputs.extend(a.event for a in made if not isinstance(a, EndCall))
        while self._inputs:
            event = json.loads(json.dumps(self._inputs.popleft()))
            self._do(self.engine.server_event(1, event, self.now_ns))

    def _told(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "caption" and event["final"] and event["speaker"] != "assistant":
            self.captions.append((str(event["text"]), str(event.get("name", ""))))


def _link() -> StreamInfo:
    return StreamInfo("link", "den", mode="conference", opened_ns=1)
