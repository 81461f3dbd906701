"""One call and all that belongs to it: events, turns, audio both ways. A new call, a new one.

=========  ==================================================  =====================================
stage      means                                               the room's microphones
=========  ==================================================  =====================================
calling    the server has not confirmed our session            are not heard
learning   it is told what was said before                     are not heard
ready      it knows; another call may still have the room      are not heard
talking    the room is here                                    are heard
leaving    the room has moved on; what is said is said         are not heard
closed     nothing is called back any more
=========  ==================================================  =====================================
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from mixer_core.bus.frames import FLAG_PAUSE, Frame
from mixer_core.bus.pcm import SILENCE
from mixer_core.runtime.errors import UpstreamError

from ..media.downlink_gate import DownlinkFrame, DownlinkGate
from ..playback.tracker import PlaybackTracker, TrackerAction, Truncation
from ..realtime.captions import Caption
from ..realtime.facts import Assistant, Fact, ResponseEnded, ServerError, SessionConfirmed
from ..realtime.reducer import Reducer
from ..realtime.session_object import ClientEvents, session_object
from ..transcript.seeding import Seeding
from ..transport.interface import Callbacks, Transport
from ..turns.policy import (
    Flush,
    MicrophoneGate,
    ReplyEnded,
    ReplyStarted,
    Send,
    Tell,
    TurnAction,
    TurnPolicy,
    TurnRules,
    TypedText,
)
from .watching import Surroundings, Watcher

Stage = Literal["calling", "learning", "ready", "talking", "leaving", "closed"]
"""How far it has come; see the module."""
MAX_MESSAGE_CHARS = 500
"""Longest message of the server that is shown to people."""


class Conversation:
    """Drives one ``Transport``: feeds what comes in to the pure parts and does as they say."""

    def __init__(
        self,
        surroundings: Surroundings,
        watcher: Watcher,
        events: ClientEvents,
        make_transport: Callable[[Callbacks], Transport],
        seeding: Seeding,
    ) -> None:
        """``events``: the call's own."""
        self._settings = surroundings.settings
        self._line = surroundings.line
        self._metrics = surroundings.metrics
        self._log = surroundings.log
        self._session: Mapping[str, Any] = {}
        self._watcher = watcher
        self.events = events
        rules = TurnRules.of(session_object(self._settings))
        self._reducer = Reducer(rules.answers_turns)
        self._turns = TurnPolicy(events, self._settings.instructions, greet=True, rules=rules)
        self._is_heard = self._turns.microphone_open
        self._gate = DownlinkGate()
        self._latency = self._metrics.histogram("downlink_latency_ms")
        self._early: list[Fact] = []
        self.seeding = seeding
        self.stage: Stage = "calling"
        self.session_id = ""
        """The server's name of the session; empty before it is confirmed."""
        self.expires_at_s = 0
        """When the server will end the session (Unix time); 0: it does not say."""
        self.is_answered = False
        """The server has accepted the connection."""
        self.call = make_transport(
            Callbacks(
                on_answered=self._answered,
                on_up=self._up,
                on_event=self._server_event,
                on_audio=self._audio,
                on_delivered=self._delivered,
                on_lost=self._lost,
                on_change=watcher.on_change,
            )
        )
        self._heard = PlaybackTracker(events, self.call.kind == "webrtc", self._settings.speed)

    @property
    def assistant(self) -> Assistant:
        """What the assistant is doing."""
        return self._reducer.assistant

    @property
    def is_settled(self) -> bool:
        """Nobody speaks here, and nothing is being thought about or heard."""
        return self._reducer.assistant == "idle" and self._turns.is_quiet

    @property
    def has_said_everything(self) -> bool:
        """The assistant neither speaks here nor is about to."""
        busy = self._reducer.assistant in ("speaking", "thinking")
        return not busy and self._turns.response_active is None

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``."""
        waiting = (
            self.call.next_timeout_ns(),
            self._gate.next_timeout_ns(),
            self._reducer.next_timeout_ns(),
            self._turns.next_timeout_ns(),
            self._heard.next_timeout_ns(),
            self.seeding.next_timeout_ns(),
        )
        return min((time_ns for time_ns in waiting if time_ns is not None), default=None)

    def tick(self, now_ns: int) -> None:
        """The time-out was reached."""
        if self.stage == "closed":
            return
        self.call.tick(now_ns)
        self._to_mixer(self._gate.tick(now_ns), now_ns)
        self._facts(self._reducer.tick(now_ns), now_ns)
        self._apply(self._turns.tick(now_ns), now_ns)
        self._shorten(self._heard.tick(now_ns))
        self.seeding.tick(now_ns)
        self._see_whether_ready()

    # -- what the room does ---------------------------------------------------------------------

    async def connect(self, session: Mapping[str, Any]) -> None:
        """Make the call with this session object. Raises UpstreamError."""
        self._session = session
        await self.call.connect(session)

    def set_tools(self, definitions: list[dict[str, Any]]) -> None:
        """The session's tools are these from now on."""
        wanted: dict[str, Any] = {"tools": [], **session_object(self._settings, definitions)}
        names: list[str] = ["tools", "tool_choice", "parallel_tool_calls"]
        changed = {
            name: wanted[name]
            for name in names
            if name in wanted and wanted[name] != self._session.get(name, [])
        }
        if changed:
            self._session = {**self._session, **changed}
            self._send(self.events.update_session(changed))

    def ask(self, overrides: Mapping[str, Any] | None, now_ns: int) -> None:
        """Have the model answer as soon as it is free."""
        self._apply(self._turns.ask(overrides), now_ns)

    def send(self, event: Mapping[str, Any]) -> None:
        """Send a client event."""
        self._send(event)

    def learn(self, events: list[dict[str, Any]]) -> None:
        """Tell the server what was said before (``seeding.tell``); ``on_ready`` follows."""
        for event in events:
            self._send(event)
        if self.stage == "calling":
            self.stage = "learning"
            self._log.info("= told %d items of the past", len(events))
        self._see_whether_ready()

    def talk(self, now_ns: int) -> None:
        """The room is here from now on."""
        self.stage = "talking"
        self.call.start(now_ns)
        early, self._early = self._early, []
        for fact in early:
            self._watcher.on_fact(self, fact, now_ns)

    def leave(self) -> None:
        """The room has moved on. What the assistant is saying is still heard.

        The server must not answer half a sentence, whose other half the next call hears.
        """
        if self.stage == "talking":
            self.stage = "leaving"
            deaf = {"audio": {"input": {"turn_detection": None}}}
            self._send(self.events.update_session(deaf))
            self._send(self.events.clear_input())

    def room_audio(self, frame: Frame, now_ns: int) -> None:
        """20 ms of the room's microphones."""
        if not self._is_heard:
            self._metrics.count("uplink_muted_frames_total")
            return
        pause = bool(frame.flags & FLAG_PAUSE)
        self.call.frame(frame.payload, frame.stamp_ns, pause, now_ns)

    def browser_event(self, event: Mapping[str, Any], now_ns: int) -> None:
        """A control message of a browser."""
        if event.get("type") == "played":
            participant = str(event.get("participant", ""))
            self._shorten(self._heard.played(participant, event, now_ns))
            return
        self._apply(self._turns.on_browser(event, now_ns), now_ns)

    def roster(self, participants: Collection[str], now_ns: int) -> None:
        """Exactly these people are in the room."""
        self._heard.on_roster(participants)
        self._apply(self._turns.on_roster(participants, now_ns), now_ns)

    def audience(self, now_ns: int) -> None:
        """Somebody is in a fresh room and hears what is sent: say hello, once."""
        self._apply(self._turns.on_audience(), now_ns)

    def silence(self, now_ns: int) -> None:
        """What is still being heard of this call is void."""
        self._apply([Flush("the room has moved")], now_ns)

    def finish(self, now_ns: int) -> None:
        """End what is open; nothing is called back afterwards."""
        if self.stage == "closed":
            return
        self._to_mixer(self._gate.end(now_ns), now_ns)
        for fact in self._reducer.close():
            self._pass_on(fact, now_ns)
        self._shorten(self._heard.end())
        self.stage = "closed"

    async def close(self) -> None:
        """Hang up."""
        self.finish(time.monotonic_ns())
        await self.call.close()

    def counters(self) -> dict[str, int]:
        """What was counted so far."""
        return {
            **self.call.counters(),
            "downlink_flushed_frames_total": self._gate.dropped_old,
            "downlink_quiet_frames_total": self._gate.dropped_quiet,
            "server_events_total": self._reducer.events,
            "server_unknown_events_total": sum(self._reducer.unknown.values()),
        }

    # -- what the call does ---------------------------------------------------------------------

    def _answered(self) -> None:
        self.is_answered = True

    def _up(self) -> None:
        self._log.info("= connected by %s", self.call.kind)
        self._watcher.on_change()

    def _lost(self, error: UpstreamError) -> None:
        self._watcher.on_lost(self, error)

    def _audio(self, pcm: bytes, stamp_ns: int, now_ns: int, concealed: bool) -> None:
        if self.stage != "closed":
            self._to_mixer(self._gate.frame(pcm, stamp_ns, now_ns, concealed), now_ns)

    def _delivered(self, item: str, samples: int) -> None:
        self._heard.made(item, samples)

    def _to_mixer(self, frame: DownlinkFrame | None, now_ns: int) -> None:
        if frame is not None:
            self._line.audio(frame.pcm, frame.flags, frame.stamp_ns)
            self._heard.sent(frame.stamp_ns, frame.pcm)
            self._latency.observe_ns(time.monotonic_ns() - frame.stamp_ns)

    def _server_event(self, event: Mapping[str, Any]) -> None:
        if self.stage == "closed":
            return
        now_ns = time.monotonic_ns()
        self._facts(self._reducer.feed(event, now_ns), now_ns)
        self._see_whether_ready()
        self._watcher.on_change()

    def _facts(self, facts: list[Fact], now_ns: int) -> None:
        for fact in facts:
            if self.seeding.on_fact(fact, now_ns):
                continue
            self._shorten(self._heard.on_fact(fact, now_ns))
            self._apply(self._turns.on_fact(fact, now_ns), now_ns)
            match fact:
                case SessionConfirmed():
                    self._confirmed(fact)
                case ServerError():
                    self._server_error(fact)
                case ResponseEnded(status="failed"):
                    self._response_failed(fact)
            self._pass_on(fact, now_ns)

    def _pass_on(self, fact: Fact, now_ns: int) -> None:
        """Tell the room, once it is here."""
        if isinstance(fact, Caption) and not self._heard.passes(fact):
            return
        if self.stage in ("talking", "leaving"):
            self._watcher.on_fact(self, fact, now_ns)
        else:
            self._early.append(fact)

    def _shorten(self, actions: list[TrackerAction]) -> None:
        """A reply ends where it was heard: for the model, the record and the people."""
        for action in actions:
            if isinstance(action, Truncation):
                self._watcher.on_heard(self, action)
            else:
                self._send(action.event)

    def _confirmed(self, fact: SessionConfirmed) -> None:
        self.expires_at_s = fact.expires_at_s or self.expires_at_s
        self.session_id = fact.session or self.session_id
        if self.stage != "calling":
            return
        if self.call.confirms_by_update and not fact.updated:
            self._send(self.events.update_session(self._session))
            return
        self._log.info("= session %s confirmed", fact.session)
        self._watcher.on_confirmed(self)

    def _see_whether_ready(self) -> None:
        if self.stage == "learning" and self.seeding.is_complete:
            self.stage = "ready"
            self._watcher.on_ready(self)

    def _apply(self, actions: list[TurnAction], now_ns: int) -> None:
        for action in actions:
            match action:
                case Send(event):
                    self._send(event)
                case Flush(reason):
                    self._log.debug("= flush: %s", reason)
                    self._metrics.count("flushes_total")
                    self._gate.flush(now_ns)
                    self._line.flush()
                    self._shorten(self._heard.cut(self._line.epoch, now_ns))
                case ReplyStarted():
                    self._gate.started()
                case ReplyEnded():
                    self._gate.stopped(now_ns)
                case MicrophoneGate(is_open):
                    if self._is_heard and not is_open:
                        self.call.frame(SILENCE, now_ns, True, now_ns)
                    self._is_heard = is_open
                    self._facts(self._reducer.pressed(is_open, now_ns), now_ns)
                case TypedText():
                    self._watcher.on_said(action)
                case Tell(event, addressee):
                    self._line.event(event, addressee)

    def _send(self, event: Mapping[str, Any]) -> None:
        self._reducer.sent(event)
        if event["type"] == "output_audio_buffer.clear":
            self.call.clear_output(event)
        elif not self.call.send(event):
            self._log.warning("! > %s: the channel is not open", event["type"])

    def _server_error(self, error: ServerError) -> None:
        cause = f" (caused by {error.cause})" if error.cause else ""
        if error.benign:
            self._log.info("< benign error %s%s: %s", error.code, cause, error.message)
            return
        self._metrics.count("server_errors_total")
        self._log.warning("! < error %s%s: %s", error.code, cause, error.message)
        if error.fatal or (self.stage == "calling" and error.cause == "session.update"):
            self._lost(UpstreamError(error.code, error.message))
        elif self.stage == "talking":
            message = error.message[:MAX_MESSAGE_CHARS]
            self._line.event({"type": "error", "code": error.code, "message": message})

    def _response_failed(self, ended: ResponseEnded) -> None:
        code, message = ended.code or "response_failed", ended.message or "no reason was given"
        self._log.warning("! < response %s failed: %s: %s", ended.response, code, message)
        if code in UpstreamError.FATAL_CODES:
            self._lost(UpstreamError(code, message))
            return
        words = f"The assistant could not answer ({code}): {message[:MAX_MESSAGE_CHARS]}"
        self._line.event({"type": "error", "code": code, "message": words})
