"""A room in virtual time: the engine that ships, the simulator's engine, a page, a journal, tools.

The world carries out the engine's actions as the shell does, in steps of 20 ms (longer ones while
nothing happens), with fixed delays for everything that takes time. It is deterministic: the same
scene goes the same way, until the connection is lost after one of the ``lose_after`` events.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mixer_core.bus.frames import FLAG_PAUSE
from mixer_core.bus.pcm import FRAME_NS, SILENCE
from mixer_core.bus.picture_file import read_picture
from mixer_core.journal.records import HistoryItem, ItemRecord, Record, RemovedRecord, UsageRecord
from mixer_core.runtime.errors import ToolError, UpstreamError
from mixer_core.runtime.room_rules import RoomRules
from mixer_core.runtime.units import MS_NS
from mixer_core.speech_timeline import report_of
from openai_link.pictures import Picture
from openai_link.realtime.upstream import Upstream
from openai_link.room import actions as do
from openai_link.room.actions import Action
from openai_link.room.engine import RoomEngine
from openai_link.room.lifecycle_actions import Exit
from openai_link.room.parts import RoomConfig
from openai_link.room.room_tools import Toolset
from openai_link.room.turn_traces import TurnTrace
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.brains.rules import Rule, Script
from openai_link.simulator.brains.script import ScriptBrain
from openai_link.simulator.engine.brain import Recognition
from openai_link.simulator.engine.options import EngineOptions
from openai_link.simulator.engine.refusals import Refusal
from openai_link.simulator.engine.server_events import EndCall
from openai_link.simulator.engine.session_config import create_session
from openai_link.simulator.engine.session_engine import SessionEngine
from openai_link.simulator.engine.strict_checks import check_session
from openai_link.tools.actions import RunTool
from openai_link.tools.spec import ToolSpec
from openai_link.transport.interface import TransportKind
from tests.openai_link.simulator.scripted import RULES
from tests.openai_link.simulator.support import LOUD
from tests.support.pictures import png

Json = dict[str, Any]
WALL_MS = 1_800_000_000_000
"""Unix time at the beginning."""
CONNECT_NS = 60 * MS_NS
JOURNAL_NS = 3 * MS_NS
PAGE_NS = 120 * MS_NS
"""Between a frame of the reply and the loudspeaker of a page."""
REPORT_NS = 200 * MS_NS
LOST = UpstreamError("connection_lost", "the network is gone")
BUSY = UpstreamError("server_error", "too many calls", 503)
WRITER = "gpt-4o-mini-transcribe"
DEFAULTED = ("greet", "transcription_model")
"""Settings that have another default here."""
PARTICIPANT = "p-1"
NAMES = {PARTICIPANT: "Ada", "p-2": "Ben", "p-3": "Cem"}
STREAM = 7
"""Of a page."""
MS_PER_CHARACTER = 40
"""The assistant speaks fast."""
QUIET_NS = 1_000 * MS_NS
"""After so long without an event a scene is over."""
PAUSE_NS = 200 * MS_NS
"""Silence in which nothing is to be done is cut short to steps of this length."""
MAX_TICKS = 4
"""What one tick brings about may be due at once; more in a row would be a busy loop."""
REGULAR: Mapping[str, Any] = dict.fromkeys(
    ("omit_rate_limits", "null_previous_in_done", "padded_arguments"), "never"
)
"""A service without random variations."""


@dataclass(frozen=True)
class Step:
    """One thing that a person does, or waits for."""

    do: str
    """say, show, speak, wait, until, press, release, interrupt, confirm, deny, lose, refuse,
    clock, leave, join."""
    text: str = ""
    """What is said, or typed with a picture; whose voice is heard, by commas (empty: nobody
    knows); the state that is waited for; who is in the room now, by commas; for how long
    connections are refused, how far the system's clock jumps, in ms."""
    ms: int = 0


def say(text: str) -> Step:
    return Step("say", text)


def speak(ms: int, *who: str) -> Step:
    return Step("speak", ",".join(who), ms)


