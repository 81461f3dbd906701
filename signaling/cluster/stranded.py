"""Whose people are sent to other nodes, while this one has lost the cluster. Sans-I/O.

The assistants of a node without a lease are silent. Its people go on hearing each other, which is
all that can be done for them where the whole cluster is away. Where only this node is cut off, the
others take its rooms: its people had better join again there.
"""

from __future__ import annotations

from typing import Literal

from mixer_core.runtime.units import S_NS

Who = Literal["nobody", "alone", "everybody"]
FRESH_NS = 10 * S_NS
"""How long another node's word counts that it takes rooms."""
ALONE_NS = 10 * S_NS
"""After so long without the cluster, nothing is left to stay for where nobody hears anybody."""


class Stranded:
    """Of one node."""

    def __init__(self) -> None:
        self._taker_ns: int | None = None
        self._since_ns: int | None = None

    def heard(self, takes: bool, now_ns: int) -> None:
        """Another node says whether it has the cluster, and takes rooms: the latest word counts.

        While NATS goes away, the others find out a little later than this node.
        """
        self._taker_ns = now_ns if takes else None

    def who_goes(self, held: bool, now_ns: int) -> Who:
        """Once a second; ``held``: this node has a lease. ``alone``: rooms without people who hear
        each other."""
        if held:
            self._since_ns = None
            return "nobody"
        if self._since_ns is None:
            self._since_ns = now_ns
        if self._taker_ns is not None and now_ns - self._taker_ns < FRESH_NS:
            return "everybody"
        return "alone" if now_ns - self._since_ns >= ALONE_NS else "nobody"
