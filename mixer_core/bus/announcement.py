"""The START handshake of one stream: when it tells the mixer that it exists. Sans-I/O."""

from __future__ import annotations

from ..runtime.units import MS_NS, S_NS

RETRY_NS = 50 * MS_NS
"""A START that the mixer has not acknowledged is sent again after this time."""
REPEAT_NS = S_NS
"""Time from an acknowledgement to the next START: keep-alive, and healing after a mixer restart."""


class Announcement:
    """Send START when ``is_due``, and at any time if what it says has changed; report each."""

    __slots__ = ("_due_ns", "acknowledged")

    def __init__(self) -> None:
        self.acknowledged = False
        """The mixer knows this stream."""
        self._due_ns = 0

    def next_timeout_ns(self) -> int:
        """When START is due; 0 before the first."""
        return self._due_ns

    def is_due(self, now_ns: int) -> bool:
        """Whether to send START now."""
        return now_ns >= self._due_ns

    def sent(self, now_ns: int) -> None:
        """A START has left."""
        self._due_ns = now_ns + RETRY_NS

    def answered(self, now_ns: int) -> None:
        """The mixer has acknowledged a START."""
        self.acknowledged = True
        self._due_ns = now_ns + REPEAT_NS

    def asked(self, now_ns: int) -> None:
        """The mixer does not know the stream and asks it to identify itself: START is due now."""
        self.acknowledged = False
        self._due_ns = now_ns
