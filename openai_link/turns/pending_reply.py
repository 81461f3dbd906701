"""Whether the room still waits for a reply when a session is lost. Sans-I/O.

A turn was taken and not answered, or its answer was not heard to the end: the next session, which
knows the conversation, has to give it. Speaking over an answer, or stopping it, settles it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..facts import (
    Fact,
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    ToolCalled,
    TurnCommitted,
    Unheard,
)

ALREADY_ACTIVE = "conversation_already_has_active_response"
MAX_MISSED = 2
"""Sessions in a row that may leave an answer out before nobody asks for it any more."""
MAX_ANSWERS = 32
"""Responses that may be unfinished; of more the oldest counts as heard."""
MAX_ASKED = 64
"""Requests that are told from each other; where there are more, none is taken back."""


@dataclass(slots=True)
class _Answer:
    """A response that is being generated, or has not been heard to the end."""

    has_sound: bool = False
    was_heard: bool = False
    """To the end of what there was."""
    waits_for_tool: bool = False
    """The next response answers."""
    is_generated: bool = False

    @property
    def is_told(self) -> bool:
        """Whether nobody waits for more of it, once it is complete."""
        return self.was_heard or not self.has_sound


class PendingReply:
    """Follows the facts of a room's sessions."""

    def __init__(self, answers_turns: bool = True) -> None:
        """``answers_turns``: each spoken turn is answered."""
        self._answers_turns = answers_turns
        self.is_pending = False
        """Somebody waits."""
        self._new: set[str] = set()
        """What was asked since the last answer began: those that are not finished are to others.
        A line that was typed, by its item; empty: anything else."""
        self._missed = 0
        """Sessions that were given up because the answer did not come."""
        self._answers: dict[tuple[int, str], _Answer] = {}
        """By session and response, in the order in which they began."""

    def answer_turns(self, is_so: bool) -> None:
        """Whether each spoken turn is answered from now on."""
        self._answers_turns = is_so

    def requested(self, item: str = "") -> None:
        """Somebody has asked for a reply, in writing (by the line ``item``) or by a button."""
        if self.is_pending and not self._new and not self._answers:
            self._new.add("")  # An answer that was lost is owed as well.
        self._new.add(item)
        if len(self._new) > MAX_ASKED:
            self._new = {""}
        self.is_pending, self._missed = True, 0

    def told_again(self, item: str, again: str) -> None:
        """The line ``item`` is told to the next session as ``again``."""
        if item in self._new:
            self._new.remove(item)
            self._new.add(again)

    def given_back(self, item: str) -> None:
        """No session is told of that line any more: it is owed nothing."""
        if item and item in self._new:
            self._new.remove(item)
            self._settle()

    def missed(self) -> None:
        """A session is given up, because it does not answer."""
        self._missed += 1

    @property
    def is_hopeless(self) -> bool:
        """The server takes the request again and again, and does not answer it."""
        return self._missed > MAX_MISSED

    def forget(self) -> None:
        """It is too late for an answer, or there will be none."""
        self._new.clear()
        self.is_pending, self._missed = False, 0

    def session_over(self, session: int) -> None:
        """Nothing more is heard of the answers of this session; they are owed yet."""
        lost = [key for key in self._answers if key[0] == session]
        for key in lost:
            del self._answers[key]
        if lost and self._new:
            self._new.add("")

    def on_fact(self, fact: Fact, session: int = 0) -> None:
        """What an event of the server of ``session`` meant."""
        match fact:
            case TurnCommitted() if self._answers_turns:
                self.requested()
            case ResponseStarted(response):
                self._new.clear()
                self._answers[session, response] = _Answer()
                if len(self._answers) > MAX_ANSWERS:
                    del self._answers[next(iter(self._answers))]
            case ItemVoiced(response) | PlaybackStarted(response):
                if answer := self._answers.get((session, response)):
                    answer.has_sound = True
            case PlaybackEnded(response, cleared):
                self._played(session, response, cleared)
            case ToolCalled(response):
                if answer := self._answers.get((session, response)):
                    answer.waits_for_tool = True
            case Unheard(response):
                self._answers.pop((session, response), None)
                self._settle()
            case ResponseEnded(response, status, in_conversation=True):
                self._generated(session, response, status)
            case ServerError(code, cause="response.create") if code != ALREADY_ACTIVE:
                self._new.clear()  # Refused, and people were told so.
                self._settle()

    def _played(self, session: int, response: str, cleared: bool) -> None:
        """Answers are played in the order in which they began; a cut takes those behind it too."""
        begun = [key for key in self._answers if key[0] == session]
        key = session, response
        count = begun.index(key) + 1 if key in begun else 0
        for other in begun if cleared else begun[:count]:
            if self._answers[other].is_generated:
                del self._answers[other]
        if answer := self._answers.get(key):
            answer.was_heard = True
        if cleared:
            self._new.clear()
        if cleared or answer is None:
            self._settle()

    def _generated(self, session: int, response: str, status: str) -> None:
        answer = self._answers.get((session, response))
        if answer is not None and status == "completed":
            if not answer.is_told and not answer.waits_for_tool:
                answer.is_generated = True
                return
            del self._answers[session, response]
            if answer.waits_for_tool:
                return
        self._answers.pop((session, response), None)
        self._settle()

    def _settle(self) -> None:
        if not self._answers and not self._new:
            self.forget()
