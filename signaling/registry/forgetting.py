"""Conversations that running links are to forget. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.bus import control
from mixer_core.runtime.units import S_NS

from .actions import Action, Forget, ReplyDone, ReplyProblem, SendToChild

ANSWER_NS = 5 * S_NS
"""A link that has not answered by then does not."""
MAX_WAITING = 16
"""Orders that wait for an answer; one more is refused."""
RETRY_S = 2
_SILENT = (
    503,
    "Not forgotten",
    "what was said is deleted, but the assistant has not confirmed that it has forgotten it: "
    "delete it again, or close the room",
    RETRY_S,
)


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: int
    identity: str
    until_ns: int


class Forgetting:
    """Those of all rooms."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def ask(self, event: Forget, link: str, now_ns: int) -> list[Action]:
        """Give the order to the child ``link``; empty: the room has none, and knows nothing."""
        if not link:
            return [ReplyDone(event.request)]
        if len(self._waiting) >= MAX_WAITING:
            words = "many conversations are being deleted: try again"
            return [ReplyProblem(event.request, 503, "Busy", words, RETRY_S)]
        order = str(event.request)
        self._waiting[order] = _Waiting(event.request, link, now_ns + ANSWER_NS)
        return [SendToChild(link, control.Forget(order, event.conversation, event.name))]

    def answered(self, identity: str, answer: control.Forgotten) -> list[Action]:
        """A link has forgotten."""
        waiting = self._waiting.get(answer.order)
        if waiting is None or waiting.identity != identity:
            return []
        return [ReplyDone(self._waiting.pop(answer.order).request)]

    def gone(self, identity: str) -> list[Action]:
        """A link child is gone, and what it knew; the next one may know it from the journal."""
        return self._given_up([o for o, w in self._waiting.items() if w.identity == identity])

    def expire(self, now_ns: int) -> list[Action]:
        """Orders that were not confirmed in time."""
        return self._given_up([o for o, w in self._waiting.items() if w.until_ns <= now_ns])

    def close(self) -> list[int]:
        """The requests that wait: nobody answers them any more."""
        requests = [waiting.request for waiting in self._waiting.values()]
        self._waiting.clear()
        return requests

    def next_timeout_ns(self) -> int | None:
        """When ``expire`` has something to do."""
        return min((w.until_ns for w in self._waiting.values()), default=None)

    def _given_up(self, orders: list[str]) -> list[Action]:
        return [ReplyProblem(self._waiting.pop(order).request, *_SILENT) for order in orders]
