"""What follows for a room that goes on at another machine, or comes from one. Sans-I/O.

``Yielding`` says when the room is left. What is left is in the journal before the other machine
hears of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mixer_core.journal.records import HistoryItem
from mixer_core.runtime.units import S_NS

from .actions import Log, RoomYielded
from .lifecycle import JOIN_GRACE_NS
from .parts import RoomParts
from .signals import Outcome, ReplyMayWait, ReplyRequested, RoomGranted
from .startup import Startup

STANDBY_GRACE_NS = 60 * S_NS
"""How long a room is prepared that another machine is to hand over."""
MOVED = "moved"
"""Why sessions end whose room goes on at another machine."""


class Moving:
    """Of one room; methods return what follows, in order."""

    def __init__(self, parts: RoomParts, startup: Startup) -> None:
        self._parts = parts
        self._startup = startup

    @property
    def grace_ns(self) -> int:
        """How long the room may be empty at first."""
        return STANDBY_GRACE_NS if self._parts.sessions.is_elsewhere else JOIN_GRACE_NS

    def left(self, wall_ms: int, now_ns: int) -> Iterator[list[Outcome]]:
        """Nobody here speaks any more; what was said is written.

        In steps: each is made when all has followed from the one before.
        """
        parts, how = self._parts, "in a pause"
        if not parts.yielding.was_in_pause:
            how = "in speech: the time was up"
        yield parts.recording.end("the room goes on at another machine", wall_ms)
        talking = parts.sessions.talking
        if talking is not None:
            yield talking.drain(now_ns)
        words = "The room goes on at another machine."
        parts.waiting.is_room_here = False
        yield parts.connection.suspend(MOVED, words, wall_ms, now_ns)
        owed = parts.record.pending_reply.is_pending
        log = Log("info", f"= the room is left to another machine, {how}")
        yield [log, RoomYielded(owed)]

    def stays(self, wall_ms: int, now_ns: int) -> list[Outcome]:
        """The room stays here, whether or not it was left already."""
        self._parts.yielding.cancel()
        self._parts.waiting.is_room_here = True
        return self._parts.connection.resume(MOVED, wall_ms, now_ns)

    def granted(self, items: Sequence[HistoryItem], now_ns: int) -> list[Outcome]:
        """The room of another machine is here now, where ``items`` were said."""
        return [*self._startup.caught_up(items, now_ns), RoomGranted()]

    def owes_answer(self) -> list[Outcome]:
        """People wait for an answer that another machine, which had the room, did not give."""
        return [ReplyRequested(), ReplyMayWait()]
