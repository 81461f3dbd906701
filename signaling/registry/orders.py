"""What was asked of a link and waits for its answer, for a limited time. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.runtime.units import S_NS

from .actions import Action, ReplyProblem

ANSWER_NS = 5 * S_NS
"""A link that has not answered by then does not."""
MAX_WAITING = 16
"""Orders of one kind that wait for an answer; one more is refused."""
RETRY_S = 2


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: int
    identity: str
    until_ns: int


class Orders:
    """Those of one kind, of all rooms."""

    def __init__(self, busy: str, silent: tuple[int, str, str, int]) -> None:
        """Orders that are not answered.

        Args:
            busy: what is told when too many wait.
            silent: status, title, detail and seconds to wait, told when no answer comes.
        """
        self._busy, self._silent = busy, silent
        self._waiting: dict[str, _Waiting] = {}

    def refused(self, request: int) -> list[Action]:
        """The answer to one more ``request`` when too many wait; empty: there is room."""
        if len(self._waiting) < MAX_WAITING:
            return []
        return [ReplyProblem(request, 503, "Busy", self._busy, RETRY_S)]

    def add(self, order: str, request: int, identity: str, now_ns: int) -> None:
        """``identity``, a link child, is given an ``order`` for a ``request``."""
        self._waiting[order] = _Waiting(request, identity, now_ns + ANSWER_NS)

    def answered(self, order: str, identity: str) -> int | None:
        """The request whose order a link has answered; None: it was given no such order."""
        waiting = self._waiting.get(order)
        if waiting is None or waiting.identity != identity:
            return None
        return self._waiting.pop(order).request

    def gone(self, identity: str) -> list[Action]:
        """A link child is gone, with what it was told."""
        return self._given_up([o for o, w in self._waiting.items() if w.identity == identity])

    def expire(self, now_ns: int) -> list[Action]:
        """Orders that were not answered in time."""
        return self._given_up([o for o, w in self._waiting.items() if w.until_ns <= now_ns])

    def close(self) -> list[int]:
        """The requests that still wait; none is known after that."""
        requests = [waiting.request for waiting in self._waiting.values()]
        self._waiting.clear()
        return requests

    def next_timeout_ns(self) -> int | None:
        """When ``expire`` has something to do."""
        return min((w.until_ns for w in self._waiting.values()), default=None)

    def _given_up(self, orders: list[str]) -> list[Action]:
        return [ReplyProblem(self._waiting.pop(order).request, *self._silent) for order in orders]
