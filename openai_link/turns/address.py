"""Whether a turn is for the assistant: "was that for me?" Sans-I/O.

================  =================================================================================
rule              a spoken turn is answered
================  =================================================================================
``always``        always: the server does so by itself
``addressed``     when it calls the assistant by name (``calling``), or follows a question that the
                  assistant asked; of somebody who is alone always
``open``          the same, and without a name if it began while a reply was heard, or soon after
``push_to_talk``  when somebody held the button (``push_to_talk``)
================  =================================================================================

Under ``addressed`` and ``open`` the server is told to answer no turn by itself, so that a turn
which is for somebody else costs no response. Most turns are decided when they end; those that may
have a name wait for their words. Words that have not come within ``WORDS_NS``, or that nobody could
write down, call nobody: the turn is not answered, and the room is told so (``no_words``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from mixer_core.runtime.room_rules import Address
from mixer_core.runtime.units import S_NS

from .calling import calls

WORDS_NS = 5 * S_NS
"""A turn waits so long for its words; then it is not answered."""
FOLLOW_UP_NS = 8 * S_NS
"""A turn that begins so soon after a question of the assistant may be its answer."""
MAX_TURNS = 32
"""Turns that may wait for their words; of more the oldest are not answered."""

Reason = Literal[
    "alone", "called", "follow_up", "open", "not_called", "no_words", "too_many", "rule", "stopped"
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A turn is to be answered, or not."""

    item: str
    is_answered: bool
    reason: Reason


@dataclass(slots=True)
class _Turn:
    began_ns: int
    ended_ns: int | None = None
    """None: it is being spoken."""


class AddressPolicy:
    """Of one room; it outlives the sessions. Turns are known by their items."""

    def __init__(self, rule: Address, names: Iterable[str], open_ns: int) -> None:
        """``names``: those that the assistant answers to; ``open_ns``: see ``open``."""
        self.rule: Address = rule
        self._names = tuple(names)
        self._open_ns = open_ns
        self._people: Collection[str] = ()
        self._turns: dict[str, _Turn] = {}
        self._early: dict[str, Reason] = {}
        """What the words say of turns that are not over, by item."""
        self.is_replying = False
        """A reply is being heard."""
        self._replied_ns: int | None = None
        """When the newest reply ended; None: there was none."""
        self._asked_by: str | None = None
        """Whom the assistant has just asked something (a participant; empty: anybody)."""

    @property
    def is_asked(self) -> bool:
        """The server must not answer by itself: each turn is decided here."""
        return self.rule in ("addressed", "open")

    def change(self, rule: Address, names: Iterable[str], open_ns: int) -> list[Verdict]:
        """The rule is this from now on; what is undecided is decided by it."""
        self._names, self._open_ns = tuple(names), open_ns
        if rule == self.rule:
            return []
        self.rule = rule
        self._early.clear()
        if self.is_asked:
            return []
        return [self._decided(item, rule == "always", "rule") for item in self._waiting()]

    def people(self, names: Collection[str]) -> None:
        """The names of those who are in the room."""
        self._people = names

    # -- turns ------------------------------------------------------------------------------------

    def speech_started(self, item: str, now_ns: int) -> Verdict | None:
        """Somebody begins to speak. A verdict is that of the oldest turn: too many wait."""
        if not self.is_asked:
            return None
        self._turns[item] = _Turn(now_ns)
        if len(self._turns) <= MAX_TURNS:
            return None
        return self._decided(next(iter(self._turns)), False, "too_many")

    def committed(self, item: str, speakers: Collection[str], now_ns: int) -> Verdict | None:
        """A turn is over; ``speakers``: participants whose voice was in it, as far as is known.

        None: its words decide.
        """
        if not self.is_asked:
            return None
        turn = self._turns.pop(item, None) or _Turn(now_ns)
        turn.ended_ns = now_ns
        self._turns[item] = turn
        if len(self._people) <= 1:
            return self._decided(item, True, "alone")
        if self.rule == "open" and self._is_open(turn):
            return self._decided(item, True, "open")
        if self._is_follow_up(turn, speakers):
            return self._decided(item, True, "follow_up")
        early = self._early.get(item)
        return None if early is None else self._decided(item, early == "called", early)

    def words(self, item: str, text: str, now_ns: int) -> Verdict | None:
        """The transcript of a turn; empty: nobody could write it down.

        None: it was decided, or is not over.
        """
        turn, reason = self._turns.get(item), self._reason(text)
        if turn is not None and turn.ended_ns is not None:
            return self._decided(item, reason == "called", reason)
        if self.is_asked:
            self._early[item] = reason
            if len(self._early) > MAX_TURNS:
                del self._early[next(iter(self._early))]
        return None

    def stopped(self) -> list[Verdict]:
        """The assistant was stopped: turns that are over and undecided are not answered."""
        return [self._decided(item, False, "stopped") for item in self._waiting()]

    # -- replies ----------------------------------------------------------------------------------

    def reply_began(self) -> None:
        """A reply is being heard."""
        self.is_replying, self._asked_by = True, None

    def reply_ended(self, text: str, asker: str, is_cut: bool, now_ns: int) -> None:
        """A reply was heard to its end, or cut off.

        Args:
            text: its words, or the last of them.
            asker: participant whom it answered; empty: nobody in particular.
            is_cut: it was cut off.
            now_ns: monotonic.
        """
        self.is_replying, self._replied_ns = False, now_ns
        asks = not is_cut and text.rstrip("\"'”’»)* ").endswith(("?", "？"))
        self._asked_by = asker if asks else None

    # -- time -------------------------------------------------------------------------------------

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        if not self._turns:
            return None
        ended = [turn.ended_ns for turn in self._turns.values() if turn.ended_ns is not None]
        return min(ended) + WORDS_NS if ended else None

    def tick(self, now_ns: int) -> list[Verdict]:
        """The time-out was reached: turns whose words did not come."""
        late = [i for i, turn in self._turns.items() if _is_late(turn, now_ns)]
        return [self._decided(item, False, "no_words") for item in late]

    # -- details ----------------------------------------------------------------------------------

    def _waiting(self) -> list[str]:
        return [item for item, turn in self._turns.items() if turn.ended_ns is not None]

    def _reason(self, text: str) -> Reason:
        if not text.strip():
            return "no_words"
        return "called" if calls(text, self._names, self._people) else "not_called"

    def _decided(self, item: str, is_answered: bool, reason: Reason) -> Verdict:
        del self._turns[item]
        self._early.pop(item, None)
        if reason in ("called", "not_called", "follow_up", "open"):
            self._asked_by = None  # A question has one answer.
        return Verdict(item, is_answered, reason)

    def _is_open(self, turn: _Turn) -> bool:
        if self.is_replying:
            return True
        return self._replied_ns is not None and turn.began_ns <= self._replied_ns + self._open_ns

    def _is_follow_up(self, turn: _Turn, speakers: Collection[str]) -> bool:
        if self._asked_by is None or self._replied_ns is None:
            return False
        is_theirs = not self._asked_by or not speakers or self._asked_by in speakers
        return is_theirs and turn.began_ns <= self._replied_ns + FOLLOW_UP_NS


def _is_late(turn: _Turn, now_ns: int) -> bool:
    return turn.ended_ns is not None and now_ns >= turn.ended_ns + WORDS_NS
