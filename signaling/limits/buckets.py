"""Token buckets, one per client. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from mixer_core.runtime.token_bucket import TokenBucket
from mixer_core.runtime.units import S_NS

MAX_CLIENTS = 4_096
"""Clients that are remembered; beyond that, those used longest ago are forgotten."""


@dataclass(slots=True)
class _Bucket:
    tokens: TokenBucket
    reported: bool = False
    """A refusal was reported since the bucket was full."""


class Buckets:
    """``burst`` at once, and one more every ``refill_ns``."""

    def __init__(self, burst: int, refill_ns: int) -> None:
        self._burst = burst
        self._per_s = S_NS / refill_ns
        self._buckets: dict[str, _Bucket] = {}

    def wait_s(self, client: str, now_ns: int) -> int:
        """Seconds until ``take`` succeeds; 0: now."""
        bucket = self._buckets.get(client)
        if bucket is None:
            return 0
        return -(-bucket.tokens.wait_ns(now_ns) // S_NS)

    def take(self, client: str, now_ns: int) -> bool:
        """Take one; False if the bucket is empty."""
        bucket = self._buckets.pop(client, None)
        if bucket is None or bucket.tokens.is_full(now_ns):
            bucket = _Bucket(TokenBucket(self._per_s, self._burst))
        self._buckets[client] = bucket
        if len(self._buckets) > MAX_CLIENTS:
            del self._buckets[next(iter(self._buckets))]
        return bucket.tokens.take(now_ns)

    def give_back(self, client: str) -> None:
        """Undo one ``take``."""
        bucket = self._buckets.get(client)
        if bucket is not None:
            bucket.tokens.give_back()

    def report(self, client: str) -> bool:
        """Whether to report a refusal: once until the client's bucket has been full again."""
        bucket = self._buckets.get(client)
        if bucket is None or bucket.reported:
            return False
        bucket.reported = True
        return True
