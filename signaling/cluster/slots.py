"""How many requests are relayed at once, in all and for one client. Sans-I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .routing import Kind


@dataclass(frozen=True, slots=True)
class Most:
    """A limit."""

    in_all: int
    per_client: int


AT_THE_ENTRY: Mapping[Kind, Most] = {
    "usual": Most(128, 48),
    "offer": Most(128, 48),
    "wait": Most(1_024, 256),
    "picture": Most(8, 2),
}
"""Of requests that come in here and belong to others. Each holds a body of at most 64 KiB, those
of pictures some 230 KB: 20 MB together. Nobody's address takes them all."""
AT_THE_OWNER: Mapping[Kind, Most] = {
    "usual": Most(256, 256),
    "offer": Most(256, 256),
    "wait": Most(2_048, 2_048),
    "picture": Most(8, 8),
}
"""Of those that others relay to this node, whose own limits count for each client, too."""


class Slots:
    """Those that are taken."""

    def __init__(self, most: Mapping[Kind, Most]) -> None:
        self._most = most
        self._taken: Counter[tuple[Kind, str]] = Counter()
        self._in_all: Counter[Kind] = Counter()

    def take(self, kind: Kind, client: str) -> bool:
        """Whether one more may be relayed; ``give`` follows, once."""
        most = self._most[kind]
        if self._in_all[kind] >= most.in_all or self._taken[kind, client] >= most.per_client:
            return False
        self._in_all[kind] += 1
        self._taken[kind, client] += 1
        return True

    def give(self, kind: Kind, client: str) -> None:
        """It has its answer, or none."""
        self._in_all[kind] -= 1
        self._taken[kind, client] -= 1
        if not self._taken[kind, client]:
            del self._taken[kind, client]

    def __len__(self) -> int:
        return self._in_all.total()
