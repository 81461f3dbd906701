"""Whether a server that keeps its connection up still answers. Sans-I/O.

Any event shows that it does. Where one is due and none has come, the server is asked for something
that every server answers, if only by a refusal: an item that does not exist. No answer to that
within ``PROBE_NS`` means that the call is lost. One is due

- ``DUE_NS`` after people began to wait for an answer;
- ``DUE_NS`` after a client event of a kind that this server has acknowledged before;
- ``SPEECH_NS`` after somebody began to speak in a room whose turns the server detects. Noise is no
  speech to every server: the doubt comes less often each time that it was wrong.

So a silent server is known after 9 s, and a model that thinks for long keeps its call, as long as
its server answers; an idle room asks nothing. A server may ignore what it does not know: while it
is not known whether it answers such questions, none counts where people only wait for an answer,
which has a limit of its own. So the first session of a room asks once, while its server is surely
there. Where people speak, one call may be lost all the same; from then on a question without an
answer counts only if one has been answered in this room, and the next session asks at once. A
server that hangs up at such a question is never asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.units import S_NS

from ..realtime.event_fields import text_of

DUE_NS = 5 * S_NS
"""Longest time without any event while one is due."""
PROBE_NS = 4 * S_NS
"""Longest time to an answer to a question that costs the server nothing."""
SPEECH_NS = 5 * S_NS
"""Time from the beginning of speech to the first event that it must bring."""
HANGS_UP_NS = 1 * S_NS
"""A call that ends so soon after a question, which has no answer, was ended by it."""
LEAST_SPEECH_FRAMES = 15
"""Frames (20 ms each) that are no mere click."""
PAUSE_NS = 30 * S_NS
"""Between two doubts because of speech that brought no event; doubled each time."""
MAX_PAUSE_NS = 600 * S_NS
UNKNOWN_ITEM = "mm_no_such_item"
"""The item that a server is asked for, and does not have."""

_ACKNOWLEDGED_BY: Mapping[str, frozenset[str]] = {
    "conversation.item.create": frozenset(
        {"conversation.item.added", "conversation.item.created", "conversation.item.done"}
    ),
    "conversation.item.delete": frozenset({"conversation.item.deleted"}),
    "conversation.item.truncate": frozenset({"conversation.item.truncated"}),
    "input_audio_buffer.clear": frozenset({"input_audio_buffer.cleared"}),
    "input_audio_buffer.commit": frozenset({"input_audio_buffer.committed"}),
    "session.update": frozenset({"session.updated"}),
}
_QUESTION = (UNKNOWN_ITEM, "conversation.item.retrieve")
"""Words of the question."""
_FOUND = "conversation.item.retrieved"
"""Comes from a server that finds even what it does not have."""


@dataclass(slots=True)
class ServerHabits:
    """What is known of a room's server; it outlives the sessions."""

    acknowledges: set[str] = field(default_factory=set)
    """Types of client events that it acknowledges."""
    takes_images: bool | None = None
    """Whether it takes pictures; None: not known."""
    answers_probes: bool | None = None
    """Whether it answers a question for an item that it does not have; None: not known."""
    was_asked: bool = False
    """It was asked, if only to learn that."""
    hangs_up: bool = False
    """It has ended a call at once when it was asked."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the server for an item that it does not have."""


@dataclass(frozen=True, slots=True)
class Silent:
    """The server answers nothing: the call is lost."""


