"""What the lease of a node is made of: durations, what its record says, what the node does for it.

``lease`` decides, the shell (``signaling/cluster/node.py``) carries out. All times are boot time.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..runtime.units import MS_NS, S_NS

Known = tuple[tuple[str, str], ...]
"""Names of nodes and their incarnations."""

MAX_KNOWN = 8
"""Nodes that may call a lease lost first, and are asked for pledges: the next ones by name."""
NEVER_NS = 1 << 62


@dataclass(frozen=True, slots=True)
class Terms:
    """Durations of all leases; the same on all nodes."""

    lease_ns: int = 3 * S_NS
    """How long a lease holds without being renewed."""
    renew_ns: int = 1 * S_NS
    """Between two renewals, and the longest wait for an answer."""
    autonomy_ns: int = 600 * S_NS
    """Longest time that pledges make up for the store."""
    close_ns: int = 350 * MS_NS
    """A holder is silent so soon after its lease has ended."""
    rates_percent: int = 5
    """By how much the rates of two machines' clocks differ at most."""

    def wait_ns(self, duration_ns: int) -> int:
        """What has to pass here, so that ``duration_ns`` has passed elsewhere, closing included."""
        return duration_ns + -(-duration_ns * self.rates_percent // 100) + self.close_ns

    @property
    def silence_ns(self) -> int:
        """A store that has acknowledged nothing for so long is away."""
        return self.renew_ns + self.renew_ns // 4


@dataclass(frozen=True, slots=True)
class Claim:
    """What a node's record says of its lease."""

    incarnation: str
    beat: int
    """Counts the writes of an incarnation."""
    known: Known = ()
    """Who may call the lease lost ``wait_ns(lease_ns)`` after they saw this; others later."""
    gone: bool = False
    """The lease is lost, or was given up: this incarnation never comes back."""


@dataclass(frozen=True, slots=True)
class ReadOwn:
    """Read the own record; ``found`` or ``unanswered`` follows."""


@dataclass(frozen=True, slots=True)
class WriteOwn:
    """Write the own record if the store has ``revision`` (0: none); then ``written``, ``refused``
    or ``unanswered``. What ``NodeLease.own`` says is noted on disk before."""

    claim: Claim
    revision: int


@dataclass(frozen=True, slots=True)
class AskPledges:
    """Ask these nodes whether they have not called the lease lost, and will not; ``pledged``
    follows if all have said yes."""

    nodes: Known
    asked_ns: int
    incarnation: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A new lease: no room is held under it yet."""

    incarnation: str
    until_ns: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """The lease holds until then."""

    until_ns: int


@dataclass(frozen=True, slots=True)
class Paused:
    """The lease has run out. ``Resumed`` follows if the others say that nobody has called it lost,
    else a new one begins."""

    why: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """The lease that had run out holds again, by pledges: what was held under it still is."""

    incarnation: str
    until_ns: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The lease is over, and with it the incarnation."""

    why: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The lease cannot begin yet, for a reason that a person should read."""

    why: str


Told = Begun | Renewed | Paused | Resumed | Ended | Waiting
Action = ReadOwn | WriteOwn | AskPledges | Told
