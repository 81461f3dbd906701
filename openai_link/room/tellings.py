"""What the browsers of a room are told, at a pace that the slowest of them can take. Sans-I/O.

Every EVENT for browsers passes through here. A worker never drops a control message, and gives a
browser up that does not take them; so whoever floods the room, its server or one of its people,
would remove everybody. Each kind has a lane with a rate of its own, and all share one in bytes. As
long as no lane is full, an EVENT goes out at once and in order. Then

==============  ==================================================================================
state, usage    the newest one counts
caption, tool   the newest of each item or call counts; those that go on give way to final ones
error           the same words are told once; of too many others only the number
places          the newest ones name all lines
others          wait in order, so many
to one browser  answers to what it did itself: too many are left out
==============  ==================================================================================

What is left out is counted.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixer_core.runtime.token_bucket import TokenBucket

from .actions import Event, TellBrowsers

BYTES_PER_S, BYTES_AT_ONCE = 24_000, 64_000
"""Of all EVENTs: a quarter of the backlog that ends a browser's call, and half of what its sound
takes on the network."""
MAX_BROWSERS = 64
"""Browsers whose own answers are counted apart."""
_OF_CONVERSATION = ("tool", "final", "places", "caption")
"""Lanes of what was said and done."""
LOOK_NS = 100_000_000
"""Between two looks at what waits."""


@dataclass(slots=True)
class _Lane:
    bucket: TokenBucket
    most: int
    """EVENTs that may wait; of more the oldest is left out."""
    waiting: dict[Hashable, tuple[TellBrowsers, int]] = field(default_factory=dict)
    """With their sizes, by what they are about: a newer one takes the place of an older one."""
    left_out: int = 0
    """Since people were last told how many."""


def _lanes() -> dict[str, _Lane]:
    """In the order in which they are served: events a second, at once, and waiting."""
    return {
        "state": _Lane(TokenBucket(10, 20), 1),
        "error": _Lane(TokenBucket(0.2, 10), 4),
        "tool": _Lane(TokenBucket(5, 30), 32),
        "final": _Lane(TokenBucket(5, 40), 64),
        "other": _Lane(TokenBucket(5, 30), 32),
        "places": _Lane(TokenBucket(2, 10), 2),
        "usage": _Lane(TokenBucket(2, 20), 1),
        "caption": _Lane(TokenBucket(20, 40), 16),
    }


class Tellings:
    """Of one room."""

    def __init__(self) -> None:
        self._lanes = _lanes()
        self._bytes = TokenBucket(BYTES_PER_S, BYTES_AT_ONCE)
        self._replies: dict[int, TokenBucket] = {}
        """For what one browser is told, by its stream."""
        self._count = 0
        self._due_ns: int | None = None
        self.replaced = 0
        """EVENTs that a newer one took the place of."""
        self.left_out = 0
        """EVENTs that nobody was told."""

    def tell(self, telling: TellBrowsers, now_ns: int) -> list[TellBrowsers]:
        """Something is to be told; returns what is told now."""
        if telling.addressee:
            return self._to_one(telling, now_ns)
        lane_name, key = self._place(telling.event)
        lane = self._lanes[lane_name]
        if lane_name == "final":
            self._lanes["caption"].waiting.pop(key, None)
        if lane.waiting.pop(key, None) is not None:
            self.replaced += 1
        lane.waiting[key] = telling, _size(telling.event)
        if len(lane.waiting) > lane.most:
            del lane.waiting[next(iter(lane.waiting))]
            self.left_out += 1
            lane.left_out += 1
        return self.tick(now_ns)

    def forget(self) -> None:
        """What waits of a conversation that was deleted is told to nobody."""
        for name in _OF_CONVERSATION:
            self._lanes[name].waiting.clear()

    def tick(self, now_ns: int) -> list[TellBrowsers]:
        """What is told now of what waits."""
        told: list[TellBrowsers] = []
        for name, lane in self._lanes.items():
            while lane.waiting and not lane.bucket.wait_ns(now_ns):
                key, (telling, size) = next(iter(lane.waiting.items()))
                if not self._bytes.take(now_ns, size):
                    break
                lane.bucket.take(now_ns)
                del lane.waiting[key]
                told.append(telling)
            if name == "error" and lane.left_out and not lane.waiting:
                told += self._more_errors(lane, now_ns)
        waits = any(lane.waiting for lane in self._lanes.values())
        waits = waits or self._lanes["error"].left_out > 0
        self._due_ns = now_ns + LOOK_NS if waits else None
        return told

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return self._due_ns

    def _to_one(self, telling: TellBrowsers, now_ns: int) -> list[TellBrowsers]:
        bucket = self._replies.setdefault(telling.addressee, TokenBucket(2, 10))
        if len(self._replies) > MAX_BROWSERS:
            del self._replies[next(iter(self._replies))]
        if bucket.take(now_ns):
            return [telling]
        self.left_out += 1
        return []

    def _place(self, event: Event) -> tuple[str, Hashable]:
        """The lane of an EVENT, and what it is about."""
        self._count += 1
        match event.get("type"):
            case "state" | "usage" as kind:
                return kind, kind
            case "caption":
                return "final" if event.get("final") else "caption", event.get("item")
            case "tool":
                return "tool", event.get("call")
            case "error":
                return "error", (event.get("code"), event.get("message"))
            case "places":
                return "places", self._count
            case _:
                return "other", self._count

    def _more_errors(self, lane: _Lane, now_ns: int) -> list[TellBrowsers]:
        if not lane.bucket.take(now_ns):
            return []
        words = f"{lane.left_out} more problems are not shown: the gateway's log has them."
        lane.left_out = 0
        return [TellBrowsers({"type": "error", "code": "more_problems", "message": words})]


def _size(event: Mapping[str, Any]) -> int:
    """About how many bytes an EVENT takes on the network."""
    return len(repr(event).encode("utf-8", "replace"))
