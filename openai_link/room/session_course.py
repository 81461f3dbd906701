"""What follows from what a Realtime session learns. Sans-I/O.

The base of ``RealtimeSession``: its parts, and the way of a fact through them. The reducer makes
facts of server events; each goes to the seeding, the sound of the replies, and the turn policy;
what they return becomes outcomes for the room. A limit that is reached is told the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.foreign_text import one_line
from mixer_core.runtime.units import MS_NS

from .. import facts
from ..facts import Caption, Fact, ResponseEnded, ServerError
from ..media.downlink_gate import DownlinkFrame
from ..playback.truncation import Truncation
from ..realtime.client_events import ClientEvents
from ..realtime.confirmed import turns_of
from ..realtime.reducer import Reducer
from ..realtime.session_object import session_object
from ..settings import OpenaiLinkSettings
from ..transcript.history import SeedLimits
from ..transcript.seeding import Seeding
from ..transport.interface import TransportKind
from ..turns import actions as turns
from ..turns.actions import TurnAction, TurnRules
from ..turns.policy import TurnPolicy
from .actions import ClearOutput, Log, MuteUplink, SendEvent, SendFrame, TellBrowsers
from .confirmation import Step
from .early_facts import EarlyFacts
from .epoch import EpochCounter
from .liveness import UNKNOWN_ITEM, Probe, ServerHabits
from .persona import VOICE_LOCKED
from .reply_sound import ReplySound, SoundAction
from .session import Stage
from .session_terms import SessionTerms
from .signals import (
    FactLearned,
    Outcome,
    PersonaRefused,
    PictureRefused,
    ProblemFound,
    ReplyRequested,
    ReplyTruncated,
    ReplyWithdrawn,
    SessionConfirmed,
    SessionFailed,
    SessionSeeded,
    TextTyped,
    ToolsRefused,
)
from .waits import CoverTurn, Lost, PlayedOut, SessionWaits, TurnLost, Verdict, Waiting

_NOT_TAKEN = (
    "The assistant's server did not take all of the session; [openai_link] leave_out may help"
)


class SessionCourse:
    """Of one session; methods return what follows, in order."""

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
        self.stage: Stage = "connecting"
        self.session_id = ""
        """The server's name of the session; empty before it is confirmed."""
        self.expires_at_s = 0
        """When the server will end the session (Unix time); 0: it does not say."""
        self.server_errors = 0
        self.benign_errors = 0
        """Refusals that are the ordinary result of two sides acting at once."""
        self._events = events
        wanted = session_object(settings)
        rules = self._rules = TurnRules.of(wanted)
        self._is_transcribed = wanted["audio"]["input"].get("transcription") is not None
        answer_ns = settings.answer_timeout_ms * MS_NS
        self._reducer = Reducer(rules.answers_turns, 2 * answer_ns)
        self._waits = SessionWaits(answer_ns, habits or ServerHabits(), not rules.push_to_talk)
        self._terms = SessionTerms(number, kind, settings, events)
        self._turns = TurnPolicy(events, settings.instructions, True, rules, settings.image_detail)
        self.hears_room = self._turns.microphone_open
        """Whether the model is to hear the room (push-to-talk shuts the microphone)."""
        self._sound = ReplySound(kind, events, settings.speed, epoch)
        self._seeding = Seeding(events, SeedLimits.of(settings))
        self._early = EarlyFacts()
        self._has_answered = False
        """A response was begun: the voice of the session stays."""

    # -- facts ------------------------------------------------------------------------------------

    def _facts(self, learned: Sequence[Fact], now_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for fact in learned:
            if self._seeding.on_fact(fact, now_ns):
                if isinstance(fact, ServerError):
                    words = f"{fact.code}: {one_line(fact.message)}"
                    log = Log("warning", f"! < an item is refused: {words}", "item refused")
                    outcomes.append(log)
                outcomes += [self._send(event) for event in self._seeding.instead(now_ns)]
                continue
            if isinstance(fact, ServerError) and not fact.fatal:
                item = self._turns.picture_refused(fact)
                if item:
                    outcomes += self._picture_refused(item, fact)
                    continue
                if self._waits.is_answer_of_probe(fact.event_id, fact.message, now_ns):
                    outcomes.append(Log("debug", "= the server answers"))
                    continue
            if isinstance(fact, facts.SessionConfirmed):
                fact = self._answered(fact)
            if self._sound.ignores(fact):
                continue
            outcomes += self._sounded(self._sound.on_fact(fact, now_ns))
            outcomes += self._turned(self._turns.on_fact(fact, now_ns), now_ns)
            match fact:
                case facts.SessionConfirmed():
                    outcomes += self._confirmed(fact, now_ns)
                case facts.ResponseStarted(response):
                    self._has_answered = True
                    outcomes += self._uninvited(response)
                case ServerError():
                    outcomes += self._server_error(fact)
                case ResponseEnded(status="failed", code=code) if code in UpstreamError.FATAL_CODES:
                    outcomes.append(SessionFailed(self.number, _failure(fact)))
            outcomes += self._told(fact)
        return outcomes

    def _uninvited(self, response: str) -> list[Outcome]:
        """The server does what it was told not to: told in the log, since it costs money."""
        if not self._turns.is_uninvited(response):
            return []
        words = "the server answers a turn although it was told not to: the answer is cancelled"
        return [Log("warning", f"! < {words}", "uninvited")]

    def _told(self, fact: Fact) -> list[Outcome]:
        """The fact for the room, once the room is here."""
        if isinstance(fact, Caption) and not self._sound.passes(fact):
            return []
        learned = FactLearned(self.number, fact)
        if self.stage in ("active", "draining"):
            return [learned]
        return self._early.keep(learned, self._reducer.event_chars)

    def _listen(self, now_ns: int) -> list[Outcome]:
        """Take what the sound tells as if the server had said it."""
        return [
            outcome
            for said in self._sound.heard(now_ns)
            for outcome in self._facts(self._reducer.feed(said.event(), now_ns), now_ns)
        ]

    # -- what the parts want ----------------------------------------------------------------------

    def _sounded(self, actions: Iterable[SoundAction]) -> list[Outcome]:
        """A reply ends where it was heard: for the model, the record and the people."""
        outcomes: list[Outcome] = []
        for action in actions:
            match action:
                case facts.Unheard(response):
                    stopped = self._turns.has_stopped(response)
                    outcomes += self._told(replace(action, was_stopped=stopped))
                case Truncation():
                    outcomes.append(ReplyTruncated(self.number, action))
                case turns.Send(event):
                    outcomes.append(self._send(event))
                case _:
                    outcomes.append(action)
        return outcomes

    def _turned(self, actions: Sequence[TurnAction], now_ns: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for action in actions:
            match action:
                case turns.Send(event):
                    outcomes.append(self._send(event))
                case turns.ClearOutput(event):
                    outcomes.append(ClearOutput(self.number, event))
                case turns.Flush(reason):
                    outcomes += self._sounded(self._sound.flush(reason, now_ns))
                case turns.ReplyStarted():
                    self._sound.started()
                case turns.ReplyEnded():
                    self._sound.stopped(now_ns)
                case turns.MicrophoneGate():
                    outcomes += self._gate_microphone(action, now_ns)
                case turns.TypedText():
                    outcomes.append(TextTyped(self.number, action))
                case turns.AnswerWithdrawn():
                    if self.stage == "active":  # A draining one owes nothing but its last words.
                        outcomes.append(ReplyWithdrawn())
                    outcomes += self._facts(self._reducer.answer_withdrawn(), now_ns)
                case turns.AskedByHand():
                    outcomes.append(ReplyRequested())
                case turns.Tell(event, addressee):
                    outcomes.append(TellBrowsers(event, addressee))
        return outcomes

    def _gate_microphone(self, gate: turns.MicrophoneGate, now_ns: int) -> list[Outcome]:
        shuts = self.hears_room and not gate.open
        self.hears_room = gate.open
        outcomes: list[Outcome] = [MuteUplink(self.number)] if shuts else []
        is_pressed = gate.open and gate.is_pressed
        return outcomes + self._facts(self._reducer.pressed(is_pressed, now_ns), now_ns)

    def _framed(self, frame: DownlinkFrame | None) -> list[Outcome]:
        return [] if frame is None else [SendFrame(frame)]

    def _send(self, event: Mapping[str, Any]) -> SendEvent:
        return SendEvent(self.number, event)

    # -- opening ----------------------------------------------------------------------------------

    def _stepped(self, step: Step | None, now_ns: int) -> list[Outcome]:
        if step is None:
            return []
        if step == "confirm":
            confirmed = facts.SessionConfirmed(self.session_id, True)
            return self._facts([confirmed], now_ns)
        return [*self._terms.knock(now_ns)]

    def _answered(self, fact: facts.SessionConfirmed) -> facts.SessionConfirmed:
        """The confirmation, with what it is an answer to."""
        answered = self._terms.answered(fact, may_ask=self.stage != "draining")
        if answered.asked:
            self._turns.confirmed(*turns_of(fact.given))
        return answered

    def _confirmed(self, fact: facts.SessionConfirmed, now_ns: int) -> list[Outcome]:
        self.expires_at_s = fact.expires_at_s or self.expires_at_s
        self.session_id = fact.session or self.session_id
        if self.stage != "connecting":
            return []
        if self._terms.must_be_told and not fact.updated:
            return [*self._terms.tell(now_ns)]
        self.stage = "confirmed"
        log = Log("info", f"= session {fact.session} confirmed")
        return [log, SessionConfirmed(self.number)]

    def _see_whether_seeded(self) -> list[Outcome]:
        if self.stage != "seeding" or not self._seeding.is_complete:
            return []
        self.stage = "standby"
        return [SessionSeeded(self.number)]

    # -- limits -----------------------------------------------------------------------------------

    def _limit_ns(self) -> int | None:
        if self.stage == "connecting":
            return self._terms.next_timeout_ns()
        if self.stage in ("active", "draining"):
            return self._waits.next_timeout_ns(self._waiting())
        return None

    def _check_limits(self, now_ns: int) -> list[Outcome]:
        """What follows where something has not come in time; ``SessionFailed`` is the last."""
        if self.stage == "connecting":
            return self._stepped(self._terms.tick(now_ns), now_ns)
        if self.stage not in ("active", "draining"):
            return []
        outcomes: list[Outcome] = []
        for verdict in self._waits.due(self._waiting(), now_ns):
            outcomes += self._reached(verdict, now_ns)
        return outcomes

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

    # -- refusals ---------------------------------------------------------------------------------

    def _picture_refused(self, item: str, error: ServerError) -> list[Outcome]:
        self.server_errors += 1
        self._reducer.refused(item)  # The error may not have named it.
        log = Log("warning", f"! < a picture is refused: {error.code}: {one_line(error.message)}")
        return [log, PictureRefused(self.number, item, error)]

    def _server_error(self, error: ServerError) -> list[Outcome]:
        cause = f" (caused by {error.cause})" if error.cause else ""
        words = f"{error.code}{cause}: {one_line(error.message)}"
        self._terms.update_refused(error)
        if error.benign:
            self.benign_errors += 1
            return [Log("info", f"< benign error {words}", "benign error")]
        self.server_errors += 1
        outcomes: list[Outcome] = [Log("warning", f"! < error {words}", "server error")]
        opening = self.stage == "connecting"
        said = self._terms.complaint(error, is_opening=opening, is_first=self._reducer.events == 1)
        if said.blame is not None:
            outcomes.append(ToolsRefused(self.number, said.blame))
        elif said.is_end:
            outcomes.append(SessionFailed(self.number, said.error))
        elif said.asked is not None:
            if error.code != VOICE_LOCKED:
                outcomes.append(PersonaRefused(self.number, said.asked, said.error))
        elif self.stage == "active":
            told = {"type": "error", "code": error.code, "message": one_line(error.message)}
            outcomes.append(TellBrowsers(told))
        elif opening and not error.event_id:
            reason = f"{_NOT_TAKEN} ({said.error.code}): {one_line(str(said.error))}"
            outcomes.append(ProblemFound(said.error.code, reason))
        return outcomes


def _failure(ended: ResponseEnded) -> UpstreamError:
    return UpstreamError(ended.code, ended.message or "no reason was given")
