"""Rate limits. A flood costs the browser that makes it, not the room. Sans-I/O."""

from __future__ import annotations

from typing import NamedTuple

from mixer_core.runtime.token_bucket import TokenBucket
from mixer_core.runtime.units import S_NS

from .protocol.browser_messages import (
    BrowserMessage,
    Confirm,
    Hello,
    Interrupt,
    Move,
    Mute,
    Ping,
    Played,
    Ptt,
    Record,
    Say,
    Speaker,
)

REPEAT_NS = S_NS
"""The same kind of mistake in audio is reported at most this often."""


class Rate(NamedTuple):
    """``burst`` at once, and one more every ``refill_ns``."""

    burst: int
    refill_ns: int

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.burst} at once, then {S_NS / self.refill_ns:g} a second"


MISTAKES = Rate(10, S_NS // 10)
"""Unreadable control messages that are answered."""
RATES: dict[type[BrowserMessage], Rate] = {
    Say: Rate(5, S_NS // 2),
    Interrupt: Rate(10, S_NS // 5),
    Confirm: Rate(10, S_NS // 5),
    Record: Rate(5, S_NS),
    Hello: Rate(10, S_NS // 2),
    Move: Rate(10, S_NS // 2),
    Speaker: Rate(10, S_NS // 2),
    Ptt: Rate(20, S_NS // 10),
    Mute: Rate(20, S_NS // 10),
    Ping: Rate(50, S_NS // 20),
    Played: Rate(100, S_NS // 50),
}
"""Messages that are carried out. A page sends two ``played`` and one ``ping`` a second; after a
network outage they come all at once."""


class Repeats:
    """Lets each kind through once every ``REPEAT_NS``."""

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
    """A token bucket that knows which refusal is the first of a burst."""

    def __init__(self, rate: Rate) -> None:
        self._tokens = TokenBucket(S_NS / rate.refill_ns, rate.burst)
        self._reported = False

    def allow(self, now_ns: int) -> bool:
        """Whether to let one more through now."""
        if self._tokens.is_full(now_ns):
            self._reported = False
        return self._tokens.take(now_ns)

    def report(self) -> bool:
        """Whether to report a refusal: once until the bucket has been full again."""
        reported, self._reported = self._reported, True
        return not reported