def wait(ms: int) -> Step:
    return Step("wait", ms=ms)


def until(state: str, limit_ms: int = 8_000) -> Step:
    """Until the assistant is in that state, but not for ever."""
    return Step("until", state, limit_ms)


@dataclass(frozen=True)
class Scene:
    """A conversation, and the room it is held in."""

    name: str
    steps: tuple[Step, ...]
    heard: tuple[str, ...] = ()
    """What the transcription makes of the spoken turns."""
    tools: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    session_limit_s: float = 3_600.0
    """Length of a session, as the server tells it."""
    first_ends_s: float = 0.0
    """Length of the first session, if the server does not keep its promise."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the simulator (``EngineOptions``)."""
    says: RoomRules = field(default_factory=RoomRules)
    """What the settings say of the room."""
    confirm: bool = False
    """The tools need a yes."""
    runs_tools: bool = True
    """Each of its tools runs in the end."""
    filler: str = ""
    tool_ms: int = 300
    """How long a tool works."""
    rules: tuple[Rule, ...] = ()
    """What the assistant says, tried before the usual rules."""
    words: tuple[Recognition, ...] = ()
    """How the transcripts of the spoken turns come, in place of ``heard``."""

    def __str__(self) -> str:
        return self.name


@dataclass
class Server:
    """One session at the simulator."""

    engine: SessionEngine
    open_ns: int
    is_up: bool = False


