"""The parts of a room's engine, what is known of them, and the way of a signal through them.

Sans-I/O. The base of ``RoomEngine``. A part that is told something returns actions and signals; of
each signal it is asked what follows (``Consequences``), until only actions are left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.units import MS_NS

from .actions import Action
from .audience import Audience
from .consequences import Consequences
from .deadlines import Deadlines
from .lifecycle_actions import State
from .moving import Moving
from .outlet import Outlet
from .parts import RoomConfig, RoomParts
from .people import People
from .room_sound import RoomSound
from .rule_changes import RuleChanges
from .server_ids import ServerIds
from .signals import Outcome, Signal
from .startup import Startup


class EngineCourse:
    """Of one room."""

    def __init__(self, config: RoomConfig, wall_ms: int, now_ns: int) -> None:
        """``wall_ms``: Unix time at ``now_ns``."""
        settings = config.settings
        parts = self._parts = RoomParts(config)
        self.metrics = parts.metrics
        self._wall_offset_ns = wall_ms * MS_NS - now_ns
        self._record = parts.record
        self._sessions = parts.sessions
        self._handover = parts.handover
        self._connection = parts.connection
        has_tools = bool(settings.tools or settings.mcp_servers)
        self._startup = Startup(parts.record, parts.tools, parts.sessions, has_tools)
        rules = RuleChanges(parts, config.room_settings)
        self._audience = Audience(config, parts, rules)
        self._people = People(parts, self._audience)
        self._consequences = Consequences(
            config, parts, self._startup, self._audience, self._people
        )
        self._moving = Moving(parts, self._startup)
        self._deadlines = Deadlines(
            parts, self._startup, self._audience, self._people, self._moving
        )
        self._sound = RoomSound(parts, self._moving)
        self._ids = ServerIds(parts.sessions, parts.record, config.mark)
        self._outlet = Outlet(parts.sessions, self._ids)
        self._settings = settings
        self._rules = rules

    # -- what is known ----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """How the connection is, for signaling."""
        return self._connection.state

    @property
    def detail(self) -> str:
        """Why it is so, in words."""
        return self._connection.detail

    @property
    def epoch(self) -> int:
        """The room's epoch, as far as it is known here."""
        return self._parts.epoch.number

    @property
    def active_session(self) -> int:
        """Number of the session that has the room or will have it; 0: there is none."""
        return self._parts.active_session

    def counters(self) -> dict[str, int | float]:
        """For the metrics."""
        return {
            **self._sessions.counters(),
            **self._record.spending.metrics(),
            **self._outlet.counters(),
            **self._parts.own_words.counters(),
            "calls_total": self._connection.attempts,
            "connect_ms": self._connection.connect_ms,
            "rollovers_begun_total": self._handover.begun,
            "rollovers_total": self._handover.completed,
            "epoch": self.epoch,
        }

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return earliest(self._deadlines.next_timeout_ns(), self._outlet.next_timeout_ns())

    # -- signals ----------------------------------------------------------------------------------

    def _settle_each(self, steps: Iterable[list[Outcome]], now_ns: int) -> list[Action]:
        """Of several steps, all that follows from one comes before the next is made."""
        return [action for outcomes in steps for action in self._settle(outcomes, now_ns)]

    def _settle(self, outcomes: Sequence[Outcome], now_ns: int) -> list[Action]:
        """Pass signals on until only actions are left; what follows from one comes in its place."""
        actions: list[Action] = []
        waiting = deque(outcomes)
        while waiting:
            outcome = waiting.popleft()
            if isinstance(outcome, Signal):
                follows = self._consequences.of(outcome, self._wall_ms(now_ns), now_ns)
                waiting.extendleft(reversed(follows))
                continue
            actions += self._outlet.shaped(outcome, now_ns)
        return actions

    def _wall_ms(self, now_ns: int) -> int:
        return (now_ns + self._wall_offset_ns) // MS_NS
