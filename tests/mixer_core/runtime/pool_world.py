"""A fork server, its children and the clock, all in memory, around a real ``PoolPolicy``."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from mixer_core.runtime.pool_policy import (
    Action,
    End,
    Exited,
    Fork,
    Kill,
    KillServer,
    PoolLimits,
    PoolPolicy,
    Retire,
    StartServer,
    Warn,
)
from mixer_core.runtime.units import MS_NS, S_NS

READY_NS = 800 * MS_NS
REGISTER_NS = 20 * MS_NS


@dataclass
class Child:
    """A process."""

    idle: bool = True
    fresh: bool = True
    frozen: bool = False
    """It neither speaks nor listens."""


@dataclass
class World:
    """``spawns``, ``forks``, ``children_live`` …: what works at the moment."""

    limits: PoolLimits = field(default_factory=lambda: PoolLimits(idle=2, most=5))
    settle_ns: int = 0
    now_ns: int = 10 * S_NS
    spawns: bool = True
    server_hangs: bool = False
    import_ns: int = READY_NS
    """What a fork server takes until it is ready."""
    forks: bool = True
    children_live: bool = True
    """What is forked does not end at once."""
    children_register: bool = True
    host_told: bool = True
    """The fork server's words arrive."""
    server: Literal["none", "starting", "ready"] = "none"
    server_number: int = 0
    starts: int = 0
    children: dict[str, Child] = field(default_factory=dict)
    exited: list[tuple[str, int]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        numbers = itertools.count(1)
        self._order = itertools.count()
        self._events: list[tuple[int, int, Callable[[], Iterable[Action]]]] = []
        self.policy = PoolPolicy(
            self.limits, lambda: f"child-{next(numbers)}", self.now_ns, self.settle_ns
        )

    def begin(self) -> None:
        """The host starts."""
        self.do(self.policy.timeout(self.now_ns))

    def later(self, delay_ns: int, event: Callable[[], Iterable[Action]]) -> None:
        heapq.heappush(self._events, (self.now_ns + delay_ns, next(self._order), event))

    def run(self, duration_ns: int) -> None:
        """Let time pass."""
        end_ns = self.now_ns + duration_ns
        while True:
            due_ns = self.policy.next_timeout_ns()
            event_ns = self._events[0][0] if self._events else end_ns + 1
            self.now_ns = max(self.now_ns, min(due_ns, event_ns, end_ns))
            if event_ns <= self.now_ns:
                self.do(heapq.heappop(self._events)[2]())
            elif due_ns <= self.now_ns:
                self.do(self.policy.timeout(self.now_ns))
            else:
                return

    def stop_host(self, duration_ns: int) -> None:
        """The host is frozen: nothing is read, no timer fires."""
        self.now_ns += duration_ns
        self.run(0)

    def do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self.do(self._carry_out(action))

    def _carry_out(self, action: Action) -> Iterable[Action]:
        match action:
            case StartServer():
                return self._start()
            case KillServer():
                self.server = "none"
            case Fork(identity):
                return self._fork(identity)
            case Retire(identity):
                child = self.children.get(identity)
                if child is not None and child.idle and not child.frozen:
                    return self.end(identity, 0)
            case End(identity):
                child = self.children.get(identity)
                if child is not None and not child.frozen:
                    return self.end(identity, 0)
            case Kill(identity):
                self.killed.append(identity)
                return self.end(identity, None)
            case Exited(identity, exit_code):
                self.exited.append((identity, exit_code))
            case Warn(words):
                self.words.append(words)
        return []

    # The fork server

    def _start(self) -> Iterable[Action]:
        assert self.server == "none", "two fork servers at once"
        self.starts += 1
        if not self.spawns:
            return self.policy.server_lost("it cannot be started", self.now_ns)
        self.server = "starting"
        self.server_number += 1
        number = self.server_number
        self.later(self.import_ns, lambda: self._ready(number))
        return []

    def _ready(self, number: int) -> Iterable[Action]:
        if self.server != "starting" or self.server_number != number or self.server_hangs:
            return []
        self.server = "ready"
        return self.policy.server_ready(self.now_ns)

    def lose_server(self) -> None:
        """It is killed."""
        if self.server != "none":
            self.server = "none"
            self.do(self.policy.server_lost("it has ended", self.now_ns))

    def _fork(self, identity: str) -> Iterable[Action]:
        assert self.server == "ready", "an order without a server"
        if self.server_hangs:
            return []
        if not self.forks:
            return self.policy.not_forked(identity, "no child can be made", self.now_ns)
        self.children[identity] = Child(frozen=not self.children_register)
        if not self.children_live:
            self.later(REGISTER_NS, lambda: self.end(identity, None))
        self.later(REGISTER_NS, lambda: self._beat(identity))
        return self.policy.forked(identity, self.now_ns) if self.host_told else []

    # Children

    def adopt(self, identity: str, child: Child) -> None:
        """A child of an earlier host registers."""
        self.children[identity] = child
        self.do(self._beat(identity))

    def _beat(self, identity: str) -> Iterable[Action]:
        child = self.children.get(identity)
        if child is None:
            return []
        self.later(S_NS, lambda: self._beat(identity))
        if child.frozen:
            return []
        return self.policy.heard(identity, child.idle, child.fresh, self.now_ns)

    def take(self, identity: str) -> None:
        """A child gets work."""
        child = self.children[identity]
        child.idle = False
        if not child.frozen:
            self.do(self.policy.heard(identity, False, child.fresh, self.now_ns))

    def end(self, identity: str, exit_code: int | None) -> Iterable[Action]:
        """A child ends, and its line with it; without a line and a server nobody tells."""
        child = self.children.pop(identity, None)
        if child is None or (not self.host_told and self.server == "none"):
            return []
        return self.policy.ended(identity, exit_code, self.now_ns)

    @property
    def living(self) -> int:
        """Children that wait for work and can take it."""
        return sum(child.idle and not child.frozen for child in self.children.values())
