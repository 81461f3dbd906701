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
        self._is_new = False
        """No answer has begun since somebody asked: those that are not finished are to others."""
        self._missed = 0
        """Sessions that were given up because the answer did not come."""
        self._answers: dict[tuple[int, str], _Answer] = {}
        """By session and response, in the order in which they began."""

    def answer_turns(self, is_so: bool) -> None:
        """Whether each spoken turn is answered from now on."""
        self._answers_turns = is_so

    def requested(self) -> None:
        """Somebody has asked for a reply, in writing or by a button."""
        self.is_pending, self._is_new, self._missed = True, True, 0

    def missed(self) -> None:
        """A session is given up, because it does not answer."""
        self._missed += 1

    @property
    def is_hopeless(self) -> bool:
        """The server takes the request again and again, and does not answer it."""
        return self._missed > MAX_MISSED

    def forget(self) -> None:
        """It is too late for an answer, or there will be none."""
        self.is_pending, self._is_new, self._missed = False, False, 0

    def session_over(self, session: int) -> None:
        """Nothing more is heard of the answers of this session."""
        for key in [key for key in self._answers if key[0] == session]:
            del self._answers[key]

    def on_fact(self, fact: Fact, session: int = 0) -> None:
        """What an event of the server of ``session`` meant."""
        match fact:
            case TurnCommitted() if self._answers_turns:
                self.requested()
            case ResponseStarted(response):
                self._is_new = False
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
                self._is_new = False  # Refused, and people were told so.
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
        self._is_new = self._is_new and not cleared
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
        if not self._answers and not self._is_new:
            self.forget()
