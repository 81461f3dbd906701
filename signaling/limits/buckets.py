"""Token buckets, one per client. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.runtime.units import S_NS

MAX_CLIENTS = 4_096
"""Clients that are remembered; beyond that, those used longest ago are forgotten."""


@dataclass(slots=True)
class _Bucket:
    full_ns: int
    """When the bucket is full again."""
    reported: bool = False
    """A refusal was reported since the bucket was full."""


class Buckets:
    """``burst`` at once, and one more every ``refill_ns``."""

    def __init__(self, burst: int, refill_ns: int) -> None:
        self._burst = burst
        self._refill_ns = refill_ns
        self._buckets: dict[str, _Bucket] = {}

    def wait_s(self, client: str, now_ns: int) -> int:
        """Seconds until ``take`` succeeds; 0: now."""
        bucket = self._buckets.get(client)
        if bucket is None:
            return 0
        over_ns = bucket.full_ns + self._refill_ns - now_ns - self._burst * self._refill_ns
        return max(0, -(-over_ns // S_NS))

    def take(self, client: str, now_ns: int) -> bool:
        """Take one; False if the bucket is empty."""
        bucket = self._buckets.pop(client, None)
        if bucket is None or now_ns >= bucket.full_ns:
            bucket = _Bucket(now_ns)
        self._buckets[client] = bucket
        if len(self._buckets) > MAX_CLIENTS:
            del self._buckets[next(iter(self._buckets))]
        if self.wait_s(client, now_ns):
            return False
        bucket.full_ns += self._refill_ns
        return True

    def give_back(self, client: str) -> None:
        """Undo one ``take``."""
        bucket = self._buckets.get(client)
        if bucket is not None:
            bucket.full_ns -= self._refill_ns

    def report(self, client: str) -> bool:
        """Whether to report a refusal: once until the client's bucket has been full again."""
        bucket = self._buckets.get(client)
        if bucket is None or bucket.reported:
            return False
        bucket.reported = True
        return True
