"""Push-to-talk of a room: the presses of several browsers make one turn. Sans-I/O.

The turn lasts from the first press to the last release, and a little longer: the last words are
still on their way through the gateway when the release is known. A press within that tail goes on
with the same turn. Who leaves the room while pressing has released the button.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Literal

TAP_NS = 100_000_000
"""A turn shorter than this is a slip of the finger: the server would not take it either. It is
measured where the button is, since a stuck network delivers press and release at one moment."""
TAIL_NS = 200_000_000
"""How long after the last release the room is still heard (mixing, pacing, the network)."""
MAX_PRESSES = 256
"""Browsers that may press at once; more are ignored."""

Outcome = Literal["began", "ended", "tapped"]
"""began: the room may be heard now. ended: the turn is complete. tapped: it was none."""


class PushToTalk:
    """Collects presses; methods return what became of the turn, or None."""

    def __init__(self) -> None:
        self._presses: set[str] = set()
        self._since_ns: int | None = None
        """Beginning of the turn; None between turns."""
        self._ends_ns: int | None = None
        """End of its tail; None while somebody presses."""

    @property
    def pressing(self) -> frozenset[str]:
        """Who holds the button down."""
        return frozenset(self._presses)

    @property
    def is_open(self) -> bool:
        """Whether the room is to be heard."""
        return self._since_ns is not None

    def press(self, who: str, now_ns: int) -> Outcome | None:
        """``who`` holds the button down from now on."""
        if len(self._presses) >= MAX_PRESSES:
            return None
        self._presses.add(who)
        self._ends_ns = None
        if self._since_ns is not None:
            return None
        self._since_ns = now_ns
        return "began"

    def release(self, who: str, now_ns: int, held_ns: int = 0) -> Outcome | None:
        """``who`` has let go, or is gone. ``held_ns``: how long, where the button is."""
        if who not in self._presses:
            return None
        self._presses.discard(who)
        if self._presses or self._since_ns is None:
            return None
        if max(now_ns - self._since_ns, held_ns) < TAP_NS:
            self._since_ns = None
            return "tapped"
        self._ends_ns = now_ns + TAIL_NS
        return None

    def roster(self, present: Container[str], now_ns: int) -> Outcome | None:
        """Only ``present`` are in the room."""
        outcome = None
        for who in [who for who in self._presses if who not in present]:
            outcome = self.release(who, now_ns) or outcome
        return outcome

    def finish(self) -> Outcome | None:
        """The room moves on: only a turn of which nothing but the tail is missing is complete."""
        outcome: Outcome | None = None
        if self._since_ns is not None:
            outcome = "tapped" if self._ends_ns is None else "ended"
        self._presses.clear()
        self._since_ns = self._ends_ns = None
        return outcome

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        return self._ends_ns

    def tick(self, now_ns: int) -> Outcome | None:
        """The time-out was reached: the tail is over."""
        if self._ends_ns is None or now_ns < self._ends_ns:
            return None
        self._since_ns = self._ends_ns = None
        return "ended"