class Journal:
    """What is on disk, and how the disk fails."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.waiting: list[Record] = []
        """Records of failed writes: they are tried again with the next write."""
        self.writes = 0
        self.fails_at: frozenset[int] = frozenset()
        self.never_answers = False

    def write(self, records: Sequence[Record]) -> bool:
        self.writes += 1
        self.waiting += records
        if self.writes in self.fails_at:
            return False
        self.records += self.waiting
        self.waiting = []
        return True

    def items(self) -> dict[str, HistoryItem]:
        """The newest state of each item."""
        found: dict[str, HistoryItem] = {}
        for record in self.records:
            if isinstance(record, ItemRecord):
                found[record.item.item] = record.item
            elif isinstance(record, RemovedRecord):
                found.pop(record.item, None)
        return found

    def usage(self) -> list[UsageRecord]:
        return [record for record in self.records if isinstance(record, UsageRecord)]


def _arguments(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text or "{}"))
    except (TypeError, ValueError) as error:
        raise ToolError(f"the arguments are no JSON object: {error}") from error


def _not_called(**_: Any) -> None:
    raise AssertionError("the world runs no functions")


def spec(name: str, confirm: bool = False, filler: str = "") -> ToolSpec:
    parameters = {"type": "object", "properties": {}}
    return ToolSpec(
        name, f"Does {name}.", parameters, _arguments, _not_called, confirm=confirm, filler=filler
    )


class _Hearing(ScriptBrain):
    """Gives the spoken turns of the room their words, in whichever session they are spoken."""

    def __init__(self, world: World) -> None:
        rules = (*world.scene.rules, *RULES)
        super().__init__(Script(prefix="", ms_per_character=MS_PER_CHARACTER, rules=rules))
        self._world = world

    def recognize(self, spoken_turn: int) -> Recognition | None:
        words = self._world.scene.words[self._world.turns :]
        if words:
            return words[0]
        said = self._world.scene.heard[self._world.turns :]
        return Recognition(said[0]) if said else None


class World:
    """See the module."""

    transport: TransportKind = "webrtc"

    def __init__(
        self, scene: Scene, recovered: Sequence[HistoryItem] = (), standby: bool = False
    ) -> None:
        """``standby``: another machine has the room, and its people."""
        self.scene = scene
        self.settings = OpenaiLinkSettings(
            greet=bool(scene.settings.get("greet", False)),
            transcription_model=scene.settings.get("transcription_model", WRITER),
            transport=self.transport,
            tools=("tests",) if scene.tools else (),
            **{key: value for key, value in scene.settings.items() if key not in DEFAULTED},
        )
        self.now_ns = 0
        self.wall_ms = WALL_MS
        self.sessions: dict[int, Server] = {}
        self._connecting: set[int] = set()
        self.scheduled: list[tuple[int, int, str, tuple[Any, ...]]] = []
        self._order = 0
        self.inputs: deque[tuple[int, Json]] = deque()
        """Server events that are on their way, with the session they belong to."""
        self.journal = Journal()
        self.events = 0
        """Server events that were delivered."""
        self.shared: list[int] = []
        """Numbers of those that were delivered while there were several sessions."""
        self.lose_after: Collection[int] = ()
        """Numbers of the server events after which the connection is lost."""
        self.loses_all = False
        """Not only the session that sent the event is lost, but every session."""
        self.told: list[tuple[int, Mapping[str, Any]]] = []
        self.state: Json = {}
        """The newest state that browsers were told."""
        self.logs: list[tuple[str, str]] = []
        self.traces: list[TurnTrace] = []
        """Of turns that are over."""
        self.frames: list[tuple[int, int, int, bytes]] = []
        """What the page got: when, epoch, stamp, PCM."""
        self.ran: list[tuple[str, str]] = []
        """Tool calls that were run: id and name."""
        self.responses: list[str] = []
        """Ids of the responses whose usage the server has told."""
        self.people: Sequence[str] = ()
        self.streams: dict[str, int] = {}
        """Of those who have another than the usual one."""
        self.deaf: Sequence[str] = ()
        """More of them, whose devices are sent no sound."""
        self.opened = 0
        self.turns = 0
        """Spoken turns that any session has heard so far."""
        self.epoch = 0
        self.sent: list[Mapping[str, Any]] = []
        """Client events."""
        self.flushes: list[int] = []
        """When an epoch began."""
        self.flush_ns: int | None = None
        self.exited = ""
        self.yielded: do.RoomYielded | None = None
        """The room was left to another machine."""
        self.loud_until_ns = 0
        self.speakers: Sequence[str] = ()
        """Whose voice it is."""
        self.slots = 0
        self.page_ns = PAGE_NS
        self.is_cut_off = False
        """Nothing comes from the server, and nobody is told."""
        self._step = 0
        self._step_ns: int | None = None
        self.refuse: UpstreamError | None = None
        """What every attempt to connect meets."""
        upstream = Upstream("openai", "http://127.0.0.1:9/v1", "sk-test", False)
        mark = "u" if standby else "t"
        config = RoomConfig(
            "den",
            self.settings,
            upstream,
            mark,
            _day_of,
            _half,
            rules=scene.says,
            standby=standby,
        )
        self.engine = RoomEngine(config, WALL_MS, 0)
        self.do(self.engine.open(self.now_ns))
        self.schedule(JOURNAL_NS, "_recovered", *recovered)
        if scene.tools:
            self.schedule(20 * MS_NS, "_tools_came", *(scene.tools if scene.confirm else ()))
        if not standby:
            self.roster(PARTICIPANT)

    # -- carrying out -----------------------------------------------------------------------------

    def do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case do.OpenSession(session, _, description):
                self.opened += 1
                self._connecting.add(session)
                self.schedule(CONNECT_NS, "_connected", session, description)
            case do.CloseSession(session):
                self.sessions.pop(session, None)
                self._connecting.discard(session)
                self.inputs = deque(item for item in self.inputs if item[0] != session)
            case do.SendEvent(session, event):
                self._send(session, event)
            case do.ClearOutput(session, event):
                self._clear_output(session, event)
            case do.TellBrowsers(event):
                self.told.append((self.now_ns, event))
                if event["type"] == "state":
                    self.state = dict(event)
            case do.BeginEpoch(epoch):
                self.epoch, self.flush_ns = epoch, self.now_ns
                self.flushes.append(self.now_ns)
            case do.SendFrame(frame):
                self._play(frame.stamp_ns, frame.pcm)
            case do.WriteJournal(records, ticket):
                self._write(records, ticket)
            case RunTool(call, name):
                self.ran.append((call, name))
                self.schedule(
                    self.scene.tool_ms * MS_NS,
                    "_tool_answered",
                    call,
                    f'{{"result": "{name} done"}}',
                )
            case do.Log(level, text):
                self.logs.append((level, text))
            case do.ExportTrace(trace):
                self.traces.append(trace)
            case Exit(reason):
                self.exited = reason
            case do.RoomYielded():
                self.yielded = action

    def _send(self, session: int, event: Mapping[str, Any]) -> None:
        server = self.sessions.get(session)
        if server is not None:
            self.sent.append(event)
            made = server.engine.client_event(json.dumps(event), self.now_ns)
            self._serve(session, made)

    def _clear_output(self, session: int, event: Mapping[str, Any]) -> None:
        """The server plays the reply."""
        self._send(session, event)

    def _write(self, records: Sequence[Record], ticket: int | None) -> None:
        if not self.journal.write(records):
            self.schedule(0, "_journal_failed")
        if ticket is not None and not self.journal.never_answers:
            self.schedule(JOURNAL_NS, "_written", ticket)

    def schedule(self, delay_ns: int, name: str, *args: Any) -> None:
        self._order += 1
        self.scheduled.append((self.now_ns + delay_ns, self._order, name, args))
        self.scheduled.sort(key=lambda entry: entry[:2])

    # -- what comes later -------------------------------------------------------------------------

    def _connected(self, session: int, description: Json) -> None:
        if session not in self._connecting:
            return
        self._connecting.remove(session)
        if self.refuse is not None:
            self.do(self.engine.session_lost(session, self.refuse, self.now_ns))
            return
        limit_s = self.scene.session_limit_s
        expires_at = int((WALL_MS + self.now_ns // MS_NS) / 1000 + limit_s)
        try:
            wanted = self._wanted(session, expires_at, description)
        except Refusal as refusal:
            lost = UpstreamError(refusal.code, refusal.message, 400, param=refusal.param or "")
            self.do(self.engine.session_lost(session, lost, self.now_ns))
            return
        ends_s = (self.scene.first_ends_s if session == 1 else 0) or limit_s
        given = {"session_limit_s": ends_s, "transport": self.transport, **self.scene.options}
        options = EngineOptions(**{**REGULAR, **given})
        engine = SessionEngine(wanted, _Hearing(self), random.Random(session), self.now_ns, options)
        self.sessions[session] = Server(engine, self.now_ns)
        self.do(self.engine.session_answered(session, False, self.now_ns))
        self.do(self.engine.session_up(session, self.now_ns))
        self._serve(session, engine.open())

    def _wanted(self, session: int, expires_at: int, description: Json) -> Json:
        """The session as it begins: over a WebSocket the description follows as an update."""
        if self.transport == "websocket":
            description = {"type": "realtime", "model": description["model"]}
        check_session(description)
        return create_session(f"sess_{session}", expires_at, description)

    def _recovered(self, *items: HistoryItem) -> None:
        self.do(self.engine.journal_recovered(items, _day_of(WALL_MS), 0.0, self.now_ns))

    def confirms(self, *names: str) -> None:
        """These tools need a yes from now on."""
        self._tools_came(*names)

    def forbids(self, *names: str) -> None:
        """Nobody in the room may use these tools from now on."""
        specs = {name: replace(spec(name), who=("Nobody",)) for name in names}
        definitions = [found.definition() for found in specs.values()]
        self.do(self.engine.tools_changed(Toolset(specs, definitions), self.now_ns))

    def _tools_came(self, *confirmed: str) -> None:
        specs = {
            name: spec(name, name in confirmed, self.scene.filler) for name in self.scene.tools
        }
        definitions = [found.definition() for found in specs.values()]
        self.do(self.engine.tools_changed(Toolset(specs, definitions), self.now_ns))

    def _tool_answered(self, call: str, output: str) -> None:
        self.do(self.engine.tool_answered(call, output, self.now_ns))

    def _written(self, ticket: int) -> None:
        self.do(self.engine.journal_written(ticket, self.now_ns))

    def _journal_failed(self) -> None:
        self.do(self.engine.journal_failed("The disk is full.", self.now_ns))

    # -- the server -------------------------------------------------------------------------------

    def _serve(self, session: int, made: Sequence[Any]) -> None:
        for action in made:
            if isinstance(action, EndCall):
                self.schedule(0, "lose", session)
            else:
                self._sends(session, action.event)

    def _sends(self, session: int, event: Json) -> None:
        """The server sends an event."""
        self.inputs.append((session, event))

    def lose(self, session: int) -> None:
        """The connection of a session is gone."""
        if self.sessions.pop(session, None) is not None:
            self.inputs = deque(item for item in self.inputs if item[0] != session)
            self.do(self.engine.session_lost(session, LOST, self.now_ns))

    def _serve_again(self) -> None:
        self.refuse = None

    def lose_all(self) -> None:
        for session in list(self.sessions):
            self.lose(session)

    def deliver(self) -> None:
        """Give the engine all server events that have come."""
        while self.inputs:
            session, event = self.inputs.popleft()
            event = json.loads(json.dumps(event))
            self._note(event)
            self._receive(session, event)
            self.events += 1
            if len(self.sessions) > 1:
                self.shared.append(self.events)
            if self.events in self.lose_after:
                self.lose_all() if self.loses_all else self.lose(session)

    def _note(self, event: Json) -> None:
        """Keep account of what the server tells."""
        if event["type"] == "response.done" and event["response"].get("usage"):
            self.responses.append(event["response"]["id"])
        if event["type"] == "input_audio_buffer.committed":
            self.turns += 1

    def _receive(self, session: int, event: Json) -> None:
        self.do(self.engine.server_event(session, event, self.now_ns))

    # -- people -----------------------------------------------------------------------------------

    def roster(self, *participants: str) -> None:
        self.people = participants
        people: list[Json] = [
            {"participant": who, "name": NAMES[who], "stream": self.streams.get(who, STREAM)}
            for who in participants
        ]
        people += [{"participant": who, "name": NAMES[who], "plays": False} for who in self.deaf]
        event = {"type": "participants", "participants": people}
        self.do(self.engine.roster(event, self.now_ns))

    def browser(self, **event: Any) -> None:
        whole = {"participant": PARTICIPANT, "name": NAMES[PARTICIPANT], "stream": STREAM, **event}
        self.do(self.engine.browser_event(whole, self.now_ns))

    def show(self, text: str) -> None:
        """Somebody shows a picture."""
        data = png()
        picture = Picture(data, read_picture(data), PARTICIPANT, NAMES[PARTICIPANT], 7, text)
        self.do(self.engine.picture(f"u{self.now_ns}", picture, self.now_ns))

    def _play(self, stamp_ns: int, pcm: bytes) -> None:
        self.frames.append((self.now_ns, self.epoch, stamp_ns, pcm))

    def _tell_played(self, epoch: int, at_ns: int, last: bool) -> None:
        """What the page has played of an epoch by ``at_ns``."""
        begun = [f for f in self.frames[-400:] if f[1] == epoch and f[0] + self.page_ns <= at_ns]
        if begun:
            offset = min(480, (at_ns - begun[-1][0] - self.page_ns) * 24 // MS_NS)
            report = {"epoch": epoch, "stamp_ns": begun[-1][2], "offset_samples": offset}
            for who in self.people:
                self.browser(type="played", last=last, participant=who, **report)

    def _page(self) -> None:
        if self.flush_ns is not None:
            if self.now_ns >= self.flush_ns + 40 * MS_NS:
                self._tell_played((self.epoch - 1) & 0xFFFF, self.flush_ns + 15 * MS_NS, True)
                self.flush_ns = None
        elif self.now_ns % REPORT_NS == 0:
            self._tell_played(self.epoch, self.now_ns, False)

    def _person(self) -> None:
        """Go on with the scene, as far as it goes now."""
        while self._step < len(self.scene.steps):
            step = self.scene.steps[self._step]
            if self._step_ns is None:
                if (
                    step.do in ("say", "show", "speak", "press")
                    and self.state["upstream"] != "ready"
                ):
                    return  # People see that nobody would hear them.
                self._step_ns = self.now_ns
                self._begin(step)
            if not self._is_done(step, self.now_ns - self._step_ns):
                return
            self._step, self._step_ns = self._step + 1, None

    def has_waited(self, place: int, ms: int) -> bool:
        """Whether the step at that place is the current one, and has lasted for so long."""
        past_ns = 0 if self._step_ns is None else self.now_ns - self._step_ns
        return self._step == place and past_ns >= ms * MS_NS

    def _begin(self, step: Step) -> None:
        match step.do:
            case "say":
                self.browser(type="say", text=step.text)
            case "show":
                self.show(step.text)
            case "speak":
                self.loud_until_ns = self.now_ns + step.ms * MS_NS
                self.speakers = [who for who in step.text.split(",") if who]
            case "press" | "release":
                self.browser(type="ptt", down=step.do == "press")
            case "interrupt":
                self.browser(type="interrupt")
            case "lose":
                self.lose_all()
            case "refuse":
                self.refuse = BUSY
                self.schedule(int(step.text) * MS_NS, "_serve_again")
            case "clock":
                self.wall_ms += int(step.text)
                self.engine.wall_clock(self.wall_ms + self.now_ns // MS_NS, self.now_ns)
            case "leave":
                self.roster()
            case "join":
                self.roster(*(step.text or PARTICIPANT).split(","))
            case "confirm" | "deny":
                for event in self.of("tool")[-1:]:
                    self.browser(type="confirm", call=event["call"], allow=step.do == "confirm")

    def _is_done(self, step: Step, past_ns: int) -> bool:
        if step.do == "until":
            return self.assistant == step.text or past_ns >= step.ms * MS_NS
        return past_ns >= step.ms * MS_NS

    # -- time -------------------------------------------------------------------------------------

    def step(self) -> None:
        """20 ms."""
        while self.scheduled and self.scheduled[0][0] <= self.now_ns:
            _, _, name, args = self.scheduled.pop(0)
            getattr(self, name)(*args)
        self.deliver()
        self._person()
        self._sound()
        self.deliver()
        self._page()
        if not self.is_cut_off:
            for session in self.sessions:
                self.engine.session_received(session, self.now_ns, self.now_ns)
        self._tick()
        self.now_ns += FRAME_NS

    def _skip(self, end_ns: int) -> None:
        """Silence that nobody need live through: up to whatever comes next, or ``PAUSE_NS``."""
        state = self.state
        speaks = state.get("assistant") != "idle" or self.now_ns < self.loud_until_ns + PAUSE_NS
        if speaks or self.inputs or state["upstream"] != "ready":
            return
        limits = [end_ns, self.now_ns + PAUSE_NS]
        limits += [entry[0] for entry in self.scheduled[:1]]
        timeout_ns = self.engine.next_timeout_ns()
        if timeout_ns is not None:
            limits.append(timeout_ns)
        if self._step_ns is not None:
            limits.append(self._step_ns + self.scene.steps[self._step].ms * MS_NS)
        self.now_ns += max(0, min(limits) - self.now_ns) // FRAME_NS * FRAME_NS

    def _tick(self) -> None:
        for _ in range(MAX_TICKS):
            timeout_ns = self.engine.next_timeout_ns()
            if timeout_ns is None or timeout_ns > self.now_ns:
                return
            self.do(self.engine.tick(self.now_ns))
            self.deliver()
        raise AssertionError(f"a time-out of {timeout_ns} ns stays due at {self.now_ns} ns")

    def _sound(self) -> None:
        loud = self.now_ns < self.loud_until_ns
        pcm = LOUD if loud else SILENCE
        self._tell_speech(self.speakers if loud else ())
        heard, actions = self.engine.room_audio(pcm, 0 if loud else FLAG_PAUSE, self.now_ns)
        self.do(actions)
        for session, server in list(self.sessions.items()):
            at_ns = self.now_ns
            self._serve(session, server.engine.audio(pcm if session == heard else SILENCE, at_ns))
            spoken, made = server.engine.slot(at_ns)
            self._serve(session, made)
            self.deliver()
            if session in self.sessions:
                self._speak(session, spoken or SILENCE)

    def _tell_speech(self, speakers: Sequence[str]) -> None:
        """What the mixer says of a slot."""
        self.slots += 1
        self.engine.room_slot(self.slots, self.now_ns)
        voices = {who: [1, 1, -20] for who in speakers}
        self.do(self.engine.speech(report_of(self.slots, 1, voices), self.now_ns))

    def _speak(self, session: int, pcm: bytes) -> None:
        """20 ms of what the server says have arrived."""
        frame = self.engine.reply_audio(session, pcm, self.now_ns, False, self.now_ns)
        if frame is not None:
            self._play(frame.stamp_ns, frame.pcm)

    def run(self, ms: int) -> None:
        end_ns = self.now_ns + ms * MS_NS
        while self.now_ns < end_ns:
            self.step()
            self._skip(end_ns)

    def steps(self, limit_ms: int = 120_000) -> Iterator[None]:
        """To the end of the scene, and until nothing happens any more for a second, step by step.

        Yields before each step.
        """
        busy_ns = self.now_ns
        deadline_ns = self.now_ns + limit_ms * MS_NS
        while self.now_ns < busy_ns + QUIET_NS:
            assert self.now_ns < deadline_ns, (self.scene.name, self._step, self.state, self.logs)
            yield
            events = self.events
            self.step()
            if self._is_busy(events):
                busy_ns = self.now_ns
            self._skip(busy_ns + QUIET_NS)

    def _is_busy(self, events_before: int) -> bool:
        """Whether the scene goes on, or anything follows from it."""
        if self._step < len(self.scene.steps) or self.scheduled or self.events > events_before:
            return True
        state = self.state
        has_money = state.get("code") != "budget_spent"
        if state["assistant"] != "idle" or (state["upstream"] != "ready" and has_money):
            return True
        return bool(self.open_tools)

    def finish(self, limit_ms: int = 120_000) -> None:
        """To the end of the scene, and until nothing happens any more for a second."""
        for _ in self.steps(limit_ms):
            pass

    def ask(self, text: str) -> None:
        """Type a question and wait for what follows."""
        self.scene = replace(
            self.scene,
            steps=(*self.scene.steps, say(text), until("speaking"), until("idle", 20_000)),
        )
        self.finish()

    # -- what came of it --------------------------------------------------------------------------

    @property
    def assistant(self) -> str:
        return str(self.state.get("assistant"))

    def of(self, kind: str) -> list[Json]:
        return [event for _, event in self.told if event["type"] == kind]

    @property
    def open_tools(self) -> list[str]:
        """Tool calls without an end, as people see them."""
        newest = {event["call"]: event["status"] for event in self.of("tool")}
        return [call for call, status in newest.items() if status in ("running", "asking")]

    def played_ms(self, at_ns: int) -> float:
        """How much of all it got the page has played by ``at_ns``."""
        played_ns = (max(0, min(FRAME_NS, at_ns - self.page_ns - f[0])) for f in self.frames)
        return sum(played_ns) / MS_NS

    def first_id(self, item: str) -> str:
        """The id under which the record knows an item that a session calls ``item``."""
        found = self.engine._record.find(item)
        return item if found is None else found.item

    def tomorrow(self) -> None:
        """The system's clock shows the next day."""
        self.wall_ms += 86_400_000
        self.engine.wall_clock(self.wall_ms + self.now_ns // MS_NS, self.now_ns)

    def final_captions(self) -> dict[str, str]:
        """Last final words of each item, in order of the first."""
        return {e["item"]: e["text"] for e in self.of("caption") if e["final"]}


def _day_of(wall_ms: int) -> str:
    return f"day {wall_ms // 86_400_000}"


def _half() -> float:
    return 0.5