class Liveness:
    """Of one session."""

    def __init__(self, habits: ServerHabits, hears_turns: bool) -> None:
        """``hears_turns``: speech in the room has an event to expect."""
        self._habits = habits
        self._hears_turns = hears_turns
        self._heard_ns: int | None = None
        """When the newest event came."""
        self._owed: set[str] = set()
        """Types of client events that may be acknowledged yet."""
        self._due_since_ns: int | None = None
        """Since when an acknowledgement is due; None: none is."""
        self._probe_ns: int | None = None
        """When the question was sent that is not answered; None: there is none."""
        self._probe = ""
        """Id of the newest question; empty where it has its answer."""
        self._asked_ns = 0
        """When that was sent."""
        self._speech_ns: int | None = None
        """When somebody began to speak since the newest event."""
        self._speech_frames = 0
        self._is_conclusive = False
        """No answer to the question means that the call is lost."""
        self._pause_ns = PAUSE_NS
        self._has_answered = False
        """A question was answered in this session."""
        self._has_learnt = False
        """It has asked only to learn whether the server answers."""
        self._speech_after_ns = 0
        """Until then speech raises no doubt."""

    def hear_turns(self, are_detected: bool) -> None:
        """Whether speech in the room has an event to expect from now on."""
        self._hears_turns = are_detected

    def sent(self, event: Mapping[str, Any], now_ns: int) -> None:
        """A client event goes out."""
        kind = text_of(event, "type")
        if text_of(event, "item_id") == UNKNOWN_ITEM:
            self._probe = text_of(event, "event_id")
            self._probe_ns = self._asked_ns = now_ns
        elif kind in _ACKNOWLEDGED_BY:
            self._owed.add(kind)
            if kind in self._habits.acknowledges and self._due_since_ns is None:
                self._due_since_ns = now_ns

    def received(self, event: Mapping[str, Any], now_ns: int) -> None:
        """An event has come from the server."""
        kind = text_of(event, "type")
        for owed in [o for o in self._owed if kind in _ACKNOWLEDGED_BY[o]]:
            self._owed.discard(owed)
            self._habits.acknowledges.add(owed)
        if kind == _FOUND and self._probe:
            self._answered()
        self.heard(now_ns)

    def heard(self, now_ns: int) -> None:
        """Anything has come from the server."""
        self._heard_ns = now_ns
        self._due_since_ns = None
        self._probe_ns = None
        self._speech_ns, self._speech_frames = None, 0

    def is_heard_since(self, time_ns: int) -> bool:
        """Whether anything has come from the server at that time or later."""
        return self._heard_ns is not None and self._heard_ns >= time_ns

    def speech(self, now_ns: int) -> None:
        """20 ms of the room are not quiet."""
        if self._speech_ns is None:
            self._speech_ns = now_ns
        self._speech_frames += 1

    def takes_answer(self, event_id: str, words: str, now_ns: int) -> bool:
        """Whether a refusal of ``event_id`` is the answer to our newest question.

        One that does not say (empty) is while the answer may come, or where its ``words`` speak of
        the question.
        """
        if not self._probe or event_id not in ("", self._probe):
            return False
        is_due = now_ns < self._asked_ns + PROBE_NS
        if not (event_id or is_due or any(ours in words for ours in _QUESTION)):
            return False
        self._answered()
        return True

    def closed(self, now_ns: int) -> None:
        """The session is over."""
        if self._probe_ns is not None and now_ns - self._probe_ns < HANGS_UP_NS:
            self._habits.hangs_up = True

    def doubt(self, now_ns: int) -> list[Probe]:
        """Something else did not come: ask, unless a question is open."""
        if self._probe_ns is not None or not self._may_be_asked:
            self._is_conclusive = True
            return []
        self._probe_ns, self._is_conclusive = now_ns, True
        return [Probe()]

    def next_timeout_ns(self, waiting_ns: int | None, hears: bool = False) -> int | None:
        """When to call ``due``.

        Args:
            waiting_ns: since when people wait for an answer; None: they do not.
            hears: the server has said that somebody speaks.
        """
        if self._probe_ns is not None:
            return self._probe_ns + PROBE_NS
        if self._is_to_learn:
            return 0
        return earliest(self._doubt_ns(waiting_ns), None if hears else self._speech_due_ns())

    def due(
        self, waiting_ns: int | None, now_ns: int, hears: bool = False
    ) -> Probe | Silent | None:
        """What to do now; None: nothing."""
        timeout_ns = self.next_timeout_ns(waiting_ns, hears)
        if timeout_ns is None or now_ns < timeout_ns:
            return None
        if self._probe_ns is not None:
            return self._unanswered()
        self._has_learnt = self._habits.was_asked = True
        is_speech = not hears and timeout_ns == self._speech_due_ns()
        self._is_conclusive = is_speech or self._due_since_ns is not None
        if is_speech:
            self._speech_after_ns = now_ns + self._pause_ns
            self._pause_ns = min(2 * self._pause_ns, MAX_PAUSE_NS)
        self._probe_ns = now_ns
        return Probe()

    def _doubt_ns(self, waiting_ns: int | None) -> int | None:
        times = [time_ns for time_ns in (waiting_ns, self._due_since_ns) if time_ns is not None]
        if not times or not self._may_be_asked:
            return None
        return max(min(times), self._heard_ns or 0) + DUE_NS

    def _speech_due_ns(self) -> int | None:
        if self._speech_ns is None or self._speech_frames < LEAST_SPEECH_FRAMES:
            return None
        if not self._hears_turns or not self._may_be_asked:
            return None
        return max(self._speech_ns + SPEECH_NS, self._speech_after_ns)

    @property
    def _may_be_asked(self) -> bool:
        """Whether no answer to a question would say anything."""
        return self._habits.answers_probes is not False and not self._habits.hangs_up

    @property
    def _is_to_learn(self) -> bool:
        """Whether it is asked only to know whether it answers."""
        if self._has_learnt or self._habits.answers_probes or self._habits.hangs_up:
            return False
        return self._habits.answers_probes is False or not self._habits.was_asked

    def _answered(self) -> None:
        self._probe = ""
        self._habits.answers_probes = self._has_answered = True

    def _unanswered(self) -> Silent | None:
        self._probe_ns = None
        is_known = self._habits.answers_probes is True
        if not self._may_be_asked or not (is_known or self._is_conclusive):
            return None
        if not self._has_answered:  # Not this one: the next one asks at once.
            self._habits.answers_probes = False
        return Silent()
