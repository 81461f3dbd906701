"""A budget that fills up again: so much at once, and so much a second. Sans-I/O."""

from __future__ import annotations

from .units import S_NS


class TokenBucket:
    """Holds ``burst`` tokens at first and at most, and gains ``per_s`` of them a second."""

    __slots__ = ("_at_ns", "_burst", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._at_ns: int | None = None
        """When ``_tokens`` was right."""

    def take(self, now_ns: int, tokens: float = 1.0) -> bool:
        """Take tokens, if there are as many."""
        return self.wait_ns(now_ns, tokens) == 0 and self._taken(tokens)

    def wait_ns(self, now_ns: int, tokens: float = 1.0) -> int:
        """How long it takes until so many tokens are there; more than ``burst`` count as that."""
        since_ns = 0 if self._at_ns is None else max(0, now_ns - self._at_ns)
        self._at_ns = now_ns
        self._tokens = min(self._burst, self._tokens + since_ns * self._per_s / S_NS)
        missing = min(tokens, self._burst) - self._tokens
        return 0 if missing <= 0 else int(missing * S_NS / self._per_s) + 1

    def _taken(self, tokens: float) -> bool:
        """Whoever takes more than ``burst`` at once owes the rest."""
        self._tokens -= tokens
        return True
