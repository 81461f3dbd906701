"""One session of the Realtime API (``session.Session``): what comes in. Sans-I/O.

Events and sound of the server, the room's wishes, and time. What follows from what the session
learns is in its base.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mixer_core.journal.records import HistoryItem
from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.errors import UpstreamError

from ..facts import Assistant
from ..media.downlink_gate import DownlinkFrame
from ..pictures import Picture
from ..realtime.session_object import session_object
from ..settings import OpenaiLinkSettings
from ..tools.blame import Blame
from ..turns.actions import TurnRules
from .actions import Log, StartUplink
from .approvals import Answer
from .session import NO_PICTURES
from .session_course import SessionCourse
from .signals import Outcome, ReplyRequested, SessionFailed


class RealtimeSession(SessionCourse):
    """One Realtime session; every input returns what follows, in order."""

    answered = False
    """The server has taken the call."""
    simulated = False
    """The server says that it is a simulator."""

    # -- what is known ----------------------------------------------------------------------------

    @property
    def assistant(self) -> Assistant:
        """What the assistant is doing."""
        return self._reducer.assistant

    @property
    def must_be_told(self) -> bool:
        """The session object did not go with the call: it follows by an update."""
        return self._terms.must_be_told

    @must_be_told.setter
    def must_be_told(self, is_needed: bool) -> None:
        self._terms.must_be_told = is_needed

    @property
    def missing(self) -> str:
        """The event that a session waits for to be confirmed; empty: it is not connected."""
        return self._terms.missing

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
        return self._sound.has_heard

    @property
    def awaits_words(self) -> bool:
        """The transcript of something that people said is still to come."""
        return self._is_transcribed and self._reducer.awaits_words

    @property
    def seeded_ids(self) -> tuple[Mapping[str, str], Sequence[str]]:
        """Ids of history items by ids in this session; and ids that are no part of the record."""
        return self._seeding.new_ids, self._seeding.ignored

    def counters(self) -> dict[str, int]:
        """What was counted so far."""
        return {
            **self._sound.counters(),
            "server_events_total": self._reducer.events,
            "server_unknown_events_total": sum(self._reducer.unknown.values()),
            "server_errors_total": self.server_errors,
            "server_benign_errors_total": self.benign_errors,
            "uninvited_responses_total": self._turns.uninvited,
        }

    def has_stopped(self, response: str) -> bool:
        """Whether a response was stopped by us: what still comes of it is no reply."""
        return self._turns.has_stopped(response)

    @property
    def settings(self) -> OpenaiLinkSettings:
        """What its server was told of the room's settings, less what it refused."""
        return self._terms.settings

    # -- time -------------------------------------------------------------------------------------

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return earliest(
            self._sound.next_timeout_ns(),
            self._reducer.next_timeout_ns(),
            self._turns.next_timeout_ns(),
            self._seeding.next_timeout_ns(),
            self._limit_ns(),
        )

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""
        if self.stage == "closed":
            return []
        lost = self._check_limits(now_ns)
        if lost and isinstance(lost[-1], SessionFailed):
            return lost
        outcomes = lost + self._framed(self._sound.frame_due(now_ns))
        outcomes += self._listen(now_ns)
        outcomes += self._facts(self._reducer.tick(now_ns), now_ns)
        outcomes += self._turned(self._turns.tick(now_ns), now_ns)
        outcomes += self._sounded(self._sound.tick(now_ns))
        self._seeding.tick(now_ns)
        return outcomes + self._see_whether_seeded()

    # -- what the server does ---------------------------------------------------------------------

    def server_event(self, event: Mapping[str, Any], now_ns: int) -> list[Outcome]:
        """One event of the server."""
        if self.stage == "closed":
            return []
        kind = str(event.get("type"))
        if kind.startswith("output_audio_buffer."):
            self._sound.told()
        if not (self.kind == "websocket" and kind.startswith("output_audio_buffer.")):
            self._waits.received(event, now_ns)  # Those are made on our side.
        outcomes = self._facts(self._reducer.feed(event, now_ns), now_ns)
        if self.stage == "connecting":
            outcomes += self._stepped(self._terms.received(kind), now_ns)
        return outcomes + self._see_whether_seeded()

    def up(self, now_ns: int) -> None:
        """Media can flow: the server is to speak."""
        self._terms.up(now_ns)

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
        passed = self._sound.frame(pcm, stamp_ns, concealed, now_ns)
        if passed is None:
            return None
        frame, is_quiet = passed
        self._waits.reply_sound(is_quiet, now_ns)
        return frame

    def delivered(self, item: str, samples: int, now_ns: int) -> None:
        """The server has delivered more samples of an item ahead of their time (WebSocket)."""
        self._sound.delivered(item, samples)
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
        return [StartUplink(self.number), *self._early.tell()]

    def note(self, text: str, now_ns: int) -> list[Outcome]:
        """Tell the model something that is no part of the record; see ``seeded_ids``."""
        return [self._send(self._seeding.note(text, now_ns))]

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
        self._reducer.expect_answers(False)
        update = self._terms.deafen()
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

    def show_again(self, picture: Picture, *, is_answered: bool) -> tuple[str, list[Outcome]]:
        """Show what a session before did not take: the id of its item, and what follows.

        ``is_answered``: when the server has taken it.
        """
        event = self._turns.show_again(picture, is_answered=is_answered)
        return str(event["item"]["id"]), [self._send(event)]

    def approve(self, answer: Answer, now_ns: int) -> list[Outcome]:
        """Tell the service whether it may run one of its own tools."""
        told = self._turns.approve(answer.request, answer.approve, answer.reason, now_ns)
        return self._turned(told, now_ns)

    def tool_output(self, call: str, output: str) -> list[Outcome]:
        """Tell the model what a tool call has returned, where it knows the call."""
        events = self._seeding.answer(call, output)
        if not events and self._reducer.has_called(call):
            events = [self._events.function_output(call, output)]
        return [self._send(event) for event in events]

    def ask(self, overrides: Mapping[str, Any] | None, now_ns: int) -> list[Outcome]:
        """Have the model answer as soon as it is free."""
        return self._turned(self._turns.ask(overrides), now_ns)

    def answer_turn(self, item: str, now_ns: int, *, goes_on: bool) -> list[Outcome]:
        """A spoken turn is for the assistant: have the model answer once nobody speaks.

        ``goes_on``: another session has heard it, and whoever spoke may be about to be heard here.
        """
        return self._turned(self._turns.answer_item(item, now_ns if goes_on else None), now_ns)

    def take_turns(self, settings: OpenaiLinkSettings, now_ns: int) -> list[Outcome]:
        """Turns are taken as ``settings`` say from now on."""
        rules = self._rules = TurnRules.of(session_object(settings))
        self._reducer.expect_answers(rules.answers_turns)
        self._waits.hear_turns(not rules.push_to_talk)
        # Nobody is heard any more without the button: what is being said becomes no turn.
        lost = self._reducer.turn_lost(False, now_ns) if rules.push_to_talk else []
        turned = [*self._facts(lost, now_ns), *self._turned(self._turns.take_turns(rules), now_ns)]
        return [*turned, *self._terms.take_turns(settings)]

    def greet(self, now_ns: int) -> list[Outcome]:
        """Somebody in a fresh room hears what is sent: say hello, once."""
        return self._turned(self._turns.on_audience(), now_ns)

    def describe(self, tools: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """The session object to open it with; ``tools``: definitions of what it may call."""
        return self._terms.describe(tools)

    def set_tools(self, definitions: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """The session's tools are these from now on."""
        return [*self._terms.set_tools(definitions)]

    def retell(
        self, settings: OpenaiLinkSettings, definitions: Sequence[Mapping[str, Any]]
    ) -> list[Outcome]:
        """The room's settings are these: what of the assistant can change now does."""
        self._turns.instruct(settings.instructions)
        free = not self._has_answered
        return [*self._terms.retell(settings, definitions, may_change_voice=free)]

    @property
    def may_change_voice(self) -> bool:
        """It has not answered yet."""
        return not self._has_answered

    def blamed(self, error: UpstreamError) -> Blame | None:
        """The tools for which the server refuses to open the session; None: it is not for them."""
        return self._terms.blamed(error) if self.stage == "connecting" else None

    def offer(self, definitions: Sequence[Mapping[str, Any]], now_ns: int) -> list[Outcome]:
        """Tools were refused: these are the others."""
        return [*self._terms.offer(definitions, now_ns)]

    def browser_event(self, event: Mapping[str, Any], now_ns: int) -> list[Outcome]:
        """A control message of a browser."""
        if event.get("type") == "played":
            participant = str(event.get("participant", ""))
            return self._sounded(self._sound.played(participant, event, now_ns))
        return self._turned(self._turns.on_browser(event, now_ns), now_ns)

    def roster(
        self, participants: Collection[str], deaf: Collection[str], now_ns: int
    ) -> list[Outcome]:
        """Exactly these people are in the room; the devices of ``deaf`` are sent no sound."""
        self._sound.roster([one for one in participants if one not in deaf])
        return self._turned(self._turns.on_roster(participants, now_ns), now_ns)

    def silence(self, now_ns: int) -> list[Outcome]:
        """Stop the assistant: what is still to be heard of this session is void."""
        return self._turned(self._turns.stop(), now_ns)

    def finish(self, now_ns: int) -> list[Outcome]:
        """End what is open; nothing counts afterwards."""
        if self.stage == "closed":
            return []
        self._waits.closed(now_ns)
        outcomes = self._framed(self._sound.last_frame(now_ns))
        for fact in self._reducer.close():
            outcomes += self._told(fact)
        outcomes += self._sounded(self._sound.end())
        self.stage = "closed"
        return outcomes
