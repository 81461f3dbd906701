"""One session of the Realtime API (``session.Session``). Sans-I/O.

It joins the parts that follow one session: the reducer of server events, the turn policy, the
playback tracker, the gate in front of the mixer, the seeding, and what it waits for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mixer_core.journal.records import HistoryItem
from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.foreign_text import one_line
from mixer_core.runtime.units import MS_NS

from .. import facts
from ..facts import Assistant, Caption, Fact, ResponseEnded, ServerError
from ..media.downlink_gate import DownlinkFrame, DownlinkGate
from ..media.quiet import ROOM_NOISE_PEAK, is_quiet
from ..pictures import Picture
from ..playback.replies import START_NS
from ..playback.sound_watch import Heard, SoundWatch
from ..playback.tracker import PlaybackTracker
from ..playback.truncation import TrackerAction, Truncation
from ..playback.unheard import UnheardReplies
from ..realtime.client_events import ClientEvents
from ..realtime.confirmed import turns_of
from ..realtime.event_fields import Once
from ..realtime.reducer import Reducer
from ..realtime.refusals import read_event
from ..realtime.session_object import session_object
from ..settings import OpenaiLinkSettings
from ..tools.blame import Blame
from ..transcript.history import SeedLimits
from ..transcript.seeding import Seeding
from ..transport.interface import TransportKind
from ..turns import actions as turns
from ..turns.actions import TurnAction, TurnRules
from ..turns.policy import TurnPolicy
from .actions import (
    BeginEpoch,
    ClearOutput,
    Log,
    MuteUplink,
    SendEvent,
    SendFrame,
    StartUplink,
    TellBrowsers,
)
from .approvals import Answer
from .confirmation import Confirmation, Step
from .epoch import EpochCounter
from .liveness import UNKNOWN_ITEM, Probe, ServerHabits
from .session import NO_PICTURES, Stage
from .signals import (
    FactLearned,
    Outcome,
    PictureRefused,
    ProblemFound,
    ReplyRequested,
    ReplyTruncated,
    SessionConfirmed,
    SessionFailed,
    SessionSeeded,
    TextTyped,
    ToolsRefused,
)
from .told_session import ToldSession
from .waits import (
    CoverTurn,
    Lost,
    PlayedOut,
    SessionWaits,
    TurnLost,
    Verdict,
    Waiting,
)

PLAYED_HERE_NS = 1_000 * MS_NS
"""Over a WebSocket the sound of a reply is here before its end: it begins at once."""
MAX_EARLY_CHARS = 1_000_000
"""Events from before the room came whose facts are kept; later ones are lost."""
_NOT_TAKEN = (
    "The assistant's server did not take all of the session; [openai_link] leave_out may help"
)
_REFUSED = (400, 413, 422)
"""HTTP statuses of a request that is refused for what is in it."""
_TOOL_KEYS = ("tools", "tool_choice", "parallel_tool_calls")
_NO_TOOLS: Mapping[str, Any] = {"tools": [], "tool_choice": "auto"}
"""What a session has that was told of no tools."""


class RealtimeSession:
    """One Realtime session; every input returns what follows, in order."""

    def __init__(
        self,
        number: int,
        kind: TransportKind,
        settings: OpenaiLinkSettings,
        events: ClientEvents,
        epoch: EpochCounter,
        habits: ServerHabits | None = None,
    ) -> None:
        """Prepare.

        Args:
            number: of the session in its room.
            kind: of its transport.
            settings: of the room.
            events: with ids of this session's own.
            epoch: the room's.
            habits: what is known of the room's server.
        """
        self.number = number
        self.kind = kind
        self._events = events
        self.stage: Stage = "connecting"
        self.answered = False
        """The server has taken the call."""
        self.simulated = False
        """The server says that it is a simulator."""
        self.session_id = ""
        """The server's name of the session; empty before it is confirmed."""
        self.expires_at_s = 0
        """When the server will end the session (Unix time); 0: it does not say."""
        self.flushes = 0
        self.server_errors = 0
        self.benign_errors = 0
        """Refusals that are the ordinary result of two sides acting at once."""
        self._updates = 0
        """Updates of the session that are not answered."""
        self._told_session = ToldSession()
        self._settings = settings
        wanted = session_object(settings)
        rules = self._rules = TurnRules.of(wanted)
        self._is_transcribed = wanted["audio"]["input"].get("transcription") is not None
        answer_ns = settings.answer_timeout_ms * MS_NS
        self._reducer = Reducer(rules.answers_turns, 2 * answer_ns)
        self._waits = SessionWaits(answer_ns, habits or ServerHabits(), not rules.push_to_talk)
        self._confirmation = Confirmation(kind)
        self._turns = TurnPolicy(events, settings.instructions, True, rules, settings.image_detail)
        self.hears_room = self._turns.microphone_open
        """Whether the model is to hear the room (push-to-talk shuts the microphone)."""
        self._gate = DownlinkGate()
        self._tracker = PlaybackTracker(events, kind == "webrtc", settings.speed)
        self._unheard = UnheardReplies(START_NS if kind == "webrtc" else PLAYED_HERE_NS)
        self._written = Once()
        """Items of replies that came without sound: their words stay."""
        self._watch = SoundWatch(kind == "webrtc")
        """When replies sound, where the server does not say."""
        self._heard: list[Heard] = []
        """What the server would have said, and when it was noticed."""
        self._heard_ns = 0
        self._seeding = Seeding(events, SeedLimits.of(settings))
        self._epoch = epoch
        self._early: list[Outcome] = []
        """Facts from before the room came."""
        self._early_chars = 0
        """Size of the events that told them."""

    # -- what is known ----------------------------------------------------------------------------

    @property
    def assistant(self) -> Assistant:
        """What the assistant is doing."""
        return self._reducer.assistant

    @property
    def must_be_told(self) -> bool:
        """The session object did not go with the call: it follows by an update."""
        return self._confirmation.needs_update

    @must_be_told.setter
    def must_be_told(self, is_needed: bool) -> None:
        self._confirmation.needs_update = is_needed

    @property
    def is_settled(self) -> bool:
        """Nobody speaks, and no reply is pending or being heard."""
        return self._reducer.assistant == "idle" and self._turns.is_quiet

    @property
    def has_said_everything(self) -> bool:
        """The assistant neither speaks nor is about to."""
        busy = self._reducer.assistant in ("speaking", "thinking")
        return not busy and self._turns.response_active is None

    @property
    def has_heard(self) -> bool:
        """A reply has begun or ended to sound: ``tick`` is due."""
        return bool(self._heard)

    @property
    def awaits_words(self) -> bool:
        """The transcript of something that people said is still to come."""
        return self._is_transcribed and self._reducer.awaits_words

    @property
    def seeded_ids(self) -> tuple[Mapping[str, str], Sequence[str]]:
        """Ids of history items by ids in this session; and ids that are no part of the record."""
        return self._seeding.new_ids, self._seeding.ignored

    def describe(self, tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """The session object to open it with; ``tools``: definitions of what it may call."""
        self._told_session.opened(session_object(self._settings, tools), tools)
        return self._description

    @property
    def _description(self) -> Mapping[str, Any]:
        """The session object that the server was told, less what it refused."""
        return self._told_session.description

    def counters(self) -> dict[str, int]:
        """What was counted so far."""
        return {
            "downlink_flushed_frames_total": self._gate.dropped_old,
            "downlink_quiet_frames_total": self._gate.dropped_quiet,
            "server_events_total": self._reducer.events,
            "server_unknown_events_total": sum(self._reducer.unknown.values()),
            "flushes_total": self.flushes,
            "server_errors_total": self.server_errors,
            "server_benign_errors_total": self.benign_errors,
        }

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return earliest(
            self._gate.next_timeout_ns(),
            self._reducer.next_timeout_ns(),
            self._turns.next_timeout_ns(),
            self._unheard.next_timeout_ns(),
            self._tracker.next_timeout_ns(),
            self._seeding.next_timeout_ns(),
            self._watch.next_timeout_ns(),
            self._heard_ns if self._heard else None,
            self._limit_ns(),
        )

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""
        if self.stage == "closed":
            return []
        lost = self._check_limits(now_ns)
        if lost and isinstance(lost[-1], SessionFailed):
            return lost
        frame = self._gate.tick(now_ns)
        outcomes = lost + ([] if frame is None else self._framed(frame))
        outcomes += self._listen(now_ns)
        outcomes += self._facts(self._reducer.tick(now_ns), now_ns)
        outcomes += self._turned(self._turns.tick(now_ns), now_ns)
        outcomes += self._without_sound(self._unheard.tick(now_ns))
        outcomes += self._tracked(self._tracker.tick(now_ns))
        self._seeding.tick(now_ns)
        return outcomes + self._see_whether_seeded()

    # -- what the server does ---------------------------------------------------------------------

    def server_event(self, event: Mapping[str, Any], now_ns: int) -> list[Outcome]:
        """One event of the server."""
        if self.stage == "closed":
            return []
        kind = str(event.get("type"))
        if kind.startswith("output_audio_buffer."):
            self._watch.told()
        if not (self.kind == "websocket" and kind.startswith("output_audio_buffer.")):
            self._waits.received(event, now_ns)  # Those are made on our side.
        outcomes = self._facts(self._reducer.feed(event, now_ns), now_ns)
        if self.stage == "connecting":
            outcomes += self._stepped(self._confirmation.received(kind), now_ns)
        return outcomes + self._see_whether_seeded()

    def up(self, now_ns: int) -> None:
        """Media can flow: the server is to speak."""
        self._confirmation.up(now_ns)

    def room_sound(self, is_quiet: bool, now_ns: int) -> None:
        """20 ms of the room went to the server."""
        self._waits.room_sound(is_quiet, now_ns)

    def sent(self, event: Mapping[str, Any], now_ns: int) -> None:
        """A client event of this session goes out."""
        self._reducer.sent(event, now_ns)
        self._waits.sent(event, now_ns)

    def reply_audio(
        self, pcm: bytes, stamp_ns: int, concealed: bool, now_ns: int
    ) -> DownlinkFrame | None:
        """20 ms of a reply (960 bytes) that arrived at ``stamp_ns``: the frame for the mixer."""
        if self.stage not in ("active", "draining"):
            return None
        frame = self._gate.frame(pcm, stamp_ns, now_ns, concealed)
        if frame is not None:
            self._epoch.used()
            self._tracker.sent(frame.stamp_ns, frame.pcm)
            quiet = is_quiet(pcm, ROOM_NOISE_PEAK)
            if not quiet:
                self._unheard.sound(len(pcm) // 2)
            self._hear(self._watch.frame(len(pcm) // 2, quiet, now_ns), now_ns)
            self._waits.reply_sound(quiet, now_ns)
        return frame

    def delivered(self, item: str, samples: int, now_ns: int) -> None:
        """The server has delivered more samples of an item ahead of their time (WebSocket)."""
        self._tracker.delivered(item, samples)
        self._waits.delivered(now_ns)

    # -- what the room does -----------------------------------------------------------------------

    def seed(
        self,
        items: Sequence[HistoryItem],
        names: Iterable[str],
        note: str,
        now_ns: int,
        after: str = "",
        pictures: Mapping[str, Picture] = NO_PICTURES,
    ) -> list[Outcome]:
        """Tell the session what it does not know of ``items``.

        ``SessionSeeded`` follows when a confirmed session has acknowledged it.

        Args:
            items: the conversation in order, or a late part of it.
            names: everybody who is in the room.
            note: what the model is to know about this history, if there is any; empty: nothing.
            now_ns: monotonic.
            after: id in this session of the item behind which they belong; empty: at the end.
            pictures: those that are shown again, by item.
        """
        events = self._seeding.tell(items, names, now_ns, after, pictures)
        if events and note:
            events.append(self._seeding.note(note, now_ns))
        outcomes: list[Outcome] = [self._send(event) for event in events]
        if self.stage == "confirmed":
            self.stage = "seeding"
            outcomes.append(Log("info", f"= seeded with {len(events)} items of history"))
        return outcomes + self._see_whether_seeded()

    def activate(self) -> list[Outcome]:
        """The room is here from now on."""
        self.stage = "active"
        early, self._early, self._early_chars = self._early, [], 0
        return [StartUplink(self.number), *early]

    def correct(self, item: HistoryItem, now_ns: int, after: str = "") -> list[Outcome]:
        """A reply ends earlier than the session was told; if it was not, it is told now."""
        return [self._send(event) for event in self._seeding.correct(item, now_ns, after)]

    def drain(self, now_ns: int) -> list[Outcome]:
        """The room has moved on. What the assistant is saying is still heard.

        The server must not answer half a sentence whose other half the next session hears; its
        words are kept.
        """
        if self.stage != "active":
            return []
        self.stage = "draining"
        owed = self._owed_to_turn(now_ns)
        self._reducer.expect_no_answers()
        deaf = {"audio": {"input": {"turn_detection": None}}}
        update = self._send(self._events.update_session(deaf))
        finish = self._turned(self._turns.finish_turn(self._is_transcribed), now_ns)
        return [*owed, update, *finish]

    def _owed_to_turn(self, now_ns: int) -> list[Outcome]:
        """The next session hears nothing of a turn that is over, and still owes it an answer."""
        hears, ended_ns = self._reducer.hearing_since_ns is not None, self._reducer.unanswered_ns
        is_over = hears and self._waits.is_quiet(now_ns) and self._rules.answers_turns
        return [ReplyRequested()] if is_over or ended_ns is not None else []

    def type_text(self, text: str) -> tuple[str, list[Outcome]]:
        """Say what somebody has typed: the id of its item, and what follows."""
        event = self._events.user_text(text)
        return str(event["item"]["id"]), [self._send(event)]

    def show(self, picture: Picture, now_ns: int) -> list[Outcome]:
        """Somebody shows a picture: it is answered when the server has taken it."""
        return self._turned(self._turns.show(picture), now_ns)

    def show_again(self, picture: Picture) -> tuple[str, list[Outcome]]:
        """Show what a session before did not take: the id of its item, and what follows."""
        event = self._turns.show_again(picture)
        return str(event["item"]["id"]), [self._send(event)]

    def approve(self, answer: Answer) -> list[Outcome]:
        """Tell the service whether it may run one of its own tools."""
        event = self._events.mcp_approval(answer.request, answer.approve, answer.reason)
        return [self._send(event)]

    def tool_output(self, call: str, output: str) -> list[Outcome]:
        """Tell the model what a tool call has returned, where it knows the call."""
        events = self._seeding.answer(call, output)
        if not events and self._reducer.has_called(call):
            events = [self._events.function_output(call, output)]
        return [self._send(event) for event in events]

    def ask(self, overrides: Mapping[str, Any] | None, now_ns: int) -> list[Outcome]:
        """Have the model answer as soon as it is free."""
        return self._turned(self._turns.ask(overrides), now_ns)

    def greet(self, now_ns: int) -> list[Outcome]:
        """Somebody in a fresh room hears what is sent: say hello, once."""
        return self._turned(self._turns.on_audience(), now_ns)

    def set_tools(self, definitions: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """The session's tools are these from now on."""
        wanted = {**_NO_TOOLS, **session_object(self._settings, definitions)}
        known = {**_NO_TOOLS, **self._description}
        changed = {
            key: wanted[key]
            for key in _TOOL_KEYS
            if key in wanted and wanted[key] != known.get(key)
        }
        if not changed:
            return []
        update = self._events.update_session(changed)
        self._told_session.updated(update, changed, definitions)
        return [self._send(update)]

    def blamed(self, error: UpstreamError) -> Blame | None:
        """The tools for which the server refuses to open the session; None: it is not for them."""
        if self.stage != "connecting" or error.kind:
            return None
        found = self._told_session.not_opened(error.code, error.param, str(error))
        is_clear = found is not None and (found.names or error.status in _REFUSED)
        return found if is_clear else None

    def offer(self, definitions: Sequence[Mapping[str, Any]], now_ns: int) -> list[Outcome]:
        """Tools were refused: these are the others."""
        if not self._told_session.is_untold:
            return self.set_tools(definitions)
        self.describe(definitions)
        return self._open_session(now_ns, again=True)

    def browser_event(self, event: Mapping[str, Any], now_ns: int) -> list[Outcome]:
        """A control message of a browser."""
        if event.get("type") == "played":
            participant = str(event.get("participant", ""))
            return self._tracked(self._tracker.played(participant, event, now_ns))
        return self._turned(self._turns.on_browser(event, now_ns), now_ns)

    def roster(self, participants: Collection[str], now_ns: int) -> list[Outcome]:
        """Exactly these people are in the room."""
        self._tracker.on_roster(participants)
        return self._turned(self._turns.on_roster(participants, now_ns), now_ns)

    def silence(self, now_ns: int) -> list[Outcome]:
        """Stop the assistant: what is still to be heard of this session is void."""
        return self._turned(self._turns.stop(), now_ns)

    def finish(self, now_ns: int) -> list[Outcome]:
        """End what is open; nothing counts afterwards."""
        if self.stage == "closed":
            return []
        self._waits.closed(now_ns)
        frame = self._gate.end(now_ns)
        outcomes = [] if frame is None else self._framed(frame)
        for fact in self._reducer.close():
            outcomes += self._told(fact)
        outcomes += self._tracked(self._tracker.end())
        self.stage = "closed"
        return outcomes

    # -- details ----------------------------------------------------------------------------------

    def _facts(self, learned: Sequence[Fact], now_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for fact in learned:
            if self._seeding.on_fact(fact, now_ns):
                outcomes += [self._send(event) for event in self._seeding.instead(now_ns)]
                continue
            if isinstance(fact, ServerError) and not fact.fatal:
                item = self._turns.picture_refused(fact)
                if item:
                    outcomes += self._picture_refused(item, fact)
                    continue
            if isinstance(fact, ServerError) and self._waits.is_answer_of_probe(fact.event_id):
                outcomes.append(Log("debug", "= the server answers"))
                continue
            if isinstance(fact, facts.SessionConfirmed):
                fact = self._answered(fact)
            if isinstance(fact, facts.ItemTruncated) and fact.item in self._written:
                continue
            self._watch.on_fact(fact, now_ns)
            outcomes += self._without_sound(self._unheard.on_fact(fact, now_ns))
            outcomes += self._tracked(self._tracker.on_fact(fact, now_ns))
            outcomes += self._turned(self._turns.on_fact(fact, now_ns), now_ns)
            match fact:
                case facts.SessionConfirmed():
                    outcomes += self._confirmed(fact, now_ns)
                case ServerError():
                    outcomes += self._server_error(fact)
                case ResponseEnded(status="failed", code=code) if code in UpstreamError.FATAL_CODES:
                    outcomes.append(SessionFailed(self.number, _failure(fact)))
            outcomes += self._told(fact)
        return outcomes

    def _without_sound(self, unheard: Sequence[facts.Unheard]) -> list[Outcome]:
        """Replies that nobody could hear keep all their words."""
        outcomes: list[Outcome] = []
        for fact in unheard:
            self._tracker.unheard(fact.response)
            for item in fact.items:
                self._written.first(item)
            outcomes += self._told(fact)
        return outcomes

    def _told(self, fact: Fact) -> list[Outcome]:
        """The fact for the room, once the room is here."""
        if isinstance(fact, Caption) and not self._tracker.passes(fact):
            return []
        learned = FactLearned(self.number, fact)
        if self.stage in ("active", "draining"):
            return [learned]
        self._early_chars += self._reducer.event_chars
        if self._early_chars > MAX_EARLY_CHARS:
            words = "! < more than is kept came before the session had the room"
            return [Log("warning", words, "early")]
        self._early.append(learned)
        return []

    def _tracked(self, actions: Sequence[TrackerAction]) -> list[Outcome]:
        """A reply ends where it was heard: for the model, the record and the people."""
        return [
            ReplyTruncated(self.number, action)
            if isinstance(action, Truncation)
            else self._send(action.event)
            for action in actions
        ]

    def _turned(self, actions: Sequence[TurnAction], now_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for action in actions:
            match action:
                case turns.Send(event):
                    outcomes.append(self._send(event))
                case turns.ClearOutput(event):
                    outcomes.append(ClearOutput(self.number, event))
                case turns.Flush(reason):
                    outcomes += self._flush(reason, now_ns)
                case turns.ReplyStarted():
                    self._gate.started()
                case turns.ReplyEnded():
                    self._gate.stopped(now_ns)
                case turns.MicrophoneGate(is_open):
                    outcomes += self._gate_microphone(is_open, now_ns)
                case turns.TypedText():
                    outcomes.append(TextTyped(self.number, action))
                case turns.AskedByHand():
                    outcomes.append(ReplyRequested())
                case turns.Tell(event, addressee):
                    outcomes.append(TellBrowsers(event, addressee))
        return outcomes

    def _flush(self, reason: str, now_ns: int) -> list[Outcome]:
        self.flushes += 1
        self._gate.flush(now_ns)
        unheard = self._without_sound(self._unheard.flushed(now_ns))
        begins = self._epoch.may_begin(now_ns)
        number = self._epoch.begin() if begins else self._epoch.number
        cut = self._tracked(self._tracker.cut(number, now_ns))
        self._hear(self._watch.flushed(), now_ns)
        if not begins:
            return [*unheard, *cut]
        return [Log("debug", f"= flush: {reason}"), BeginEpoch(number), *unheard, *cut]

    def _hear(self, heard: Sequence[Heard], now_ns: int) -> None:
        """Keep what the server would have said until the next ``tick``, which is due at once."""
        if heard and not self._heard:
            self._heard_ns = now_ns
        self._heard += heard

    def _listen(self, now_ns: int) -> list[Outcome]:
        """Take what the sound tells as if the server had said it."""
        self._hear(self._watch.tick(now_ns), now_ns)
        heard, self._heard = self._heard, []
        return [
            outcome
            for said in heard
            for outcome in self._facts(self._reducer.feed(said.event(), now_ns), now_ns)
        ]

    def _gate_microphone(self, is_open: bool, now_ns: int) -> list[Outcome]:
        shuts = self.hears_room and not is_open
        self.hears_room = is_open
        outcomes: list[Outcome] = [MuteUplink(self.number)] if shuts else []
        return outcomes + self._facts(self._reducer.pressed(is_open, now_ns), now_ns)

    def _framed(self, frame: DownlinkFrame) -> list[Outcome]:
        self._epoch.used()
        self._tracker.sent(frame.stamp_ns, frame.pcm)
        return [SendFrame(frame)]

    def _answered(self, fact: facts.SessionConfirmed) -> facts.SessionConfirmed:
        """The confirmation, with what it is an answer to."""
        if fact.updated and self._updates:
            self._updates -= 1
        knows = (fact.updated or not self.must_be_told) and self.stage != "draining"
        asked = self._description if knows and fact.given else {}
        if asked:
            self._turns.confirmed(*turns_of(fact.given))
        return replace(fact, asked=asked, answers_tools=not self._updates)

    # What is waited for

    def _waiting(self) -> Waiting:
        reducer = self._reducer
        return Waiting(
            self._turns.request,
            reducer.generated_ns,
            reducer.runs_server_tool,
            reducer.unanswered_ns,
            reducer.hearing_since_ns,
            reducer.playing_since_ns,
        )

    def _limit_ns(self) -> int | None:
        if self.stage == "connecting":
            return self._confirmation.next_timeout_ns()
        if self.stage in ("active", "draining"):
            return self._waits.next_timeout_ns(self._waiting())
        return None

    def _check_limits(self, now_ns: int) -> list[Outcome]:
        """What follows where something has not come in time; ``SessionFailed`` is the last."""
        if self.stage == "connecting":
            return self._stepped(self._confirmation.tick(now_ns), now_ns)
        if self.stage not in ("active", "draining"):
            return []
        outcomes: list[Outcome] = []
        for verdict in self._waits.due(self._waiting(), now_ns):
            outcomes += self._reached(verdict, now_ns)
        return outcomes

    def _reached(self, verdict: Verdict, now_ns: int) -> list[Outcome]:
        match verdict:
            case Lost(words):
                return [SessionFailed(self.number, UpstreamError("no_answer", words))]
            case Probe():
                return [self._send(self._events.retrieve(UNKNOWN_ITEM))]
            case CoverTurn():
                log = Log("info", "= the server has not answered a turn: it is asked to")
                return [log, *self._turned(self._turns.cover_turn(), now_ns)]
            case TurnLost(was_quiet):
                return self._facts(self._reducer.turn_lost(was_quiet, now_ns), now_ns)
            case PlayedOut():
                return self._facts(self._reducer.played_out(now_ns), now_ns)

    # Opening

    @property
    def missing(self) -> str:
        """The event that a session waits for to be confirmed; empty: it is not connected."""
        return self._confirmation.missing

    def _open_session(self, now_ns: int, again: bool = False) -> list[Outcome]:
        """Send the session, once (WebSocket); ``again``: it was refused as it was."""
        if self._confirmation.update and not again:
            return []
        with_model = self._settings.model_in_update
        update = self._events.update_session(self._description, with_model=with_model)
        self._confirmation.asked(now_ns, str(update["event_id"]))
        return [self._send(update)]

    def _stepped(self, step: Step | None, now_ns: int) -> list[Outcome]:
        if step == "confirm":
            confirmed = facts.SessionConfirmed(self.session_id, True)
            return self._facts([confirmed], now_ns)
        if step is None:
            return []
        if self.must_be_told:
            return self._open_session(now_ns)
        self._confirmation.asked(now_ns)
        return [self._send(self._events.retrieve(UNKNOWN_ITEM))]

    def _confirmed(self, fact: facts.SessionConfirmed, now_ns: int) -> list[Outcome]:
        self.expires_at_s = fact.expires_at_s or self.expires_at_s
        self.session_id = fact.session or self.session_id
        if self.stage != "connecting":
            return []
        if self.must_be_told and not fact.updated:
            return self._open_session(now_ns)
        self.stage = "confirmed"
        log = Log("info", f"= session {fact.session} confirmed")
        return [log, SessionConfirmed(self.number)]

    def _see_whether_seeded(self) -> list[Outcome]:
        if self.stage != "seeding" or not self._seeding.is_complete:
            return []
        self.stage = "standby"
        return [SessionSeeded(self.number)]

    def _send(self, event: Mapping[str, Any]) -> SendEvent:
        self._updates += event["type"] == "session.update"
        return SendEvent(self.number, event)

    def _picture_refused(self, item: str, error: ServerError) -> list[Outcome]:
        self.server_errors += 1
        self._reducer.refused(item)  # The error may not have named it.
        log = Log("warning", f"! < a picture is refused: {error.code}: {one_line(error.message)}")
        return [log, PictureRefused(self.number, item, error)]

    def _server_error(self, error: ServerError) -> list[Outcome]:
        cause = f" (caused by {error.cause})" if error.cause else ""
        words = f"{error.code}{cause}: {one_line(error.message)}"
        if error.cause == "session.update" and self._updates:
            self._updates -= 1
        if error.benign:
            self.benign_errors += 1
            return [Log("info", f"< benign error {words}", "benign error")]
        self.server_errors += 1
        outcomes: list[Outcome] = [Log("warning", f"! < error {words}", "server error")]
        lost = read_event(error.code, error.message, error.param)
        refused = self.stage == "connecting" and (
            error.cause == "session.update" or lost.kind != "" or self._reducer.events == 1
        )
        refused = refused or bool(error.event_id and error.event_id == self._confirmation.update)
        blame = self._told_session.refused(error, refused or self.stage == "connecting")
        if blame is not None and not error.fatal:
            return [*outcomes, ToolsRefused(self.number, blame)]
        if error.fatal or refused:
            outcomes.append(SessionFailed(self.number, lost))
        elif self.stage == "active":
            outcomes.append(_problem(error.code, one_line(error.message)))
        elif self.stage == "connecting" and not error.event_id:
            told = f"{_NOT_TAKEN} ({lost.code}): {one_line(str(lost))}"
            outcomes.append(ProblemFound(lost.code, told))
        return outcomes


def _problem(code: str, message: str) -> TellBrowsers:
    return TellBrowsers({"type": "error", "code": code, "message": message})


def _failure(ended: ResponseEnded) -> UpstreamError:
    return UpstreamError(ended.code, ended.message or "no reason was given")
