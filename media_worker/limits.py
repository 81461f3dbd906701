"""How often a browser is told about its mistakes: bounded, so that a flood costs it, not us."""

from __future__ import annotations

REPEAT_NS = 1_000_000_000
"""The same kind of mistake in audio is reported at most so often."""
BURST = 10
"""Unreadable control messages answered at once …"""
REFILL_NS = 100_000_000
"""… and one more each such interval."""


class Repeats:
    """Lets each kind through at most once a second."""

    def __init__(self) -> None:
        self._last_ns: dict[str, int] = {}

    def allow(self, kind: str, now_ns: int) -> bool:
        """Whether to report a mistake of ``kind`` now (kinds are few: our own codes)."""
        last_ns = self._last_ns.get(kind)
        if last_ns is not None and now_ns - last_ns < REPEAT_NS:
            return False
        self._last_ns[kind] = now_ns
        return True


class Bucket:
    """Lets ten through at once and ten a second after that."""

    def __init__(self, now_ns: int) -> None:
        self._full_ns = now_ns
        """When the bucket is full again."""

    def allow(self, now_ns: int) -> bool:
        """Whether to answer one more now."""
        full_ns = max(self._full_ns, now_ns) + REFILL_NS
        if full_ns - now_ns > BURST * REFILL_NS:
            return False
        self._full_ns = full_ns
        return True
