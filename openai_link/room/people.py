"""What the room's people do: they come and go, press buttons, type, show pictures. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mixer_core.runtime.earliest import earliest

from ..pictures import Picture
from ..realtime.event_fields import maps_of, whole_of
from ..turns.actions import sender_of
from ..turns.messages import refusal
from .actions import AnswerUpload, ExportTrace, Log, TellBrowsers
from .audience import Audience
from .parts import RoomParts
from .signals import Outcome, PictureRefused, ProblemFound, ReplyWithdrawn, StateNews
from .untaken import Untaken

_FOR_SESSIONS = ("interrupt", "ptt")
_ON_ITS_WAY = ("connecting", "reconnecting", "ready")
"""States in which a session is to be expected that has the room."""


class People:
    """Of one room; methods return what follows, in order."""

    def __init__(self, parts: RoomParts, audience: Audience) -> None:
        self._parts = parts
        self._audience = audience
        self._streams: Mapping[str, int] = {}
        """Of those who are in the room, by participant."""

    def roster(self, event: Mapping[str, Any], wall_ms: int, now_ns: int) -> list[Outcome]:
        """The mixer's ``participants`` event: exactly these people are in the room."""
        parts = self._parts
        parts.tools.roster(event)
        people, joined = self._audience.roster(event, now_ns)
        self._streams = streams_in(event)
        parts.record.people(people)
        parts.address.people(people)
        parts.speakers.people(people)
        own = parts.own_words.people(people)
        chosen = parts.address.choose(event.get("address"))
        outcomes = parts.sessions.roster(frozenset(people), deaf_in(event), now_ns)
        outcomes += parts.connection.roster(len(people), joined, wall_ms, now_ns)
        told = parts.recording.roster(people, wall_ms, now_ns)
        outcomes += told
        if joined and not told:
            outcomes.append(StateNews())
        return [*chosen, *own, *outcomes]

    def recording_asked(self, event: Mapping[str, Any], wall_ms: int, now_ns: int) -> list[Outcome]:
        """A ``record`` message: somebody wants the room recorded, or objects."""
        return self._parts.recording.asked(event, wall_ms, now_ns)

    def browser_event(self, event: Mapping[str, Any], now_ns: int) -> list[Outcome]:
        """A control message of a browser: say, interrupt, ptt, played, confirm."""
        kind, sessions = event.get("type"), self._parts.sessions
        if kind == "ptt":
            sessions.pressed(event)
        outcomes: list[Outcome] = []
        if kind == "confirm":
            outcomes = self._parts.tools.confirmed(event, now_ns)
        elif sessions.talking is not None:
            outcomes = sessions.browser_event(event, now_ns)
            if kind == "interrupt" or (kind == "ptt" and self._is_pressed(event)):
                outcomes += self._parts.handover.silence_draining(now_ns)
        elif kind == "say":
            outcomes = self._say_later(event, now_ns)
        elif kind in _FOR_SESSIONS:
            owed = [ReplyWithdrawn()] if kind == "interrupt" else []
            outcomes = [*owed, self._not_connected(event)]
        if kind == "interrupt":
            self._parts.tools.stopped()
        if kind == "played":
            outcomes += [ExportTrace(trace) for trace in self._parts.traces.played(event, now_ns)]
        return outcomes

    def say_waiting(self, now_ns: int) -> list[Outcome]:
        """A session has the room: it is told what was typed since there was none."""
        sessions, lines = self._parts.sessions, self._parts.waiting.take()
        if lines:
            self._audience.begun()
        return [told for line in lines for told in sessions.browser_event(line, now_ns)]

    def give_back(self) -> list[Outcome]:
        """Where no session is to be expected, those hear of it whose lines wait for one."""
        if self._is_expected:
            return []
        parts = self._parts
        untaken = self._untaken(parts.record.untaken(parts.sessions.numbers))
        return [*untaken, *(self._not_connected(line) for line in parts.waiting.take())]

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where no line waits for a session."""
        parts = self._parts
        untaken_ns = parts.record.untaken_until_ns(parts.sessions.numbers)
        return earliest(untaken_ns, parts.waiting.next_timeout_ns())

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps: lines that have waited for too long are given back."""
        parts = self._parts
        untaken = self._untaken(parts.record.untaken(parts.sessions.numbers, now_ns))
        overdue = parts.waiting.overdue(now_ns)
        return [*untaken, *(self._not_connected(line) for line in overdue)]

    def _untaken(self, lost: Sequence[Untaken]) -> list[Outcome]:
        """What sessions took with them is given back; if nobody is there who has it, it is told.

        Nobody waits for an answer to it any more.
        """
        for typed in lost:
            self._parts.record.pending_reply.given_back(typed.item)
        return [
            self._not_connected(typed.line)
            if self._stream_of(typed.line)
            else self._parts.record.tell_untaken(typed)
            for typed in lost
        ]

    def picture(self, upload: str, picture: Picture, now_ns: int) -> list[Outcome]:
        """Somebody shows the assistant a picture; ``upload`` is answered by ``AnswerUpload``."""
        talking = self._parts.sessions.talking
        obstacle = self._parts.sessions.pictures.obstacle(talking is not None)
        if obstacle is not None:
            return [AnswerUpload(upload, *obstacle)]
        assert talking is not None
        size_kb = len(picture.data) // 1_000
        log = Log("info", f"= {picture.participant} shows a picture ({size_kb} kB)")
        return [log, *talking.show(picture, now_ns), AnswerUpload(upload, 202)]

    def picture_refused(self, refused: PictureRefused, now_ns: int) -> list[Outcome]:
        """The server does not take a picture: people are told, what was typed with it is said."""
        told = self._parts.sessions.pictures.refused(refused.error)
        outcomes: list[Outcome] = [] if told is None else [ProblemFound(*told), StateNews()]
        shown = self._parts.record.refused(refused.item)
        picture = None if shown is None else shown.picture
        if shown is None or picture is None or not picture.text:
            return outcomes
        if not shown.is_answered:
            return [*outcomes, *self._parts.sessions.tell_words(shown.in_words(picture.text))]
        typed = {"type": "say", "text": picture.text, "stream": picture.stream}
        typed |= {"participant": picture.participant, "name": picture.name}
        return [*outcomes, *self._parts.sessions.browser_event(typed, now_ns)]

    def _say_later(self, event: Mapping[str, Any], now_ns: int) -> list[Outcome]:
        """A line for the session that is to come, where one is to be expected."""
        refused = refusal(event)
        if refused is not None:
            return [TellBrowsers(refused.event, refused.addressee)]
        if self._is_expected and self._parts.waiting.keep(event, now_ns):
            return []
        return [self._not_connected(event)]

    @property
    def _is_expected(self) -> bool:
        """Whether there is, or will be, a session here that has the room."""
        parts = self._parts
        return parts.waiting.is_room_here and parts.connection.state in _ON_ITS_WAY

    def _not_connected(self, event: Mapping[str, Any]) -> TellBrowsers:
        """What somebody wants of the assistant cannot be had now; a line is given back."""
        words = f"the assistant is not connected ({self._parts.connection.state})"
        line = {"text": event["text"]} if event.get("type") == "say" else {}
        problem = {"type": "error", "code": "not_connected", "message": words, **line}
        return TellBrowsers(problem, self._stream_of(event))

    def _stream_of(self, event: Mapping[str, Any]) -> int:
        """Where whoever sent an EVENT is now: who comes back is another participant. 0: unknown."""
        people = self._parts.record.names()
        sender = str(event.get("participant", ""))
        name = people.get(sender, "")
        same = [stream for who, stream in self._streams.items() if people.get(who) == name]
        if sender not in self._streams and name and len(same) == 1:
            return same[0] or sender_of(event)
        return self._streams.get(sender) or sender_of(event)

    def _is_pressed(self, event: Mapping[str, Any]) -> bool:
        """Whether a ``ptt`` event opens the microphone."""
        return event.get("down") is True and self._parts.sessions.has_button


def streams_in(event: Mapping[str, Any]) -> Mapping[str, int]:
    """The streams in a roster, by participant; 0 where it does not say."""
    listed = maps_of(event, "participants")
    return {str(one.get("participant")): whole_of(one, "stream") for one in listed}


def deaf_in(event: Mapping[str, Any]) -> frozenset[str]:
    """The participants of a roster whose devices are sent no sound: another one plays there."""
    entries = maps_of(event, "participants")
    return frozenset(str(e.get("participant")) for e in entries if e.get("plays") is False)
