"""What follows from a room's record for what is wanted of the room. Sans-I/O, without state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from mixer_core.cluster.placement import NoNode
from mixer_core.cluster.records import MAX_EPOCH, RoomRecord

from .owner_actions import (
    Announce,
    Claim,
    Entry,
    Give,
    Here,
    Lose,
    Nobody,
    Nodes,
    Place,
    Reclaim,
    Refresh,
    Release,
    There,
    Where,
    Wish,
)

Standing = Literal["nobody's", "mine", "for me", "for another", "live", "unsure", "lost"]
"""Whose a room is. ``for me``, ``for another``: the record names a node that does not own the room:
it was chosen and has not taken it yet, or, if this one, owned it under an earlier incarnation."""
TAKEN = "another machine has this room now"
FULL = "the machine that has this room is full"
RETRY_S = 5
LATEST_S = MAX_EPOCH // 4 * 3
"""The year 2072: a clock that shows more is wrong, and epochs have to go on growing."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides for one node."""

    node: str
    incarnation: str
    """Empty: it has no lease."""
    nodes: Nodes
    unix_s: Callable[[], int]
    """What this machine's clock shows."""

    def standing(self, entry: Entry, is_held: bool, now_ns: int) -> Standing:
        """Whose the room of a record is. ``is_held``: this node has written it."""
        record = entry.record
        if record is None or not record.node:
            return "nobody's"
        if record.node == self.node:
            return "mine" if is_held and record.incarnation == self.incarnation else "for me"
        if not record.incarnation:
            return "for another"
        return self.nodes.verdict(record.node, record.incarnation, now_ns)

    def decide(
        self, room: str, wish: Wish, entry: Entry, whose: Standing, floor: int, now_ns: int
    ) -> Place | Lose | RoomRecord:
        """The answer, or the record that has to be written first.

        ``floor``: the room's epoch was so high already, whatever the record says.
        """
        if isinstance(wish, Give | Announce | Release | Refresh):
            return _changed(wish, entry) if whose == "mine" else _place(entry, whose)
        if isinstance(wish, Where) or whose == "mine":
            return _place(entry, whose)
        here = isinstance(wish, Reclaim) or wish.here or whose == "for me"
        if whose in ("nobody's", "lost", "for me"):
            return self._taken(room, wish, here, entry, floor, now_ns)
        if isinstance(wish, Reclaim):
            return Nobody() if whose == "unsure" else Lose(room, TAKEN)
        node = entry.record.node if entry.record else ""
        if whose == "for another" and (node in wish.avoid or not self.nodes.is_there(node)):
            return self._taken(room, wish, here, entry, floor, now_ns)
        return Nobody(FULL, RETRY_S) if node in wish.avoid else There(node)

    def _taken(
        self, room: str, wish: Claim | Reclaim, here: bool, entry: Entry, floor: int, now_ns: int
    ) -> Nobody | RoomRecord:
        """The record under which the room gets a node: this one, or the one that is chosen."""
        node: str | NoNode = self.node
        if not here and isinstance(wish, Claim):
            node = self.nodes.choose(wish.needs, wish.avoid, now_ns)
        if isinstance(node, NoNode):
            return Nobody(node.why, node.retry_after_s)
        last = entry.record or RoomRecord(room=room)
        was_chosen = node == last.node and not last.incarnation
        is_new = not was_chosen or last.epoch <= floor
        epoch = self._next_epoch(max(last.epoch, floor)) if is_new else last.epoch
        incarnation = self.incarnation if node == self.node else ""
        return RoomRecord(room=room, node=node, incarnation=incarnation, epoch=epoch)

    def _next_epoch(self, known: int) -> int:
        """Greater than all before, of which only ``known`` is.

        The bucket forgets rooms, or is lost, while the journal knows their epochs for as long as it
        keeps words. So an epoch is the time, and one more only where that is not greater.
        """
        return max(known + 1, min(self.unix_s(), LATEST_S))


def _changed(wish: Give | Announce | Release | Refresh, entry: Entry) -> Place | RoomRecord:
    """The record of a room that is this node's, as it shall be."""
    record = entry.record
    assert record is not None
    if isinstance(wish, Give):
        return RoomRecord(room=record.room, node=wish.target, epoch=record.epoch + 1)
    if isinstance(wish, Release):
        return RoomRecord(room=record.room, epoch=record.epoch)
    if isinstance(wish, Announce) and record.next == wish.target:
        return Here(record.epoch)
    return replace(record, next=wish.target) if isinstance(wish, Announce) else record


def _place(entry: Entry, whose: Standing) -> Place:
    """Where a look at the room is answered."""
    record = entry.record
    if record is None or whose in ("nobody's", "lost"):
        return Nobody()
    return Here(record.epoch) if whose in ("mine", "for me") else There(record.node)
