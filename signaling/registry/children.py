"""The children of a host: which are idle, which have work. Sans-I/O.

A child never gets work twice. It is free again only when it reports idle *after* it refused the
work, or still reports idle long after it was passed over (the message never reached it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from mixer_core.bus.control import LinkState, WorkerState

State = TypeVar("State", WorkerState, LinkState)


@dataclass(slots=True)
class Child(Generic[State]):
    """One child, by its reported states."""

    identity: str
    """Its DEALER identity."""
    state: State
    """The latest."""
    seen_ns: int
    """When that arrived."""
    work: str = ""
    """Its participant or room; empty: none."""
    refused: bool = False
    """It refused ``work`` and has not reported since."""
    passed_over_ns: int | None = None
    """When signaling stopped waiting for its reaction."""

    @property
    def idle(self) -> bool:
        """Whether it can get work."""
        return self.state.status == "idle" and not self.work


class Children(Generic[State]):
    """All children of one kind, by identity."""

    def __init__(self, silence_ns: int, distrust_ns: int) -> None:
        self._silence_ns = silence_ns
        self._distrust_ns = distrust_ns
        self._children: dict[str, Child[State]] = {}

    def __len__(self) -> int:
        return len(self._children)

    def get(self, identity: str) -> Child[State] | None:
        """The child with that identity."""
        return self._children.get(identity)

    def all(self) -> list[Child[State]]:
        """Every child, in order of appearance."""
        return list(self._children.values())

    def idle(self) -> int:
        """How many can get work."""
        return sum(child.idle for child in self._children.values())

    def active(self) -> int:
        """How many serve a participant or a room."""
        return sum(
            child.state.status not in ("idle", "closed") for child in self._children.values()
        )

    def heard(self, identity: str, state: State, now_ns: int) -> Child[State]:
        """Take a child's state; an unknown identity or process is a new child."""
        child = self._children.get(identity)
        if child is None or child.state.pid != state.pid:
            child = self._children[identity] = Child(identity, state, now_ns)
            return child
        child.state, child.seen_ns = state, now_ns
        passed_ns = child.passed_over_ns
        forgiven = passed_ns is not None and now_ns - passed_ns >= self._distrust_ns
        if state.status == "idle" and (child.refused or forgiven):
            child.work, child.refused, child.passed_over_ns = "", False, None
        return child

    def assign(self, work: str) -> Child[State] | None:
        """Give ``work`` to an idle child, the one heard last: it is the surest to be alive."""
        idle = [child for child in self._children.values() if child.idle]
        if not idle:
            return None
        child = max(idle, key=lambda candidate: candidate.seen_ns)
        child.work = work
        return child

    def pass_over(self, identity: str, now_ns: int) -> None:
        """Stop waiting for a child's reaction."""
        child = self._children.get(identity)
        if child is not None:
            child.passed_over_ns = now_ns

    def refuse(self, identity: str) -> None:
        """The child refused its work; its next idle state frees it."""
        child = self._children.get(identity)
        if child is not None:
            child.refused = True

    def gone(self, identity: str) -> None:
        """Forget a child."""
        self._children.pop(identity, None)

    def silent(self, now_ns: int) -> list[str]:
        """Identities of children that have reported nothing for too long."""
        return [
            child.identity
            for child in self._children.values()
            if now_ns - child.seen_ns >= self._silence_ns
        ]

    def was_deaf(self, now_ns: int) -> None:
        """This process could not hear anybody until now: their silence counts from here."""
        for child in self._children.values():
            child.seen_ns = now_ns

    def next_timeout_ns(self) -> int | None:
        """When the first child will have been silent for too long."""
        if not self._children:
            return None
        return min(child.seen_ns for child in self._children.values()) + self._silence_ns
