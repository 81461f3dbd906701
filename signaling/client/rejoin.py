"""When to try again, and when a gateway that says nothing counts as gone. Sans-I/O."""

from __future__ import annotations

S_NS = 1_000_000_000
_DELAYS_S = (0.0, 0.3, 0.6, 1.2, 2.0, 3.0, 5.0)
"""Before the first attempt, the second …, and from then on the last."""
_STABLE_NS = 3 * S_NS
"""After a connection that lasted this long, the delays start again with the shortest."""


class RejoinPolicy:
    """Waits longer after each failure, and gives up in the end."""

    def __init__(self, keep_trying_s: float) -> None:
        """``keep_trying_s``: how long after a loss, or the first failure; 0: not at all."""
        self._within_ns = round(keep_trying_s * S_NS)
        self._failures = 0
        self._since_ns: int | None = None
        self._opened_ns: int | None = None

    def opened(self, now_ns: int) -> None:
        """The connection is open."""
        self._opened_ns, self._since_ns = now_ns, None

    def failed(self, retry_after_s: float, now_ns: int) -> int | None:
        """An attempt has failed, or the connection is lost: how many ns to wait; None: give up.

        ``retry_after_s``: what the gateway asked for; it lengthens the wait, it never shortens it.
        """
        if self._opened_ns is not None and now_ns - self._opened_ns >= _STABLE_NS:
            self._failures = 0
        self._opened_ns = None
        if self._since_ns is None:
            self._since_ns = now_ns
        delay_s = max(_DELAYS_S[min(self._failures, len(_DELAYS_S) - 1)], retry_after_s)
        delay_ns = round(delay_s * S_NS)
        self._failures += 1
        ends_ns = self._since_ns + self._within_ns
        return delay_ns if self._within_ns and now_ns + delay_ns < ends_ns else None


class Heartbeat:
    """Asks a gateway that says nothing."""

    ASK_NS = 1 * S_NS
    """So long after its last word it is asked, every second."""
    GONE_NS = 5 * S_NS
    """So long after its last word it is gone."""

    def __init__(self, now_ns: int) -> None:
        self.heard_ns = now_ns
        """When something came last."""

    def tick(self, now_ns: int) -> tuple[bool, bool]:
        """(whether to ask, whether it is gone); for once a second."""
        quiet_ns = now_ns - self.heard_ns
        return quiet_ns >= self.ASK_NS, quiet_ns >= self.GONE_NS
