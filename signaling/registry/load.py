"""How many more the gateway can take, as measured, and what it does without meanwhile. Sans-I/O.

The level says what is shed, in this order; nobody's samples ever are:

=====  ================================================================================
level  from then on
=====  ================================================================================
1      browsers get the levels of voices less often (mixer)
2      captions that are not final come less often (links)
3      newcomers, and with them new rooms, are refused; those who return are not
=====  ================================================================================

It rises at once and falls by one step when the load has been clearly lower for a while, so that
nothing flaps. What was admitted a moment ago is not measured yet, and is added as what a session
has cost so far. A gateway where nobody is takes somebody whatever is measured: other programs may
keep a machine busy for ever, and only a call shows whether they are in its way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from mixer_core.runtime.units import S_NS

from .load_meter import Load, Signal

RISES = (0.70, 0.85, 1.0)
"""Ratio from which each level holds."""
FALL = 0.10
"""A level ends when the ratio has been lower than its beginning by this …"""
CALM_NS = 4 * S_NS
"""… for this time."""
REFUSING = 3
"""Level at which newcomers are refused."""
FRESH_NS = 3 * S_NS
"""After this time a newcomer shows in what is measured."""
SESSION_CORES = 0.08
"""What a session takes of a processor, until it is known better: measured on x86, talking."""
LEAST_SESSION_CORES, MOST_SESSION_CORES = 0.03, 1.0
TO_AN_EMPTY_ONE = 2
"""People who may come to a gateway where nobody is connected, whatever is measured."""
NO_IDLE = 0.95
AT_ONCE = 4
"""Share of the processors in use, by whomever, from which few may come at once, and one by one as
soon as the load shows: nothing is left that could be counted on, and what one more does is seen
only after a while."""
RETRY_S = 5
PLENTY = 1_000

WORDS: Mapping[Signal, str] = {
    "processor": "its processors are at work for those who are here",
    "waiting": "its programs wait too long for a processor",
    "lateness": "its mixer is late",
    "backlog": "sound gets lost on its way through",
    "memory": "it is short of memory",
}
COMING_IN = "many are coming in at this moment"


@dataclass(frozen=True, slots=True)
class LoadView:
    """The level, as ``/readyz`` shows it."""

    level: int
    percent: int
    """Of what the gateway bears."""
    reason: str
    """In words; empty at level 0."""


class LoadPolicy:
    """Decides by the measured load; fed once a second."""

    def __init__(self, is_on: bool = True) -> None:
        """``is_on``: False measures and shows, but refuses and sheds nothing."""
        self._is_on = is_on
        self._load = Load()
        self._level = 0
        self._since_ns = 0
        """Since when the load has been low enough for the next lower level."""
        self._session_cores = SESSION_CORES
        self._fresh: deque[int] = deque()
        """When those came who do not show yet."""

    @property
    def level(self) -> int:
        """What to shed, from 0 to 3."""
        return self._level if self._is_on else 0

    def measured(self, load: Load, people: int, now_ns: int) -> bool:
        """A new measurement; whether the level has changed. ``people``: in rooms now."""
        self._load = load
        self._forget(now_ns)
        if people > len(self._fresh) and load.own_cores:
            cost = min(max(load.own_cores / people, LEAST_SESSION_CORES), MOST_SESSION_CORES)
            self._session_cores += (cost - self._session_cores) / 4
        wanted = sum(load.ratio >= rise for rise in RISES)
        before = self._level
        if not people:  # There is nothing to shed, and nobody who would notice.
            self._level, self._since_ns = 0, now_ns
        elif wanted >= before or load.ratio > RISES[before - 1] - FALL:
            self._level, self._since_ns = max(wanted, before), now_ns
        elif now_ns - self._since_ns >= CALM_NS:
            self._level, self._since_ns = before - 1, now_ns
        return self._level != before

    def came_in(self, now_ns: int) -> None:
        """Somebody was admitted."""
        self._forget(now_ns)
        self._fresh.append(now_ns)

    def free(self, connected: int, pending: int, now_ns: int) -> int:
        """How many more may come in now.

        ``connected``, ``pending``: people who are in rooms, and who are on their way.
        """
        if not self._is_on:
            return PLENTY
        if not connected:
            return max(0, TO_AN_EMPTY_ONE - pending)
        if self._level >= REFUSING:
            return 0
        self._forget(now_ns)
        left = max(1.0 - self._load.ratio, 0.0) * self._load.bears_cores
        fits = int(left / self._session_cores)
        if self._load.busy >= NO_IDLE:
            fits = min(fits, max(1, int(AT_ONCE * (1.0 - self._load.ratio / RISES[0]) + 0.5)))
        return max(0, fits - len(self._fresh))

    def words(self) -> str:
        """Why newcomers are refused."""
        return WORDS[self._load.worst] if self._level >= REFUSING else COMING_IN

    def view(self) -> LoadView:
        """The level and its reason."""
        reason = WORDS[self._load.worst] if self._level else ""
        return LoadView(self._level, round(100 * self._load.ratio), reason)

    def burden(self, people: int) -> float:
        """The load as it counts for newcomers: a share of what the gateway bears, 1.0 is all.

        0 where it counts for nobody: the policy is off, or nobody is here who made it. ``people``:
        in rooms and on their way.
        """
        return self.view().percent / 100 if self._is_on and people else 0.0

    def gauges(self) -> dict[str, int | float]:
        """For ``/metrics``."""
        ratios = {f"load_{name}_ratio": round(r, 3) for name, r in self._load.ratios.items()}
        return {
            **ratios,
            "load_level": self._level,
            "load_session_cores": round(self._session_cores, 4),
            "load_own_cores": round(self._load.own_cores, 3),
            "load_machine_busy_ratio": round(self._load.busy, 3),
        }

    def _forget(self, now_ns: int) -> None:
        while self._fresh and now_ns - self._fresh[0] >= FRESH_NS:
            self._fresh.popleft()


def line(before: int, now: int, view: LoadView) -> str:
    """What the log says of a change: when newcomers are refused, and when no longer."""
    if now >= REFUSING > before:
        return f"! busy at {view.percent} %: {view.reason}; newcomers get 503"
    if before >= REFUSING > now:
        return f"= no longer busy ({view.percent} %): newcomers come in again"
    return ""
