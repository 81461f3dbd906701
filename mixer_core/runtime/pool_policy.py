"""How many children a host keeps, and what it does about those that fail. Sans-I/O.

Every decision follows from what is there now, never from an event that somebody may have missed:
while fewer children are idle than wanted, a timer is armed that tries again. Children may come from
an earlier host: whoever registers is one of ours, and counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .units import MS_NS, S_NS

YOUNG_NS = S_NS
"""A child that ends idle and younger than this has failed."""
PAUSE_NS = 250 * MS_NS
"""After the second failure in a row; it doubles with each further one."""
MAX_PAUSE_NS = 5 * S_NS
START_NS = 30 * S_NS
"""Longest that a fork server may import; the next has twice the time."""
MAX_START_NS = 8 * START_NS
FORK_NS = 5 * S_NS
"""Longest that it may take to fork."""
REPORT_NS = 10 * S_NS
"""A child that has not registered, or has said nothing, for this time is frozen."""
END_NS = 5 * S_NS
"""A child that was told to end and is still there is killed."""
LOST_NS = 2 * S_NS
"""The same where the fork server has ended before the child registered."""
LOOK_NS = S_NS
"""Between two looks at everything."""
AWAY_NS = 3 * S_NS
"""A host that looks this late was stopped itself: what the children said waits unread."""

Phase = Literal["ordered", "forked", "registered"]
Ending = Literal["", "retired", "told", "killed"]


@dataclass(frozen=True, slots=True)
class StartServer:
    """Start a fork server: it says ``server_ready``, or ``server_lost`` follows."""


@dataclass(frozen=True, slots=True)
class KillServer:
    """The fork server does not answer: kill it; ``server_lost`` was counted already."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Order a child from the fork server."""

    identity: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Tell a child to end if it is idle."""

    identity: str


@dataclass(frozen=True, slots=True)
class End:
    """Tell a child to end, whatever it does."""

    identity: str
    reason: str


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill a child that does not listen."""

    identity: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A child has ended."""

    identity: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class Warn:
    """A line for the log."""

    words: str


Action = StartServer | KillServer | Fork | Retire | End | Kill | Exited | Warn
KILLED = -9
"""The exit code of a child that ended without a word, as far as nobody knows better."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What a host keeps."""

    idle: int
    """Children that wait for work."""
    most: int
    """Children alive, those included that an earlier host started."""
    memory_bytes: int = 0
    """Most resident memory of a child; 0: any."""


@dataclass(slots=True)
class Kid:
    """What the host knows of one child."""

    identity: str
    phase: Phase
    due_ns: int
    """When it must have said something, or ended."""
    born_ns: int
    idle: bool = True
    ending: Ending = ""
    proven: bool = False
    """It has lived for a while, or got work: what was wrong with children is mended."""


