"""The turn that waits for a response of the server to begin, and for how long. Sans-I/O.

Part of the reducer. One turn waits at a time, the newest one that is over.
"""

from __future__ import annotations

THINK_LIMIT_NS = 15_000_000_000
"""A turn to which no response comes is not waited for any longer."""
EMPTY_TURN_NS = 5_000_000_000
"""The same for a turn of which nothing was understood."""


class UnansweredTurn:
    """Of one session."""

    def __init__(self, limit_ns: int) -> None:
        """``limit_ns``: how long a turn waits at most."""
        self._limit_ns = limit_ns
        self.since_ns: int | None = None
        """When a turn ended that no response answers yet."""
        self.has_begun = False
        """A response has begun since the newest turn was over."""
        self._item = ""
        """Item of that turn."""
        self._is_empty = False
        """Nothing was understood of it: it may stay without an answer."""
        self._is_idle = False
        """It is a silence after which the server speaks by itself."""
        self._idle_item = ""
        """Item of the newest such silence."""

    @property
    def somebodys_ns(self) -> int | None:
        """When it ended, if somebody spoke: to a silence in which the server wants to speak by
        itself nobody expects an answer."""
        return None if self._is_empty or self._is_idle else self.since_ns

    @property
    def until_ns(self) -> int | None:
        """How long it waits; None where nothing waits."""
        if self.since_ns is None:
            return None
        return self.since_ns + (EMPTY_TURN_NS if self._is_empty else self._limit_ns)

    def over(self, is_waited_for: bool, now_ns: int) -> None:
        """Nobody speaks any more."""
        self.has_begun = False
        if is_waited_for:
            self.since_ns = now_ns
            self._item, self._is_empty, self._is_idle = "", False, False

    def idle(self, item: str, is_silence: bool) -> None:
        """The server takes what is over for a silence after which it speaks."""
        self._is_idle, self._idle_item = is_silence, item

    def committed(self, item: str) -> None:
        """What is over is this item."""
        self._item, self._is_empty = item, False
        self._is_idle = bool(item) and item == self._idle_item

    def not_understood(self, item: str) -> None:
        """Nothing was understood of an item."""
        self._is_empty = self._is_empty or item == self._item

    def begun(self) -> None:
        """A response begins."""
        self.since_ns, self.has_begun = None, True

    def settle(self) -> None:
        """Nothing is waited for any more."""
        self.since_ns = None

    def tick(self, now_ns: int) -> None:
        """The time-out was reached, perhaps."""
        if self.until_ns is not None and now_ns >= self.until_ns:
            self.since_ns = None
