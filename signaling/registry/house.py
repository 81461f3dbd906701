"""What is asked about rooms and people who are there, and who has to leave. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mixer_core.bus.control import Message, SetRoom, Silence

from .actions import (
    AboutPerson,
    AboutRoom,
    Action,
    ChangeRoom,
    Forget,
    Limits,
    Look,
    Mute,
    Question,
    Remove,
    ReplyDone,
    ReplyLeft,
    ReplyProblem,
    ReplyRoom,
    RoomView,
    SendToChild,
    Show,
)
from .dispatch import Dispatch
from .forgetting import Forgetting
from .links import Links
from .participant import Participant
from .pictures import Pictures

CLOSED = ("closed", "an admin has closed the room")
Verdict = Callable[[str, str], tuple[str, str] | None]
"""Takes a subject and a room; why the subject may no longer be there, see ``control.Leave``."""


class House:
    """Answers, and carries out what admins decide."""

    def __init__(self, dispatch: Dispatch, links: Links) -> None:
        self._dispatch = dispatch
        self._links = links
        self.pictures = Pictures()
        self.forgetting = Forgetting()
        self._participants = dispatch.participants

    def answer(self, event: AboutRoom | AboutPerson, now_ns: int) -> list[Action] | None:
        """The reply, with its actions; None if there is no such room or participant."""
        if isinstance(event, Remove):
            return self._remove(event, now_ns)
        if isinstance(event, Mute):
            return self._mute(event)
        if isinstance(event, Show):
            return self._show(event, now_ns)
        known = event.room in self._participants.rooms()
        return self._about_room(event, now_ns) if known else None

    def end(self, verdict: Verdict, now_ns: int) -> list[Action]:
        """End the calls of guests who may no longer be in their room."""
        actions: list[Action] = []
        for person in self._participants.all():
            told = verdict(person.subject, person.room) if person.subject else None
            if told is not None:
                actions += self._send_away(person, told, now_ns)
        return actions

    def view(self, name: str) -> RoomView:
        """One room."""
        room = self._participants.rooms()[name]
        people = tuple(person.view() for person in self._participants.in_room(name))
        return RoomView(name, room.mode, people, self._links.view(name), room.rules)

    def _remove(self, event: Remove, now_ns: int) -> list[Action] | None:
        found = self._find(event)
        if found is not None:
            told = (event.code, event.message)
            actions = self._send_away(found, told, now_ns)
            self._participants.say_goodbye(found.id, event.room, now_ns)
        elif event.code:
            return None
        else:
            found = self._participants.say_goodbye(event.participant, event.room, now_ns)
            actions = []
        if found is None:
            return None
        return [*actions, ReplyLeft(event.request, event.room, found.id, found.subject)]

    def _mute(self, event: Mute) -> list[Action] | None:
        found = self._find(event)
        if found is None:
            return None
        self._participants.silence(found, event.muted and event.locked)
        silence = Silence(found.id, event.muted, event.locked)
        return [*_told([found], lambda _: silence), ReplyDone(event.request)]

    def _show(self, event: Show, now_ns: int) -> list[Action] | None:
        found = self._find(event)
        if found is None:
            return None
        return self.pictures.show(event, found, self._links.identity(event.room), now_ns)

    def _find(self, event: AboutPerson) -> Participant | None:
        found = self._participants.get(event.participant)
        return found if found is not None and found.room == event.room else None

    def _about_room(self, event: AboutRoom, now_ns: int) -> list[Action]:
        if isinstance(event, Look):
            return [ReplyRoom(event.request, self.view(event.room))]
        if isinstance(event, ChangeRoom):
            return [*self._change(event), ReplyRoom(event.request, self.view(event.room))]
        if isinstance(event, Forget):
            return self.forgetting.ask(event, self._links.identity(event.room), now_ns)
        actions: list[Action] = []
        for person in self._participants.in_room(event.room):
            actions += self._send_away(person, CLOSED, now_ns)
        return [*actions, ReplyDone(event.request)]

    def _change(self, event: ChangeRoom) -> list[Action]:
        room = self._participants.rooms()[event.room]
        mode, rules = event.mode or room.mode, replace(room.rules, **event.rules)
        return _set(self._participants.change(event.room, mode, rules))

    def follow_settings(self, limits: Limits) -> list[Action]:
        """Rooms whose settings want another mode than when they got theirs get it.

        What an admin has decided since stays as long as the settings stay as they are.
        """
        actions: list[Action] = []
        for name, room in self._participants.rooms().items():
            ruled = limits.ruled_mode(name)
            if ruled == room.ruled_mode:
                continue
            room.ruled_mode = ruled
            mode = ruled or limits.default_mode
            actions += _set(self._participants.change(name, mode, room.rules))
        return actions

    def _send_away(
        self, participant: Participant, told: tuple[str, str], now_ns: int
    ) -> list[Action]:
        problem = (409, "Removed", told[1] or "the participant was removed while joining")
        reason = told[0] or "asked to leave"
        return self._dispatch.drop(participant, reason, now_ns, problem, told)


def not_found(event: Question) -> ReplyProblem:
    """404: what was asked for is not there."""
    if isinstance(event, AboutRoom):
        return ReplyProblem(event.request, 404, "No such room", "nobody is in that room")
    detail = "that participant is not in that room"
    return ReplyProblem(event.request, 404, "No such participant", detail)


def _set(people: Sequence[Participant]) -> list[Action]:
    """Their room is as they now know it."""
    return _told(people, lambda p: SetRoom(p.id, p.mode, p.rules, p.ruled_mode))


def _told(people: Sequence[Participant], message: Callable[[Participant], Message]) -> list[Action]:
    """A message to the workers of people."""
    return [SendToChild(person.worker, message(person)) for person in people if person.worker]
