"""Whether refusals of a server's port mean that it is gone. Sans-I/O; see ``port_watch``."""

from __future__ import annotations

from mixer_core.runtime.units import MS_NS

QUIET_NS = 300 * MS_NS
"""A server that was heard within this time has its port."""
LOOK_NS = 200 * MS_NS
"""Least time between two questions."""
LEARNING = 4
"""So many questions are asked at first, while the server is surely there."""
REFUSALS = 2
"""So many in a row, with nothing heard between them, mean that the port is nobody's."""


class PortDoubt:
    """What follows from answers.

    A firewall, or a server with a socket for each peer, refuses strangers while the call goes on.
    So a refusal by one that is heard means that refusals say nothing, for the rest of the call.
    """

    def __init__(self) -> None:
        self.says_nothing = False
        """Refusals say nothing of this server."""
        self._asked = 0
        self._refusals = 0
        self._heard_ns = 0

    def next_look_ns(self, heard_ns: int, now_ns: int) -> int:
        """When to look again."""
        return now_ns + LOOK_NS if self._is_learning else max(now_ns + LOOK_NS, heard_ns + QUIET_NS)

    def wants(self, heard_ns: int, now_ns: int) -> bool:
        """Whether to ask now; ``heard_ns``: when anything came from the server."""
        return self._is_learning or now_ns - heard_ns >= QUIET_NS

    def is_gone(self, refused: bool, heard_ns: int, now_ns: int) -> bool:
        """The answer to a question: whether the port is nobody's."""
        was_learning = self._is_learning
        self._asked += 1
        is_heard = was_learning or now_ns - heard_ns < QUIET_NS
        if refused and is_heard:
            self.says_nothing = True
        if not refused or is_heard or self.says_nothing or heard_ns != self._heard_ns:
            self._refusals = 0
        self._heard_ns = heard_ns
        self._refusals += refused and not is_heard
        return self._refusals >= REFUSALS and not self.says_nothing

    @property
    def _is_learning(self) -> bool:
        return self._asked < LEARNING
