"""When a room moves to its next session, so that none ever ends under it. Sans-I/O.

A session lives for a limited time (OpenAI: 60 minutes). Some time before its end the next one is
opened and seeded while the old one talks; then the room moves in a pause, at the latest
shortly before the end, and even in speech. Short sessions shrink the margins with them.

=========  ====================================  ============================================
phase      means                                 leaves by
=========  ====================================  ============================================
resting    the session has time                  the margin is reached: ``OpenNext``
opening    the next one is being made            ``next_ready``, ``next_failed`` (again later)
waiting    the next one is ready                 a pause or the deadline: ``Move``
=========  ====================================  ============================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixer_core.runtime.units import S_NS

from ..settings import OpenaiLinkSettings

Phase = Literal["resting", "opening", "waiting"]

LENGTH_S = 3_600.0
"""Length of a session whose server does not say it, or not sensibly."""
PLAUSIBLE_S = (5.0, 24 * 3_600.0)
"""Any other length shows that the clocks disagree."""
MARGIN_SHARE = 0.3
LEAST_MARGIN_S = 6.0
DEADLINE_SHARE = 0.15
LEAST_DEADLINE_S = 2.0
PAUSE_NS = 400_000_000
"""How long quiet must last to count as a pause."""
OPEN_TIMEOUT_NS = 12 * S_NS
"""A next session that is not ready by then is given up."""
RETRY_NS = 2 * S_NS
"""Before the next session is tried again; doubled each time."""


@dataclass(frozen=True, slots=True)
class OpenNext:
    """Open the next session and seed it with history."""


@dataclass(frozen=True, slots=True)
class DropNext:
    """The next session was not ready in time: end it."""


@dataclass(frozen=True, slots=True)
class Move:
    """Let the room go on with the next session now."""

    in_pause: bool
    """Nobody spoke; else the time was up."""


RolloverAction = OpenNext | DropNext | Move


class Rollover:
    """The rollovers of one room; feed it what happens and ``tick`` on time-out."""

    def __init__(self, settings: OpenaiLinkSettings) -> None:
        self._margin_s = settings.rollover_margin_s
        self._deadline_s = settings.rollover_deadline_s
        self.phase: Phase = "resting"
        self._margin_ns: int | None = None
        self._deadline_ns = 0
        self._retry_ns = 0
        self._opening_until_ns = 0
        self._failures = 0
        self._quiet_since_ns: int | None = None

    def began(self, expires_at_s: int, wall_s: float, now_ns: int) -> None:
        """The room talks to a session that ends at ``expires_at_s`` (Unix time; 0: unknown)."""
        length_s = expires_at_s - wall_s
        if not PLAUSIBLE_S[0] <= length_s <= PLAUSIBLE_S[1]:
            length_s = LENGTH_S
        margin_s = min(self._margin_s, max(LEAST_MARGIN_S, MARGIN_SHARE * length_s))
        deadline_s = min(self._deadline_s, max(LEAST_DEADLINE_S, DEADLINE_SHARE * length_s))
        end_ns = now_ns + int(length_s * S_NS)
        self.phase = "resting"
        self._failures = 0
        self._margin_ns = end_ns - int(min(margin_s, length_s / 2) * S_NS)
        self._deadline_ns = end_ns - int(min(deadline_s, margin_s / 2) * S_NS)
        self._retry_ns = self._margin_ns

    def ended(self) -> None:
        """The session was lost; the next one is a new beginning."""
        self.phase = "resting"
        self._margin_ns = None

    def next_ready(self, now_ns: int) -> list[RolloverAction]:
        """The next session is seeded."""
        if self.phase == "opening":
            self.phase = "waiting"
        return self.tick(now_ns)

    def next_failed(self, now_ns: int, retry_after_ns: int = 0) -> list[RolloverAction]:
        """The next session could not be made, or was lost; the server may wish for a wait."""
        if self.phase != "resting":
            self.phase = "resting"
            self._retry_ns = now_ns + max(RETRY_NS << min(self._failures, 5), retry_after_ns)
            self._failures += 1
        return []

    def activity(self, busy: bool, now_ns: int) -> list[RolloverAction]:
        """Whether somebody speaks, the assistant answers or a tool runs."""
        if busy:
            self._quiet_since_ns = None
        elif self._quiet_since_ns is None:
            self._quiet_since_ns = now_ns
        return self.tick(now_ns)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where no session is known."""
        if self._margin_ns is None:
            return None
        if self.phase == "resting":
            return self._retry_ns
        if self.phase == "opening":
            return self._opening_until_ns
        if self._quiet_since_ns is None:
            return self._deadline_ns
        return min(self._deadline_ns, self._quiet_since_ns + PAUSE_NS)

    def tick(self, now_ns: int) -> list[RolloverAction]:
        """The time-out was reached, perhaps."""
        due_ns = self.next_timeout_ns()
        if due_ns is None or now_ns < due_ns:
            return []
        if self.phase == "resting":
            self.phase = "opening"
            self._opening_until_ns = now_ns + OPEN_TIMEOUT_NS
            return [OpenNext()]
        if self.phase == "opening":
            self.next_failed(now_ns)
            return [DropNext()]
        in_pause = self._quiet_since_ns is not None and (now_ns >= self._quiet_since_ns + PAUSE_NS)
        self.phase = "resting"
        self._margin_ns = None
        return [Move(in_pause)]
