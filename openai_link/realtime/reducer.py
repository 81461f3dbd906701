"""What the server's events mean: a reducer from Realtime server events to a few facts.

Sans-I/O, and tolerant: unknown types are counted, unknown and missing fields ignored, and nothing
depends on an order that the service does not promise. State is kept by item and response id,
never as "the current item"; each fact is told once per id. "Speaking" is the time between
``output_audio_buffer.started`` and ``stopped`` or ``cleared``, because generation runs far ahead
of the sound. Responses are in ``reduce_responses``, items and calls in ``reduce_items``, words in
``item_words``. Any event that carries a fact is enough for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mixer_core.runtime.earliest import earliest

from ..facts import (
    Assistant,
    AssistantChanged,
    Exceeded,
    Fact,
    ItemAdded,
    PlaybackEnded,
    PlaybackStarted,
    ResponseStarted,
    ServerError,
    SessionConfirmed,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TurnCommitted,
)
from .answers import AnswerBook
from .bounds import Bounds
from .event_fields import Once, map_of, text_of, whole_of
from .event_kinds import IGNORED
from .reduce_errors import ErrorBook
from .reduce_items import Handler, ItemBook
from .reduce_responses import ResponseBook
from .reduce_turns import TurnBook, is_spoken
from .repetitions import Repetitions
from .unanswered import THINK_LIMIT_NS, UnansweredTurn

MAX_UNKNOWN = 32
"""Distinct unknown event types that are counted by name."""
_ACTIVE_ID = re.compile(r"\b(?:resp_\w{1,64}|mm[^\W_]{1,64}\b)")
"""The response that a refusal names as active: an id of the server's, or of the room's."""


class Reducer:
    """State of one call. ``feed`` server events, ``sent`` client events, ``tick`` on time-out.

    ``answers``: each turn gets an answer (false: only where it is asked for, so that nobody is
    shown to be thinking after a turn). ``think_limit_ns``: how long at most, where no response
    comes.
    """

    def __init__(self, answers: bool = True, think_limit_ns: int = THINK_LIMIT_NS) -> None:
        self.assistant: Assistant = "idle"
        self._repetitions = Repetitions()
        self._bounds = Bounds()
        self.events = 0
        """Server events so far."""
        self.unknown: dict[str, int] = {}
        """Unknown event types and how often they came."""
        self._heard_ns = 0
        """When the newest event came."""
        self._answers = answers
        self._playing: str | None = None
        self._playing_since_ns = 0
        self._sounded, self._silenced = Once(), Once()
        self._heard = Once()
        self._turns = TurnBook()
        self._hearing_since_ns: int | None = None
        """When the turn began that is being spoken; None: nobody speaks."""
        self._pressed = False
        self._unanswered = UnansweredTurn(think_limit_ns)
        self._items = ItemBook()
        self._answers_told = AnswerBook()
        self._responses = ResponseBook(self._items)
        self._errors = ErrorBook()
        self.handlers: dict[str, Handler] = {
            **self._items.handlers,
            **self._responses.handlers,
            "session.created": self._session,
            "session.updated": self._session,
            "error": self._error,
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "input_audio_buffer.timeout_triggered": self._timeout_triggered,
            "input_audio_buffer.committed": self._turn_committed,
            "output_audio_buffer.started": self._playback_started,
            "output_audio_buffer.stopped": self._playback_ended,
            "output_audio_buffer.cleared": self._playback_ended,
        }
        """What to do with each event type; what is neither here nor in ``IGNORED`` is unknown."""

    @property
    def awaits_words(self) -> bool:
        """The transcript of a turn is still to come."""
        return self._items.awaits_words

    def has_called(self, call: str) -> bool:
        """Whether the model has made the tool call with this id in this session."""
        return self._items.has_called(call)

    def expect_answers(self, are_due: bool) -> None:
        """Whether turns that are committed from now on are answered."""
        self._answers = are_due

    @property
    def playing(self) -> str | None:
        """The response that is being played, if any."""
        return self._playing

    @property
    def playing_since_ns(self) -> int | None:
        """When the reply began that is being played; None: there is none."""
        return None if self._playing is None else self._playing_since_ns

    @property
    def hearing_since_ns(self) -> int | None:
        """When somebody began to speak who speaks still, as the server says; None: nobody does."""
        return self._hearing_since_ns

    @property
    def generated_ns(self) -> int | None:
        """When anything last came of the response that is being generated; None: there is none."""
        return self._responses.sign_ns

    @property
    def runs_server_tool(self) -> bool:
        """The response waits for a tool that the server itself runs."""
        return self._responses.runs_server_tool

    @property
    def unanswered_ns(self) -> int | None:
        """When somebody's turn ended that has an answer to expect, and none begins; None: there is
        none. To a silence in which the server wants to speak by itself nobody expects one."""
        return self._unanswered.somebodys_ns

    def turn_lost(self, is_answered: bool, now_ns: int) -> list[Fact]:
        """The server does not say that a turn is over.

        ``is_answered``: nobody can be heard any more, so that an answer is due.
        """
        if self._hearing_since_ns is None:
            return []
        self._hearing_since_ns = None
        if is_answered:
            self._turn_over(now_ns)
        return [SpeechStopped(""), *self._placed_turns(now_ns), *self._assistant_facts()]

    def answer_withdrawn(self) -> list[Fact]:
        """Nobody waits for an answer to the turn that is over."""
        self._unanswered.settle()
        self._turns.withdraw()
        return self._assistant_facts()

    def played_out(self, now_ns: int) -> list[Fact]:
        """The server does not say that a reply was played, and no sound comes any more."""
        if self._playing is None or self._responses.is_open(self._playing):
            return []
        stopped = {"type": "output_audio_buffer.stopped", "response_id": self._playing}
        return [*self._playback_ended(stopped, now_ns), *self._assistant_facts()]

    def feed(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """Take one server event (any JSON object) and return what it means, in order."""
        self.events += 1
        self._heard_ns = now_ns
        handler = self.handlers.get(text_of(event, "type"))
        kept = self._bounds.kept(event, is_read=handler is not None)
        if kept is None or not self._bounds.admits(kept, now_ns):
            return self._exceeded()
        return [*self._exceeded(), *self._feed(kept, handler, now_ns)]

    def _feed(self, event: Mapping[str, Any], handler: Handler | None, now_ns: int) -> list[Fact]:
        kind = text_of(event, "type")
        if self._repetitions.is_one(event, self._bounds.chars):
            return []
        self._answers_told.note(event)
        if handler is None and kind not in IGNORED:
            self._count_unknown(kind)
            return []
        self._items.belongs(event)
        self._responses.is_expected |= self._unanswered.since_ns is not None
        facts = self._responses.see(event, now_ns)
        if self._responses.is_open(text_of(event, "response_id")):
            facts += self._items.grows(event)
        facts += [] if handler is None else self._with_turns(handler(event, now_ns), now_ns)
        facts = self._taken(facts) + self._answers_told.completed(facts)
        self._note(facts)
        return facts + self._assistant_facts()

    def _taken(self, facts: list[Fact]) -> list[Fact]:
        """The server answers requests of ours: what it must have taken before."""
        tags = [fact.tag for fact in facts if isinstance(fact, ResponseStarted) and fact.tag]
        return [taken for tag in tags for taken in self._items.answered(tag)]

    @property
    def event_chars(self) -> int:
        """Size of the newest event, in characters."""
        return self._bounds.chars

    def _exceeded(self) -> list[Fact]:
        return [Exceeded(what) for what in self._bounds.news()]

    def refused(self, item: str) -> None:
        """The server has refused an item of ours, as is known by other means than the error."""
        self._items.refused(item)

    def sent(self, event: Mapping[str, Any], now_ns: int = 0) -> None:
        """Remember a client event: an error can be traced to it, and its item waits to be taken."""
        self._bounds.ours(text_of(map_of(event, "item"), "id"))
        self._errors.sent(event)
        self._items.sent(event, now_ns)
        self._responses.sent(event)

    def pressed(self, down: bool, now_ns: int) -> list[Fact]:
        """Somebody presses the button to talk, or nobody does any more (push-to-talk)."""
        self._pressed = down
        return self._assistant_facts()

    def tick(self, now_ns: int) -> list[Fact]:
        """The time-out was reached: captions that were held back, a response that never came."""
        facts = self._items.tick(now_ns, self._heard_ns)
        facts += self._answers_told.completed(self._responses.tick(now_ns))
        self._unanswered.tick(now_ns)
        return facts + self._assistant_facts()

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return earliest(
            self._unanswered.until_ns,
            self._items.next_timeout_ns(self._heard_ns),
            self._responses.next_timeout_ns(),
        )

    def close(self) -> list[Fact]:
        """The call is over: end what is open."""
        self._playing = None
        self._unanswered.settle()
        self._hearing_since_ns, self._pressed = None, False
        self._responses.clear()
        return [*self._items.close(), *self._assistant_facts()]

    def _count_unknown(self, kind: str) -> None:
        if kind in self.unknown or len(self.unknown) < MAX_UNKNOWN:
            self.unknown[kind] = self.unknown.get(kind, 0) + 1

    def _assistant_facts(self) -> list[Fact]:
        state: Assistant = "idle"
        if self._playing is not None:
            state = "speaking"
        elif self._hearing_since_ns is not None or self._pressed:
            state = "listening"
        elif self._responses.is_any_open or self._unanswered.since_ns is not None:
            state = "thinking"
        if state == self.assistant:
            return []
        self.assistant = state
        return [AssistantChanged(state)]

    def _note(self, facts: list[Fact]) -> None:
        """What was learned may settle what a turn waits for."""
        for fact in facts:
            match fact:
                case ResponseStarted():
                    self._unanswered.begun()
                case Transcribed(item, "", _, ""):
                    self._unanswered.not_understood(item)

    def _session(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        session = map_of(event, "session")
        updated = event["type"] == "session.updated"
        expires_at_s = whole_of(session, "expires_at")
        return [SessionConfirmed(text_of(session, "id"), updated, expires_at_s, session)]

    # Turns of people

    def _speech_started(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item, start_ms = text_of(event, "item_id"), whole_of(event, "audio_start_ms")
        if item and not self._heard.first(("started", item, start_ms)):
            return []
        self._turns.speech_started(item)
        self._hearing_since_ns = now_ns
        self._unanswered.settle()
        return [SpeechStarted(item, start_ms)]

    def _speech_stopped(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        item, end_ms = text_of(event, "item_id"), whole_of(event, "audio_end_ms")
        if item and not self._heard.first(("stopped", item, end_ms)):
            return []
        if self._hearing_since_ns is not None or not self._turns.was_heard(item):
            self._turn_over(now_ns)  # Else it was over before, by a commit or without one.
        return [SpeechStopped(item, end_ms), *self._placed_turns(now_ns, item)]

    def _timeout_triggered(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """Nobody spoke for long: the server commits the silence and speaks by itself."""
        was_heard = self._hearing_since_ns is not None
        self._turn_over(now_ns)
        self._unanswered.idle(text_of(event, "item_id"), not was_heard)
        return [SpeechStopped(""), *self._placed_turns(now_ns)] if was_heard else []

    def _turn_committed(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        return self._commit(self._turns.named(text_of(event, "item_id")), now_ns)

    def _commit(self, item: str, now_ns: int) -> list[Fact]:
        if not self._turns.committed(item):
            return []
        self._turn_over(now_ns, self._turns.is_withdrawn(item))
        self._unanswered.committed(item)
        self._items.spoken(item, now_ns)
        return [TurnCommitted(item)]

    def _placed_turns(self, now_ns: int, stopped: str = "") -> list[Fact]:
        """Nobody speaks any more (this item): turns whose items came before."""
        return [
            fact
            for item in self._turns.speech_stopped(stopped)
            for fact in self._commit(item, now_ns)
        ]

    def _with_turns(self, facts: list[Fact], now_ns: int) -> list[Fact]:
        """``facts``, with the turns that are over by what they say."""
        told: list[Fact] = []
        for fact in facts:
            match fact:
                case ItemAdded(item, content=content) if is_spoken(content):
                    self._turns.placed(item)
                    told += self._shown_turn(item, now_ns)
                case Transcribed(item) if self._turns.was_heard(item):
                    told += self._shown_turn(item, now_ns)
            told.append(fact)
        return told

    def _shown_turn(self, item: str, now_ns: int) -> list[Fact]:
        """Something came of the item of a turn.

        Where the server answers by itself and has begun to, nobody asks whether it is over.
        """
        is_late = self._answers and self._unanswered.has_begun
        is_over = not self._items.is_ours(item) and self._turns.is_over(item)
        return self._commit(item, now_ns) if is_over and not is_late else []

    def _turn_over(self, now_ns: int, is_withdrawn: bool = False) -> None:
        self._hearing_since_ns = None
        is_due = self._answers and not (is_withdrawn or self._responses.is_any_open)
        self._unanswered.over(is_due, now_ns)

    # Answers

    def _playback_started(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        response = text_of(event, "response_id") or self._responses.newest
        if response in self._silenced or not self._sounded.first(response):
            return []
        self._playing, self._playing_since_ns = response, now_ns
        return [PlaybackStarted(response)]

    def _playback_ended(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        response = text_of(event, "response_id") or self._playing or ""
        if not self._silenced.first(response):
            return []
        if response == self._playing:
            self._playing = None
        return [PlaybackEnded(response, event["type"] == "output_audio_buffer.cleared")]

    # Refusals

    def _error(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        facts = self._errors.error(event, now_ns)
        before: list[Fact] = []
        for fact in facts:
            if not isinstance(fact, ServerError):
                continue
            self._items.refused(fact.event_id)
            if not (fact.event_id or fact.benign):
                self._responses.failed()
            if fact.code == "response_cancel_not_active":
                before += self._responses.nothing_active(fact.event_id)
            elif fact.code == "conversation_already_has_active_response":
                named = _ACTIVE_ID.search(fact.message)
                before += self._responses.still_active(named[0] if named else "", now_ns)
        return before + facts
