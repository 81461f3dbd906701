"""How much of a browser is taken: its mistakes are answered, its messages carried out, in bounds.

A flood costs the browser that makes it, not the room.
"""

from __future__ import annotations

from typing import NamedTuple

from .protocol import BrowserMessage, Confirm, Hello, Interrupt, Mute, Ping, Played, Ptt, Say

REPEAT_NS = 1_000_000_000
"""The same kind of mistake in audio is reported at most so often."""
_S = 1_000_000_000


class Rate(NamedTuple):
    """So many at once, and one more each so often."""

    burst: int
    refill_ns: int

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.burst} at once, then {_S / self.refill_ns:g} a second"


MISTAKES = Rate(10, _S // 10)
"""Unreadable control messages that are answered."""
RATES: dict[type[BrowserMessage], Rate] = {
    Say: Rate(5, _S // 2),
    Interrupt: Rate(10, _S // 5),
    Confirm: Rate(10, _S // 5),
    Hello: Rate(10, _S // 2),
    Ptt: Rate(20, _S // 10),
    Mute: Rate(20, _S // 10),
    Ping: Rate(50, _S // 20),
    Played: Rate(100, _S // 50),
}
"""Messages that are carried out. A page sends two ``played`` a second and one ``ping``; what waited
for a bad network comes all at once."""


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
    """Lets as many through as its rate says, and knows which refusal begins a burst of them."""

    def __init__(self, rate: Rate, now_ns: int) -> None:
        self._rate = rate
        self._full_ns = now_ns
        """When the bucket is full again."""
        self._has_told = False

    def allow(self, now_ns: int) -> bool:
        """Whether to let one more through now."""
        if now_ns >= self._full_ns:
            self._full_ns, self._has_told = now_ns, False
        full_ns = self._full_ns + self._rate.refill_ns
        if full_ns - now_ns > self._rate.burst * self._rate.refill_ns:
            return False
        self._full_ns = full_ns
        return True

    def tell(self) -> bool:
        """Whether to say that one was refused: once until the bucket has been full again."""
        told, self._has_told = self._has_told, True
        return not told


class Paces:
    """One bucket for each type of control message."""

    def __init__(self, now_ns: int) -> None:
        self._buckets = {kind: Bucket(rate, now_ns) for kind, rate in RATES.items()}

    def of(self, message: BrowserMessage) -> Bucket:
        """The bucket that ``message`` is taken from."""
        return self._buckets[type(message)]
