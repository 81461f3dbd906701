"""When a NATS server that is connected and answers pings is left for another one. Sans-I/O.

A server that is cut off from the others keeps its clients and may let them read, and acknowledges
none of their writes: JetStream needs a majority. Where all are like that, changing helps nobody, so
it gets rare.
"""

from __future__ import annotations

from mixer_core.runtime.units import S_NS

FIRST_NS, LONGEST_NS = 12 * S_NS, 96 * S_NS
"""How long a server may decide no write; twice as long after each one that was left. The servers
that go on without one elect other leaders meanwhile, which takes them up to 8 s."""


class StoreDoubt:
    """Of one node's connection. All times are boot time."""

    def __init__(self) -> None:
        self._since_ns: int | None = None
        """When the connection was made, or a write was decided last; None: there is none."""
        self._limit_ns = FIRST_NS
        self._is_idle = True
        """Nothing was sent since."""

    def connected(self, now_ns: int) -> None:
        """There is a connection, to whichever server."""
        self._since_ns, self._is_idle = now_ns, True

    def disconnected(self) -> None:
        """It is lost."""
        self._since_ns = None

    def sent(self, now_ns: int) -> None:
        """A write is sent, by who does not write all the time: only from here on does silence say
        anything."""
        if self._is_idle and self._since_ns is not None:
            self._since_ns = now_ns
        self._is_idle = False

    def decided(self, now_ns: int) -> None:
        """A write was acknowledged, or refused since another one came before it. Nothing else says
        that the server has a majority."""
        self._since_ns, self._limit_ns, self._is_idle = now_ns, FIRST_NS, True

    def unanswered(self, now_ns: int) -> bool:
        """A request had no answer; whether to leave the server now."""
        if self._since_ns is None or now_ns - self._since_ns < self._limit_ns:
            return False
        self._since_ns, self._limit_ns = None, min(2 * self._limit_ns, LONGEST_NS)
        return True
