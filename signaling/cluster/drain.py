"""How the rooms of a node move to others, so that the node may end. Sans-I/O.

The next owner has its session, with the history, before the old one stops; and the old one has
stopped before the next one may speak. So nobody waits for a session, and no room has two voices.

==========  ==============================================  ========================================
a room is   means                                           leaves by
==========  ==============================================  ========================================
waiting     its turn has not come, or its last try failed   a place among those that move
asking      a node was asked to prepare it                  ``prepared``, ``refused``, a time-out
yielding    its link leaves it in the next pause            ``yielded``, a time-out
giving      its record is written for the next owner        ``given``, ``not_given``
==========  ==============================================  ========================================

What cannot move (no other node takes it, its link does not answer) is tried again until the limit;
then it stays, and ends as it does on a single machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from mixer_core.runtime.units import S_NS

Phase = Literal["waiting", "asking", "yielding", "giving"]

MOST_AT_ONCE = 4
"""Rooms that move at the same time: each opens a session elsewhere."""
PREPARE_NS = 16 * S_NS
"""A node that has not prepared a room by then is passed over."""
PAUSE_NS = 20 * S_NS
"""Longest wait for a pause in a room."""
ANSWER_NS = 4 * S_NS
"""And then for the link's word that it has left the room."""
GIVE_NS = 10 * S_NS
"""A record that is not written by then may or may not be: the lease decides."""
RETRY_NS = 2 * S_NS
"""Before a room is tried again."""
LIMIT_NS = 180 * S_NS
"""What has not moved by then stays."""
LINGER_NS = 4 * S_NS
"""From the last move to the end: this node hands on what browsers ask while they join again."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Ask another node to prepare the room; answer by ``prepared`` or ``refused``."""

    room: str
    avoid: frozenset[str]
    """Nodes that have refused it."""


@dataclass(frozen=True, slots=True)
class Yield:
    """Have the room's link leave it in the next pause; answer by ``yielded``."""

    room: str
    within_ns: int
    order: int
    """Comes back with the answer: one to an earlier order counts no more."""


@dataclass(frozen=True, slots=True)
class Give:
    """Write the room's record for the next owner; answer by ``given`` or ``not_given``."""

    room: str
    target: str
    owed: bool
    """People wait for an answer that the old session did not give."""


