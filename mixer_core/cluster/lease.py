"""The lease of a node of the cluster: until when it may hold rooms.

Sans-I/O; all times are boot time (CLOCK_BOOTTIME) of the own machine. ``docs/cluster-fencing.md``
says why no two nodes ever hold the same room; ``watch`` knows of the others' leases.

A lease is a node's record in the store, written anew by compare-and-set every ``renew_ns``. It
holds ``lease_ns`` from *before* the write was sent that was acknowledged. Others let ``wait_ns``
pass from *after* they saw a record, and then write into it that the node is gone, by
compare-and-set on what they saw. So a lease is either renewed or ended, never both; and one
incarnation is one unbroken lease.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..runtime.earliest import earliest
from ..runtime.units import MS_NS, S_NS

Known = tuple[tuple[str, str], ...]
"""Names of nodes and their incarnations."""

DIGITS = 16
"""Of an incarnation."""
MAX_KNOWN = 8
"""Nodes that may call a lease lost first, and are asked for pledges: the next ones by name."""
NEVER_NS = 1 << 62
MAX_OWN = 8
"""Incarnations of this machine that may still be in the store."""


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
        return self.renew_ns + self.renew_ns // 2


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
    or ``unanswered``. A new incarnation (``beat`` 1) is noted on disk before."""

    claim: Claim
    revision: int


