"""A budget that fills up again: so much at once, and so much a second. Sans-I/O.

What is kept is the moment at which the bucket is full again (the generic cell rate algorithm, ITU-T
I.371), in whole nanoseconds: one addition a token, and nothing that drifts.
"""

from __future__ import annotations

from .units import S_NS


class TokenBucket:
    """Holds ``burst`` tokens at first and at most, and gains ``per_s`` of them a second."""

    __slots__ = ("_burst_ns", "_each_ns", "_full_ns")

    def __init__(self, per_s: float, burst: int) -> None:
        """``per_s``: a token takes a whole number of nanoseconds, at least one."""
        self._each_ns = max(1, round(S_NS / per_s))
        self._burst_ns = burst * self._each_ns
        self._full_ns = 0
        """When it is full again."""

    def take(self, now_ns: int, tokens: int = 1) -> bool:
        """Take tokens, if there are as many; more than ``burst`` at once are owed."""
        full_ns = self._full_ns
        if full_ns < now_ns:
            full_ns = now_ns
        cost_ns = tokens * self._each_ns
        needed_ns = cost_ns if cost_ns < self._burst_ns else self._burst_ns
        if full_ns + needed_ns - now_ns > self._burst_ns:
            return False
        self._full_ns = full_ns + cost_ns
        return True

    def wait_ns(self, now_ns: int, tokens: int = 1) -> int:
        """How long it takes until so many tokens are there; more than ``burst`` count as that."""
        needed_ns = min(tokens * self._each_ns, self._burst_ns)
        return max(0, max(self._full_ns, now_ns) + needed_ns - now_ns - self._burst_ns)

    def give_back(self, tokens: int = 1) -> None:
        """Undo one ``take``."""
        self._full_ns -= tokens * self._each_ns

    def is_full(self, now_ns: int) -> bool:
        """Whether nothing is missing."""
        return now_ns >= self._full_ns
