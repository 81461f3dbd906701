"""The deadlines of a room's parts, in the order in which they are looked at. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator

from mixer_core.runtime.earliest import earliest

from .audience import Audience
from .moving import Moving
from .parts import RoomParts
from .people import People
from .signals import Outcome
from .startup import Startup


class Deadlines:
    """Of one room."""

    def __init__(
        self,
        parts: RoomParts,
        startup: Startup,
        audience: Audience,
        people: People,
        moving: Moving,
    ) -> None:
        self._parts = parts
        self._startup = startup
        self._audience = audience
        self._people = people
        self._moving = moving

    def next_timeout_ns(self) -> int | None:
        """When to call ``passed``; None where nothing waits."""
        parts = self._parts
        return earliest(
            parts.connection.next_timeout_ns(),
            parts.sessions.next_timeout_ns(),
            parts.handover.next_timeout_ns(),
            parts.record.next_timeout_ns(),
            parts.tools.next_timeout_ns(),
            parts.address.next_timeout_ns(),
            self._startup.next_timeout_ns(),
            parts.recording.next_timeout_ns(),
            self._audience.next_timeout_ns(),
            parts.yielding.next_timeout_ns(),
            parts.own_words.next_timeout_ns(),
            self._people.next_timeout_ns(),
        )

    def passed(self, wall_ms: int, now_ns: int) -> Iterator[list[Outcome]]:
        """The time-out was reached, perhaps.

        In steps: each is made when all has followed from the one before.
        """
        parts = self._parts
        yield parts.sessions.tick(now_ns)
        yield parts.handover.tick(wall_ms, now_ns)
        yield parts.record.tick(now_ns)
        yield parts.tools.tick(now_ns)
        yield parts.address.tick(now_ns)
        yield parts.own_words.tick(now_ns)
        yield parts.recording.tick(wall_ms, now_ns)
        yield [*self._startup.tick(now_ns), *self._audience.tick(now_ns)]
        yield self._people.tick(now_ns)
        yield parts.connection.tick(wall_ms, now_ns)
        if parts.yielding.tick(now_ns):
            yield from self._moving.left(wall_ms, now_ns)
