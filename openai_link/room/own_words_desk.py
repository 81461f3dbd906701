"""Everybody's own words in a room, which most rooms never want: then nothing of it is loaded.

Sans-I/O. ``OwnWords`` does the work; while it is not there, nothing follows from anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ..facts import Fact
from ..settings import OpenaiLinkSettings
from .record import RoomRecord
from .sessions import RoomSessions
from .signals import Outcome

if TYPE_CHECKING:
    from .own_words import OwnWords


class OwnWordsDesk:
    """Of one room; methods return what follows, in order."""

    def __init__(self, record: RoomRecord, sessions: RoomSessions, mark: str) -> None:
        """``mark``: makes ids unique in the room."""
        self._record, self._sessions, self._mark = record, sessions, mark
        self.words: OwnWords | None = None
        """None: nobody was ever written down by themselves."""

    @property
    def hears(self) -> bool:
        """Whether ``frame`` is to be called; else nothing comes of it."""
        return self.words is not None and self.words.hears

    def counters(self) -> dict[str, int]:
        """What was counted so far."""
        words = self.words
        return {
            "own_words_turns_total": 0 if words is None else words.written,
            "own_words_lost_total": 0 if words is None else words.lost,
        }

    def want(
        self, is_wanted: bool, settings: OpenaiLinkSettings, people: Collection[str]
    ) -> list[Outcome]:
        """Whether each person who speaks is written down by themselves from now on.

        ``people``: who is in the room.
        """
        if self.words is None:
            if not is_wanted:
                return []
            from .own_words import OwnWords  # Most rooms never need it.

            self.words = OwnWords(settings, self._record, self._mark)
            self.words.people(people)
        return self.words.want(is_wanted and bool(settings.transcription_model), settings)

    def people(self, participants: Collection[str]) -> list[Outcome]:
        """Exactly these are in the room."""
        return [] if self.words is None else self.words.people(participants)

    def reported(self, now_ns: int) -> list[Outcome]:
        """The mixer has told who speaks."""
        if self.words is None:
            return []
        talking = self._sessions.talking
        hears = talking is not None and talking.hears_room
        return self.words.reported(talking is not None, hears, now_ns)

    def frame(self, who: str, pcm: bytes, now_ns: int) -> list[Outcome]:
        """20 ms of somebody's voice by itself (960 bytes)."""
        return [] if self.words is None else self.words.frame(who, pcm, now_ns)

    def opened(self, who: str, now_ns: int) -> list[Outcome]:
        """The session that writes down a participant is connected."""
        return [] if self.words is None else self.words.opened(who, now_ns)

    def event(self, who: str, event: Mapping[str, Any], wall_ms: int, now_ns: int) -> list[Outcome]:
        """One event of its server."""
        return [] if self.words is None else self.words.event(who, event, wall_ms, now_ns)

    def lose(self, who: str, words: str, now_ns: int) -> list[Outcome]:
        """It is over, or cannot be had. ``words``: why."""
        return [] if self.words is None else self.words.lose(who, words, now_ns)

    def on_fact(self, session: int, fact: Fact, now_ns: int) -> list[Outcome]:
        """What an event of one of the room's sessions (its number) meant."""
        active, draining = self._sessions.active, self._sessions.draining
        is_left = draining is not None and session == draining.number
        has_room = active is not None and session == active.number
        if self.words is None or not (is_left or has_room):
            return []
        return self.words.on_fact(session, fact, now_ns, is_left)

    def session_moved(self, now_ns: int) -> None:
        """The room has moved to its next session."""
        if self.words is not None:
            self.words.moved(now_ns)

    def session_over(self, now_ns: int) -> None:
        """One of the room's sessions is over."""
        if self.words is not None and self._sessions.talking is None:
            self.words.room_lost(now_ns)

    def forget(self, now_ns: int) -> list[Outcome]:
        """The conversation is deleted; its sessions are over."""
        return [] if self.words is None else self.words.forget(now_ns)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return None if self.words is None else self.words.next_timeout_ns()

    def tick(self, now_ns: int) -> list[Outcome]:
        """The time-out was reached, perhaps."""
        return [] if self.words is None else self.words.tick(now_ns)