@dataclass(frozen=True, slots=True)
class Resume:
    """The room stays for now: its link may talk again."""

    room: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """Tell a node that has prepared the room that it does not come."""

    room: str
    target: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is left to move: end, or drain what stays as a single machine does."""

    stay: tuple[str, ...]
    """Rooms that could not move."""


DrainAction = Prepare | Yield | Give | Resume | Abandon | Finished


@dataclass(slots=True)
class _Move:
    phase: Phase = "waiting"
    target: str = ""
    avoid: set[str] = field(default_factory=set)
    due_ns: int = 0
    """When the phase ends by itself."""
    order: int = 0
    """Of the latest ``Yield``."""
    why: str = ""
    """Why the last try failed."""


class Drain:
    """Of one node. Every method returns the actions to carry out, in order."""

    def __init__(self) -> None:
        self._moves: dict[str, _Move] = {}
        self._until_ns: int | None = None
        self._moved_ns: int | None = None
        self._is_finished = False
        self._orders = 0
        self._left: set[str] = set()
        """Rooms that were given away, by all that was known: their links have left them."""
        self._is_sure = False
        """It is known which rooms are this node's."""
        self._unsure: tuple[str, ...] = ()
        """Those that may be."""
        self.moved = 0
        """Rooms that have another owner now."""

    @property
    def is_begun(self) -> bool:
        """Whether the node's rooms are to move."""
        return self._until_ns is not None

    @property
    def left(self) -> dict[str, str]:
        """By room that is still here: what it waits for, in words."""
        return {room: _words(move) for room, move in self._moves.items()}

    def begin(self, now_ns: int, limit_ns: int = LIMIT_NS) -> None:
        """The node's rooms are to move; ``rooms`` follows. Again: the nearer end counts."""
        until_ns = now_ns + limit_ns
        self._until_ns = until_ns if self._until_ns is None else min(self._until_ns, until_ns)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        if self._until_ns is None or self._is_finished:
            return None
        if not self._moves:
            return self._end_ns() if self._is_sure else self._until_ns
        free = sum(move.phase != "waiting" for move in self._moves.values()) < MOST_AT_ONCE
        times = [m.due_ns for m in self._moves.values() if m.phase != "waiting" or free]
        return min([*times, self._until_ns])

    def rooms(
        self, held: Iterable[str], now_ns: int, unsure: Collection[str] = ()
    ) -> list[DrainAction]:
        """Exactly these rooms are this node's.

        ``unsure``: those that may be, for people are in them: a node that has lost its lease may
        have them again soon.
        """
        if self._until_ns is None or self._is_finished:
            return []
        held, self._is_sure, self._unsure = set(held), not unsure, tuple(sorted(unsure))
        actions: list[DrainAction] = []
        for room, move in list(self._moves.items()):
            if room not in held and room not in unsure and move.phase != "giving":
                actions += self._gone(room)
        for room in sorted(held - self._moves.keys()):
            self._moves[room] = _Move(due_ns=now_ns)
            if room in self._left:  # It is still this node's, which had lost its lease.
                self._left.discard(room)
                actions.append(Resume(room))
        return [*actions, *self.tick(now_ns)]

    def prepared(self, room: str, target: str, now_ns: int) -> list[DrainAction]:
        """``target`` has a session that knows the conversation."""
        move = self._moves.get(room)
        if move is None or move.phase != "asking":
            return [Abandon(room, target)]
        move.phase, move.target = "yielding", target
        move.due_ns = now_ns + PAUSE_NS + ANSWER_NS
        self._orders += 1
        move.order = self._orders
        return [Yield(room, PAUSE_NS, move.order)]

    def refused(self, room: str, target: str, why: str, now_ns: int) -> list[DrainAction]:
        """``target`` does not prepare the room; empty: there is none that could."""
        move = self._moves.get(room)
        if move is None or move.phase != "asking":
            return []
        if target:
            move.avoid.add(target)
        else:
            move.avoid.clear()  # Everybody was asked: from the beginning.
        return self._wait(move, why, now_ns, 0 if target else RETRY_NS)

    def yielded(self, room: str, order: int, owed: bool, now_ns: int) -> list[DrainAction]:
        """The room's link has closed its session, and what was said is in the journal."""
        move = self._moves.get(room)
        if move is None or move.phase != "yielding" or move.order != order:
            return []  # Whoever gave that order up has told the link to go on.
        move.phase, move.due_ns = "giving", now_ns + GIVE_NS
        return [Give(room, move.target, owed)]

    def given(self, room: str, now_ns: int) -> list[DrainAction]:
        """The room has its next owner."""
        if self._moves.pop(room, None) is not None:
            self._left.add(room)
            self.moved += 1
            self._moved_ns = now_ns
        return self.tick(now_ns)

    def not_given(self, room: str, why: str, now_ns: int) -> list[DrainAction]:
        """The room is still this node's, for certain."""
        move = self._moves.get(room)
        if move is None or move.phase != "giving":
            return []
        target = move.target
        waits = self._wait(move, why, now_ns, RETRY_NS)
        return [Resume(room), Abandon(room, target), *waits]

    def tick(self, now_ns: int) -> list[DrainAction]:
        """The time-out was reached, perhaps."""
        if self._until_ns is None or self._is_finished:
            return []
        actions: list[DrainAction] = []
        for room, move in list(self._moves.items()):
            if move.phase != "waiting" and now_ns >= move.due_ns:
                actions += self._late(room, move, now_ns)
        if now_ns >= self._until_ns:
            return [*actions, *self._finish()]
        actions += self._start(now_ns)
        if not self._moves and self._is_sure and now_ns >= self._end_ns():
            actions += self._finish()
        return actions

    def _start(self, now_ns: int) -> list[DrainAction]:
        actions: list[DrainAction] = []
        free = MOST_AT_ONCE - sum(move.phase != "waiting" for move in self._moves.values())
        due = [r for r, m in self._moves.items() if m.phase == "waiting" and now_ns >= m.due_ns]
        for room in due[: max(free, 0)]:
            move = self._moves[room]
            move.phase, move.due_ns = "asking", now_ns + PREPARE_NS
            actions.append(Prepare(room, frozenset(move.avoid)))
        return actions

    def _late(self, room: str, move: _Move, now_ns: int) -> list[DrainAction]:
        """A phase took too long."""
        target = move.target
        if move.phase == "asking":
            return self._wait(move, "no node has prepared it in time", now_ns, RETRY_NS)
        if move.phase == "yielding":
            waits = self._wait(move, "its link does not leave it", now_ns, RETRY_NS)
            return [Resume(room), Abandon(room, target), *waits]
        # Whoever carries ``Give`` out answers in any case; until then nobody may talk here.
        move.due_ns = now_ns + GIVE_NS
        return []

    def _wait(self, move: _Move, why: str, now_ns: int, wait_ns: int) -> list[DrainAction]:
        move.phase, move.why, move.target = "waiting", why, ""
        move.due_ns = now_ns + wait_ns
        return self._start(now_ns) if not wait_ns else []

    def _gone(self, room: str) -> list[DrainAction]:
        """The room has ended, or is another node's already. Should it come back, its link is not
        one that has left it."""
        move = self._moves.pop(room)
        if move.phase != "yielding":
            return []
        return [Resume(room), Abandon(room, move.target)]

    def _finish(self) -> list[DrainAction]:
        """What moves at this moment is left as it is: it may end well yet."""
        self._is_finished = True
        stay = [r for r, m in self._moves.items() if m.phase != "giving"]
        back: list[DrainAction] = []
        for room in stay:
            move = self._moves[room]
            if move.phase == "yielding":
                back += [Resume(room), Abandon(room, move.target)]
        others = [room for room in self._unsure if room not in self._moves]
        return [*back, Finished((*stay, *others))]

    def _end_ns(self) -> int:
        """With nothing left to move."""
        return 0 if self._moved_ns is None else self._moved_ns + LINGER_NS


def _words(move: _Move) -> str:
    now = {
        "waiting": "waits",
        "asking": "another node prepares it",
        "yielding": f"goes to {move.target} in the next pause",
        "giving": f"goes to {move.target}",
    }[move.phase]
    return f"{now} ({move.why})" if move.why else now
