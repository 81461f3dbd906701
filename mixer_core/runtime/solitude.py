"""What a child does while it has no host: it looks for the next one, but not for ever. Sans-I/O."""

from __future__ import annotations

from .units import MS_NS, S_NS

IDLE_NS = 8 * S_NS
"""How long a child that waits for work waits for a host."""
BUSY_NS = 60 * S_NS
"""How long a child in a call goes on with neither host nor signaling: longer than any restart."""
FIRST_RETRY_NS = 10 * MS_NS
MAX_RETRY_NS = 250 * MS_NS
"""Between two attempts to reach a host, which adopts who comes within its first 600 ms."""


class Solitude:
    """One child's time without a host, from its birth on."""

    def __init__(self, now_ns: int) -> None:
        self._since_ns: int | None = now_ns
        self._attempt_ns = now_ns
        self._retry_ns = FIRST_RETRY_NS

    def found(self) -> None:
        """There is a host."""
        self._since_ns = None

    def lost(self, now_ns: int) -> None:
        """The host is gone."""
        self._since_ns, self._attempt_ns, self._retry_ns = now_ns, now_ns, FIRST_RETRY_NS

    def attempts(self, now_ns: int) -> bool:
        """Whether to look for a host now; if so, the next time is later."""
        if self._since_ns is None or now_ns < self._attempt_ns:
            return False
        self._attempt_ns = now_ns + self._retry_ns
        self._retry_ns = min(2 * self._retry_ns, MAX_RETRY_NS)
        return True

    def ends(self, idle: bool, signaling_ns: int, now_ns: int) -> str:
        """Why this child has to end now; empty: it goes on.

        ``signaling_ns``: when signaling was there last.
        """
        if self._since_ns is None:
            return ""
        if idle:
            alone = now_ns - self._since_ns >= IDLE_NS
            return "there is no host" if alone else ""
        alone = now_ns - max(self._since_ns, signaling_ns) >= BUSY_NS
        return "there is neither a host nor signaling" if alone else ""

    def next_timeout_ns(self) -> int | None:
        """When to look again; None while there is a host."""
        return None if self._since_ns is None else self._attempt_ns
