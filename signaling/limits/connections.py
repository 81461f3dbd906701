"""Which TCP connections stay open when there are too many. Sans-I/O.

A client has at most so many. When the whole table is full, the oldest connection of the client with
the most is closed for the newcomer, unless that client is the newcomer: whoever opens many cannot
keep out somebody who opens few.
"""

from __future__ import annotations

MOST = 1_000
"""Connections of all clients together."""


class Connections:
    """All open connections, by client, oldest first."""

    def __init__(self, per_client: int, most: int = MOST) -> None:
        """``per_client``: 0 for no limit."""
        self._per_client = per_client
        self._most = most
        self._open: dict[str, dict[int, None]] = {}
        self._count = 0
        self._reported: set[str] = set()

    def __len__(self) -> int:
        return self._count

    def admit(self, client: str, number: int, exempt: bool = False) -> int | None:
        """A connection came; returns the connection that has to close.

        None if there is space, ``number`` itself if the newcomer is refused.

        Args:
            client: whose it is.
            number: of our own choice, unique.
            exempt: a proxy, whose connections are those of many people.
        """
        own = len(self._open.get(client, ()))
        if self._per_client and own >= self._per_client and not exempt:
            return number
        victim = None
        if self._count >= self._most:
            biggest = max(self._open, key=lambda other: len(self._open[other]))
            if len(self._open[biggest]) <= own + 1:
                return number
            victim = next(iter(self._open[biggest]))
            self.closed(biggest, victim)
        self._open.setdefault(client, {})[number] = None
        self._count += 1
        return victim

    def closed(self, client: str, number: int) -> None:
        """A connection is gone; unknown ones are ignored."""
        own = self._open.get(client, {})
        if number not in own:
            return
        del own[number]
        self._count -= 1
        if not own:
            del self._open[client]
            self._reported.discard(client)

    def report(self, client: str) -> bool:
        """Whether to report a refusal: once until the client has no connection."""
        if client in self._reported or client not in self._open:
            return False
        self._reported.add(client)
        return True