@dataclass(frozen=True, slots=True)
class AskPledges:
    """Ask these nodes not to call the lease lost; ``pledged`` follows if all have said yes."""

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
class Ended:
    """The lease is over, and with it the incarnation."""

    why: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The lease cannot begin yet, for a reason that a person should read."""

    why: str


Action = ReadOwn | WriteOwn | AskPledges | Begun | Renewed | Ended | Waiting


def next_incarnation(found: str, proposed: int) -> str:
    """A newer one than ``found``; ``proposed``: any number, such as the Unix time in ms."""
    before = int(found, 16) if found else 0
    return f"{max(before + 1, proposed):0{DIGITS}x}"


class NodeLease:
    """The lease of this node."""

    def __init__(self, node: str, terms: Terms, previous: str, now_ns: int) -> None:
        """``previous``: the newest incarnation that this machine has noted on disk, or empty.

        Whoever held it is dead: one machine runs one such process.
        """
        self._node = node
        self._terms = terms
        self._own: tuple[str, ...] = (previous,) if previous else ()
        self._drawn: tuple[str, ...] = ()
        """Those of this process."""
        self.incarnation = ""
        """While the lease holds; else empty."""
        self._until_ns = 0
        self._revision = 0
        """Of the own record, as far as it is known."""
        self._beat = 0
        """Of the newest write, acknowledged or not."""
        self._acked_beat = 0
        self._sent_ns = 0
        """Before the write was sent that was acknowledged last."""
        self._unsure: Known = ()
        """Of records that may be in the store: ``known`` of what was sent since."""
        self._pending: tuple[Claim, int] | None = None
        """What is being written, and when it was sent."""
        self._is_reading = False
        self._must_read = True
        self._due_ns = now_ns
        self._ask_ns = 0
        """When to ask for pledges again."""
        self._heard_ns: int | None = None
        """When the store last answered."""
        self._stranger: tuple[int, int] | None = None
        """Revision of a record of this name that is not ours, and when it was first seen."""
        self._has_left = False
        self.known: Known = ()
        """Whom the next record names."""
        self.is_pledged = False
        """The lease holds by pledges, not by the store."""

    # -- what is known ----------------------------------------------------------------------------

    @property
    def until_ns(self) -> int:
        """Until when the lease holds; 0: there is none."""
        return self._until_ns if self.incarnation else 0

    @property
    def sent_ns(self) -> int:
        """Before the write was sent that was acknowledged last."""
        return self._sent_ns

    def is_newest(self, claim: Claim) -> bool:
        """Whether that is what was acknowledged last."""
        return claim.incarnation == self.incarnation and claim.beat == self._acked_beat

    def holds(self, now_ns: int) -> bool:
        """Whether there is a lease."""
        return now_ns < self.until_ns

    def reaches_store(self, now_ns: int) -> bool:
        """Whether the store has answered lately."""
        heard_ns = self._heard_ns
        return heard_ns is not None and now_ns - heard_ns < self._terms.silence_ns

    def has_been(self, incarnation: str) -> bool:
        """Whether this process has drawn it."""
        return incarnation in self._drawn

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        idle = self._pending is None and not self._is_reading
        ask_ns = self._ask_due_ns() if self.incarnation else None
        return earliest(self._due_ns if idle else None, self.until_ns or None, ask_ns)

    # -- time -------------------------------------------------------------------------------------

    def tick(self, proposed: int, now_ns: int) -> list[Action]:
        """The time-out was reached, perhaps; ``proposed``: see ``next_incarnation``."""
        actions: list[Action] = []
        if self.incarnation and now_ns >= self._until_ns:
            actions += self._end("the cluster's store has not answered in time", now_ns)
        if now_ns >= self._due_ns and self._pending is None and not self._is_reading:
            actions += self._go_on(now_ns)
        if self.incarnation and now_ns >= self._ask_due_ns():
            actions += self._ask(now_ns)
        return actions

    def hurry(self, now_ns: int) -> None:
        """What the record says beside the lease has changed: write it soon."""
        if self.incarnation and self._pending is None and not self._is_reading:
            self._due_ns = min(self._due_ns, now_ns)

    def _go_on(self, now_ns: int) -> list[Action]:
        if self._must_read:
            self._is_reading = True
            return [ReadOwn()]
        if self._has_left:
            return [self._write(Claim(self._own[-1], self._beat + 1, self.known, True), now_ns)]
        return [self._write(Claim(self.incarnation, self._beat + 1, self.known), now_ns)]

    def _write(self, claim: Claim, now_ns: int) -> WriteOwn:
        self._pending, self._beat = (claim, now_ns), claim.beat
        self._unsure = _joined(self._unsure, claim.known)
        self._due_ns = now_ns + self._terms.renew_ns
        return WriteOwn(claim, self._revision)

    # -- what the store answers -------------------------------------------------------------------

    def found(self, claim: Claim | None, revision: int, proposed: int, now_ns: int) -> list[Action]:
        """The own record as the store has it, perhaps some time ago; None: there is none."""
        self._heard_ns, self._is_reading = now_ns, False
        if self.incarnation:
            return self._found_held(claim, revision, now_ns)
        if claim is None or claim.gone or claim.incarnation in self._own:
            return self._join(claim, revision, proposed, now_ns)
        return self._found_stranger(claim, revision, proposed, now_ns)

    def _found_held(self, claim: Claim | None, revision: int, now_ns: int) -> list[Action]:
        """A renewal was refused: an earlier one has arrived after all, or somebody else wrote."""
        if claim is not None and revision <= self._revision:  # A replica that is behind.
            self._due_ns = now_ns + self._terms.renew_ns // 4
            return []
        if claim is not None and claim.incarnation == self.incarnation and not claim.gone:
            self._revision, self._must_read, self._due_ns = revision, False, now_ns
            return []
        why = "another node has called this one lost"
        if claim is None:
            why = "the cluster's store has lost this node's record"
        elif claim.incarnation != self.incarnation:
            why = "another process has taken this node's name"
        return self._end(why, now_ns)

    def _join(self, claim: Claim | None, revision: int, proposed: int, now_ns: int) -> list[Action]:
        newest = max((*self._own, claim.incarnation if claim else ""))
        incarnation = next_incarnation(newest, proposed)
        self._own = (*self._own[1 - MAX_OWN :], incarnation)
        self._drawn = (*self._drawn[1 - MAX_OWN :], incarnation)
        self._revision = revision if claim is not None else 0
        self._unsure, self._stranger = (), None
        return [self._write(Claim(incarnation, 1, self.known), now_ns)]

    def _found_stranger(
        self, claim: Claim, revision: int, proposed: int, now_ns: int
    ) -> list[Action]:
        """Some other machine's record, by all that is known here: it may be alive."""
        is_first = self._stranger is None
        if self._stranger is None or self._stranger[0] != revision:
            self._stranger = revision, now_ns
        if now_ns >= self._stranger[1] + self._terms.wait_ns(self._terms.autonomy_ns):
            return self._join(claim, revision, proposed, now_ns)
        self._due_ns = now_ns + self._terms.renew_ns
        words = (
            f"the cluster has a node {self._node} already: give this one another name "
            "([cluster] node), or wait until the others have called that one lost"
        )
        return [Waiting(words)] if is_first else []

    def written(self, claim: Claim, revision: int, now_ns: int) -> list[Action]:
        """The store has acknowledged a write; late acknowledgements count, too."""
        self._heard_ns = now_ns
        if self._pending is None or self._pending[0] != claim:
            return []
        sent_ns = self._pending[1]
        self._pending, self._must_read = None, False
        self._revision, self._sent_ns, self._acked_beat = revision, sent_ns, claim.beat
        self._unsure = claim.known
        if self._has_left:
            self._due_ns = NEVER_NS
            return []
        until_ns = sent_ns + self._terms.lease_ns
        if now_ns >= max(until_ns, self.until_ns):  # ``tick`` has ended the lease, or will.
            self._must_read, self._due_ns = True, now_ns
            return []
        self.is_pledged = self.is_pledged and until_ns < self.until_ns
        if not self.incarnation:
            self.incarnation, self._until_ns = claim.incarnation, until_ns
            self._ask_ns = 0
            return [Begun(claim.incarnation, until_ns)]
        self._until_ns = max(self._until_ns, until_ns)
        return [Renewed(self._until_ns)]

    def refused(self, claim: Claim, now_ns: int) -> list[Action]:
        """The store has another revision."""
        self._heard_ns = now_ns
        return self._not_written(claim, now_ns)

    def unanswered(self, claim: Claim | None, now_ns: int) -> list[Action]:
        """Nothing came in time (None: of a read): it may have arrived, or may arrive later."""
        if claim is None:
            self._is_reading = False
            self._due_ns = now_ns + self._terms.renew_ns // 2
            return []
        return self._not_written(claim, now_ns, was_refused=False)

    def _not_written(self, claim: Claim, now_ns: int, was_refused: bool = True) -> list[Action]:
        if self._pending is None or self._pending[0] != claim:
            return []
        self._pending = None
        if self._has_left:
            self._due_ns = NEVER_NS  # Nobody depends on it: the others find the lease lost.
            return []
        self._must_read = was_refused or not self.incarnation
        if was_refused:
            self._due_ns = now_ns
        return []

    # -- pledges ----------------------------------------------------------------------------------

    def _ask_due_ns(self) -> int:
        return max(self._ask_ns, self._sent_ns + self._terms.silence_ns)

    def _ask(self, now_ns: int) -> list[Action]:
        # The others may take the store for away later than this node, and are asked again soon.
        self._ask_ns = now_ns + self._terms.renew_ns // (1 if self.is_pledged else 4)
        nodes = self._unsure
        if not nodes:
            return self.pledged(now_ns, self.incarnation, now_ns)
        return [AskPledges(nodes, now_ns, self.incarnation)]

    def pledged(self, asked_ns: int, incarnation: str, now_ns: int) -> list[Action]:
        """All that were asked at ``asked_ns`` have said yes."""
        if incarnation != self.incarnation or not self.holds(now_ns):
            return []
        most_ns = self._sent_ns + self._terms.autonomy_ns
        until_ns = min(asked_ns + self._terms.lease_ns, most_ns)
        if until_ns <= self._until_ns:
            return []
        self._until_ns, self.is_pledged = until_ns, True
        return [Renewed(until_ns)]

    # -- the end ----------------------------------------------------------------------------------

    def leave(self, now_ns: int) -> list[Action]:
        """The node stops, and no room is held any more: the others need not wait for its lease."""
        if self._has_left:
            return []
        ended = self._end("this node leaves the cluster", now_ns) if self.incarnation else []
        self._has_left, self._must_read = True, False
        if not ended:
            self._due_ns = NEVER_NS
        return ended

    def _end(self, why: str, now_ns: int) -> list[Action]:
        self.incarnation, self._until_ns, self.is_pledged = "", 0, False
        self._pending, self._must_read, self._due_ns = None, True, now_ns
        return [Ended(why)]


def _joined(first: Known, second: Known) -> Known:
    return tuple(sorted({*first, *second}))