class PoolPolicy:
    """Takes what happens and returns what to do."""

    def __init__(
        self, limits: PoolLimits, names: Callable[[], str], now_ns: int, settle_ns: int = 0
    ) -> None:
        """``names`` makes identities. No child is ordered before ``settle_ns`` has passed: until
        then, those of an earlier host register."""
        self._limits = limits
        self._names = names
        self._kids: dict[str, Kid] = {}
        self._server: Literal["none", "starting", "ready"] = "none"
        self._server_due_ns = 0
        self._start_ns = START_NS
        self._settled_ns = now_ns + settle_ns
        self._failures = 0
        self._not_before_ns = now_ns
        self._looked_ns = now_ns
        self._closed = False
        self.trouble = ""
        """Why children are missing, in words; empty: nothing has failed since the last success."""
        self.ordered_total = 0
        self.adopted_total = 0
        self.frozen_total = 0
        self.over_memory_total = 0

    @property
    def idle(self) -> int:
        """Children that wait for work."""
        return sum(k.idle and not k.ending and k.phase == "registered" for k in self._kids.values())

    @property
    def alive(self) -> int:
        """Children that exist, or were ordered."""
        return len(self._kids)

    def identities(self) -> list[str]:
        """Every child."""
        return list(self._kids)

    # The fork server

    def server_ready(self, now_ns: int) -> list[Action]:
        """It has imported everything."""
        if self._server == "starting":
            self._server, self._start_ns = "ready", START_NS
        return self._advance(now_ns)

    def server_lost(self, words: str, now_ns: int) -> list[Action]:
        """It could not be started, or has ended. What was ordered of it may still register."""
        if self._server == "none":
            return self._advance(now_ns)
        self._forget_orders(now_ns)
        return [*self._failed(words, now_ns), *self._advance(now_ns)]

    def forked(self, identity: str, now_ns: int) -> list[Action]:
        """A child that was ordered exists."""
        kid = self._kids.get(identity)
        if kid is not None and kid.phase == "ordered":
            kid.phase, kid.due_ns = "forked", now_ns + REPORT_NS
        return self._advance(now_ns)

    def not_forked(self, identity: str, words: str, now_ns: int) -> list[Action]:
        """A child that was ordered could not be made."""
        if self._kids.pop(identity, None) is None:
            return self._advance(now_ns)
        return [*self._failed(words, now_ns), *self._advance(now_ns)]

    # The children

    def heard(self, identity: str, idle: bool, fresh: bool, now_ns: int) -> list[Action]:
        """A child's state, at its registration and every second.

        ``fresh``: it is of this release and these settings.
        """
        kid = self._kids.get(identity)
        actions: list[Action] = []
        if kid is None:
            kid = self._kids[identity] = Kid(identity, "registered", 0, now_ns, proven=True)
            self.adopted_total += 1
        kid.phase = "registered"
        if not idle:
            kid.idle, kid.ending = False, "" if kid.ending == "retired" else kid.ending
        if not kid.proven and (not idle or now_ns - kid.born_ns >= YOUNG_NS):
            kid.proven = True
            self._failures, self.trouble = 0, ""
        if not kid.ending:
            kid.due_ns = now_ns + REPORT_NS
        if idle and (kid.ending == "retired" or (not kid.ending and not fresh)):
            actions.append(self._retire(kid, now_ns))
        return [*actions, *self._advance(now_ns)]

    def ended(self, identity: str, exit_code: int | None, now_ns: int) -> list[Action]:
        """A child has closed its line, or its fork server has reaped it; told once.

        ``exit_code``: None where it said none.
        """
        kid = self._kids.pop(identity, None)
        if kid is None:
            return self._advance(now_ns)
        actions: list[Action] = [Exited(identity, KILLED if exit_code is None else exit_code)]
        failed = exit_code != 0 and kid.idle and not kid.ending
        if failed and now_ns - kid.born_ns < YOUNG_NS:
            actions += self._failed("children end as soon as they have started", now_ns)
        return [*actions, *self._advance(now_ns)]

    def memory(self, identity: str, used_bytes: int, now_ns: int) -> list[Action]:
        """The resident memory of a child."""
        kid, most = self._kids.get(identity), self._limits.memory_bytes
        if kid is None or not most or used_bytes <= most or kid.ending in ("told", "killed"):
            return []
        self.over_memory_total += 1
        kid.ending, kid.due_ns = "told", now_ns + END_NS
        over = f"{_mib(used_bytes)} MiB of memory, over max_child_memory_mib = {_mib(most)}"
        ends = End(identity, "this process used too much memory")
        if not kid.idle:
            return [Warn(f"child {identity} has {over}: it has to end"), ends]
        words = f"children have {over}, before they have work: raise it"
        return [*self._failed(words, now_ns), ends, *self._advance(now_ns)]

    # Time

    def timeout(self, now_ns: int) -> list[Action]:
        """The time of ``next_timeout_ns`` has come, or ``fill`` at the start."""
        away = now_ns - self._looked_ns >= AWAY_NS
        self._looked_ns = now_ns
        if away:
            for kid in self._kids.values():
                kid.due_ns = max(kid.due_ns, now_ns + LOOK_NS)
            self._server_due_ns = max(self._server_due_ns, now_ns + LOOK_NS)
        actions: list[Action] = []
        for kid in [k for k in self._kids.values() if k.due_ns <= now_ns]:
            actions += self._overdue(kid, now_ns)
        if self._server == "starting" and self._server_due_ns <= now_ns:
            self._start_ns = min(2 * self._start_ns, MAX_START_NS)
            actions += self._drop_server("the fork server does not become ready", now_ns)
        return [*actions, *self._advance(now_ns)]

    def next_timeout_ns(self) -> int:
        """When to call ``timeout`` next, at the latest."""
        times = [self._looked_ns + LOOK_NS, *(kid.due_ns for kid in self._kids.values())]
        if self._server == "starting":
            times.append(self._server_due_ns)
        if self._server == "none":
            times.append(self._not_before_ns)
        elif self._server == "ready" and self._missing() > 0:
            times.append(max(self._not_before_ns, self._settled_ns))
        return min(times)

    def close(self, reason: str) -> list[Action]:
        """The host stops: every child ends."""
        self._closed = True
        registered = [kid.identity for kid in self._kids.values() if kid.phase == "registered"]
        others = [kid.identity for kid in self._kids.values() if kid.phase == "forked"]
        return [*(End(identity, reason) for identity in registered), *map(Kill, others)]

    # Inside

    def _overdue(self, kid: Kid, now_ns: int) -> list[Action]:
        """A child has let its time pass."""
        if kid.phase == "ordered":
            return self._drop_server("the fork server does not answer", now_ns)
        if kid.ending == "killed":  # Nothing tells of its end: its fork server is gone, too.
            del self._kids[kid.identity]
            return [Exited(kid.identity, KILLED)]
        was, kid.ending = kid.ending, "killed"
        kid.due_ns = now_ns + END_NS
        if was:
            return [Warn(f"child {kid.identity} does not end: it is killed"), Kill(kid.identity)]
        self.frozen_total += 1
        actions: list[Action] = [
            Warn(f"child {kid.identity} says nothing: it is killed"),
            Kill(kid.identity),
        ]
        if kid.phase == "forked":
            actions += self._failed("children do not register", now_ns)
        return actions

    def _drop_server(self, words: str, now_ns: int) -> list[Action]:
        if self._server == "none":
            return []
        self._forget_orders(now_ns)
        return [*self._failed(words, now_ns), KillServer()]

    def _forget_orders(self, now_ns: int) -> None:
        """The fork server is gone. A child that it made all the same registers by itself."""
        self._server = "none"
        for kid in [k for k in self._kids.values() if k.phase != "registered"]:
            if kid.phase == "ordered":
                del self._kids[kid.identity]
            else:
                kid.due_ns = min(kid.due_ns, now_ns + LOST_NS)

    def _failed(self, words: str, now_ns: int) -> list[Action]:
        """Wait before the next attempt; the first failure in a row is made good at once."""
        told = self.trouble == words
        self.trouble = words
        self._failures += 1
        pause_ns = PAUSE_NS << min(self._failures - 2, 8) if self._failures > 1 else 0
        self._not_before_ns = now_ns + min(pause_ns, MAX_PAUSE_NS)
        return [] if told else [Warn(f"{words}: trying again")]

    def _retire(self, kid: Kid, now_ns: int) -> Retire:
        kid.ending, kid.due_ns = "retired", now_ns + END_NS
        return Retire(kid.identity)

    def _missing(self) -> int:
        """How many children to order; negative: how many idle ones are too many."""
        if self._closed:
            return 0
        idle = sum(kid.idle and not kid.ending for kid in self._kids.values())
        busy = len(self._kids) - idle
        wanted = max(0, min(self._limits.idle, self._limits.most - busy))
        return wanted - idle

    def _advance(self, now_ns: int) -> list[Action]:
        """What follows every event."""
        missing = self._missing()
        if missing < 0:
            return self._shed(-missing, now_ns)
        if self._closed or now_ns < self._not_before_ns:
            return []
        if self._server == "none":
            self._server, self._server_due_ns = "starting", now_ns + self._start_ns
            return [StartServer()]
        if self._server == "starting" or now_ns < self._settled_ns:
            return []
        return [self._order(now_ns) for _ in range(missing)]

    def _order(self, now_ns: int) -> Fork:
        identity = self._names()
        self._kids[identity] = Kid(identity, "ordered", now_ns + FORK_NS, now_ns)
        self.ordered_total += 1
        return Fork(identity)

    def _shed(self, count: int, now_ns: int) -> list[Action]:
        """Idle children that are too many, those first that have waited longest."""
        idle = [k for k in self._kids.values() if k.idle and not k.ending]
        registered = [kid for kid in idle if kid.phase == "registered"]
        return [self._retire(kid, now_ns) for kid in registered[:count]]


def _mib(size_bytes: int) -> int:
    return size_bytes >> 20
