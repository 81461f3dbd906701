"""The lease of a node of the cluster: until when it may hold rooms.

Sans-I/O; all times are boot time (CLOCK_BOOTTIME) of the own machine. ``docs/cluster-fencing.md``
says why no two nodes ever hold the same room; ``watch`` knows of the others' leases.

A lease is a node's record in the store, written anew by compare-and-set every ``renew_ns``. It
holds ``lease_ns`` from *before* the write was sent that was acknowledged. Others let ``wait_ns``
pass from *after* they saw a record, and then write into it that the node is gone, by
compare-and-set on what they saw. So a lease is either renewed or ended, never both. One that has
run out, and that nobody has called lost, holds again by pledges until a newer one is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..runtime.earliest import earliest
from .incarnations import Incarnations
from .lease_actions import (
    NEVER_NS,
    Action,
    AskPledges,
    Begun,
    Claim,
    Ended,
    Known,
    Paused,
    ReadOwn,
    Renewed,
    Resumed,
    Terms,
    Waiting,
    WriteOwn,
)


class NodeLease:
    """The lease of this node."""

    def __init__(self, node: str, terms: Terms, noted: Sequence[str], now_ns: int) -> None:
        """``noted``: the incarnations that this machine has noted on disk, the newest one last.

        Whoever held them is dead: one machine runs one such process.
        """
        self._node = node
        self._terms = terms
        self._incarnations = Incarnations(noted)
        self.incarnation = ""
        """While the lease holds; else empty."""
        self._paused = ""
        """The incarnation whose lease has run out, and may hold again by pledges."""
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
        self._older: tuple[int, int] | None = None
        """Revision of an own record that is older than the one that was acknowledged last, and
        since when that is all that is read."""
        self._heard_ns: int | None = None
        """When the store last acknowledged or refused a write; None: never, or the way to it is
        lost since. What it lets be read says nothing: a leader without a quorum does that, too."""
        self._is_cut = False
        """The way to the store was lost, and no write was answered since."""
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
        """Whether the store has acknowledged or refused a write lately."""
        heard_ns = self._heard_ns
        return heard_ns is not None and now_ns - heard_ns < self._terms.silence_ns

    @property
    def own(self) -> tuple[str, ...]:
        """The incarnations of this machine, as they are to be noted on disk before a write."""
        return self._incarnations.own

    def has_been(self, incarnation: str) -> bool:
        """Whether this process has drawn it."""
        return self._incarnations.is_drawn(incarnation)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        idle = self._pending is None and not self._is_reading
        due_ns = self._due_ns if idle else None
        return earliest(due_ns, self.until_ns or None, self._ask_due_ns())

    # -- time -------------------------------------------------------------------------------------

    def tick(self, proposed: int, now_ns: int) -> list[Action]:
        """The time-out was reached, perhaps; ``proposed``: see ``next_incarnation``."""
        actions: list[Action] = []
        if self.incarnation and now_ns >= self._until_ns:
            actions += self._pause(now_ns)
        if now_ns >= self._due_ns and self._pending is None and not self._is_reading:
            actions += self._go_on(now_ns)
        ask_ns = self._ask_due_ns()
        if ask_ns is not None and now_ns >= ask_ns:
            actions += self._ask(now_ns)
        return actions

    def lost_store(self) -> None:
        """The way to the store is lost: it is away, as far as is known, until it answers."""
        self._heard_ns, self._is_cut, self._older = None, True, None

    def hurry(self, now_ns: int) -> None:
        """What the record says beside the lease has changed: write it soon."""
        if self.incarnation and self._pending is None and not self._is_reading:
            self._due_ns = min(self._due_ns, now_ns)

    def _go_on(self, now_ns: int) -> list[Action]:
        if self._must_read:
            self._is_reading = True
            return [ReadOwn()]
        incarnation = self._incarnations.newest if self._has_left else self.incarnation
        claim = Claim(incarnation, self._beat + 1, self.known, self._has_left)
        return [self._write(claim, now_ns)]

    def _write(self, claim: Claim, now_ns: int) -> WriteOwn:
        self._pending, self._beat = (claim, now_ns), claim.beat
        self._unsure = _joined(self._unsure, claim.known)
        self._due_ns = now_ns + self._terms.renew_ns
        return WriteOwn(claim, self._revision)

    # -- what the store answers -------------------------------------------------------------------

    def found(self, claim: Claim | None, revision: int, proposed: int, now_ns: int) -> list[Action]:
        """The own record as the store has it, perhaps some time ago; None: there is none."""
        self._is_reading = False
        if self.incarnation:
            return self._found_held(claim, revision, now_ns)
        self._paused = ""  # From here on a newer one may be in the store.
        if claim is None or claim.gone or self._incarnations.is_own(claim.incarnation):
            return self._join(claim, revision, proposed, now_ns)
        return self._found_stranger(claim, revision, proposed, now_ns)

    def _found_held(self, claim: Claim | None, revision: int, now_ns: int) -> list[Action]:
        """A renewal was refused: an earlier one has arrived after all, or somebody else wrote."""
        if claim is None:
            return self._end("the cluster's store has lost this node's record", now_ns)
        is_own = claim.incarnation == self.incarnation
        if is_own and claim.gone:
            return self._end("another node has called this one lost", now_ns)
        if revision < self._revision:
            return self._found_older(revision, now_ns)
        if not is_own:
            return self._end("another process has taken this node's name", now_ns)
        pause_ns = 0 if revision > self._revision else self._terms.renew_ns // 4
        self._revision, self._must_read, self._older = revision, False, None
        self._due_ns = now_ns + pause_ns
        return []

    def _found_older(self, revision: int, now_ns: int) -> list[Action]:
        """The store does not have what it has acknowledged: a replica that is behind, which passes,
        or a power cut has taken its last writes, which does not."""
        if self._older is None or self._older[0] != revision:
            self._older = revision, now_ns
        if now_ns - self._older[1] >= self._terms.renew_ns:
            return self._end("the cluster's store has lost this node's last writes", now_ns)
        self._due_ns = now_ns + self._terms.renew_ns // 4
        return []

    def _join(self, claim: Claim | None, revision: int, proposed: int, now_ns: int) -> list[Action]:
        newest = self._incarnations.newest
        incarnation = self._incarnations.draw(claim.incarnation if claim else "", proposed)
        if incarnation != newest:
            self._beat = 0
        self._revision = revision if claim is not None else 0
        self._unsure = ()  # No lease is held under it: nobody has been asked about it.
        return [self._write(Claim(incarnation, self._beat + 1, self.known), now_ns)]

    def _found_stranger(
        self, claim: Claim, revision: int, proposed: int, now_ns: int
    ) -> list[Action]:
        """Some other machine's record, by all that is known here: it may be alive."""
        since_ns, is_first = self._incarnations.stranger(revision, now_ns)
        if now_ns >= since_ns + self._terms.wait_ns(self._terms.autonomy_ns):
            return self._join(claim, revision, proposed, now_ns)
        self._due_ns = now_ns + self._terms.renew_ns
        words = (
            f"the cluster has a node {self._node} already: give this one another name "
            "([cluster] node), or wait until the others have called that one lost"
        )
        return [Waiting(words)] if is_first else []

    def written(self, claim: Claim, revision: int, now_ns: int) -> list[Action]:
        """The store has acknowledged a write; late acknowledgements count, too."""
        self._heard(now_ns)
        if self._pending is None or self._pending[0] != claim:
            return []
        sent_ns = self._pending[1]
        self._incarnations.acknowledged()
        self._pending, self._must_read, self._older = None, False, None
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
        self._heard(now_ns)
        return self._not_written(claim, now_ns)

    def unanswered(self, claim: Claim | None, now_ns: int) -> list[Action]:
        """Nothing came in time (None: of a read): it may have arrived, or may arrive later."""
        if claim is None:
            self._is_reading, self._older = False, None
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
        if was_refused:  # Who has no lease waits for a moment: the next one may be refused, too.
            self._due_ns = now_ns + (0 if self.incarnation else self._terms.renew_ns // 4)
        return []

    def _heard(self, now_ns: int) -> None:
        self._heard_ns, self._is_cut = now_ns, False

    # -- pledges ----------------------------------------------------------------------------------

    def _ask_due_ns(self) -> int | None:
        if not self.incarnation and not self._paused:
            return None
        return max(self._ask_ns, 0 if self._is_cut else self._sent_ns + self._terms.silence_ns)

    def _ask(self, now_ns: int) -> list[Action]:
        is_urgent = bool(self.incarnation) and not self.is_pledged
        # The others may take the store for away later than this node, and are asked again soon.
        self._ask_ns = now_ns + self._terms.renew_ns // (4 if is_urgent else 1)
        if self._paused and now_ns >= self._sent_ns + self._terms.autonomy_ns:
            self._paused = ""
            return []
        incarnation = self.incarnation or self._paused
        if not self._unsure:
            return self.pledged(now_ns, incarnation, now_ns)
        return [AskPledges(self._unsure, now_ns, incarnation)]

    def pledged(self, asked_ns: int, incarnation: str, now_ns: int) -> list[Action]:
        """All that were asked at ``asked_ns`` have said yes: nobody has called the lease lost, nor
        will for a while, whether it has run out meanwhile or not."""
        if not incarnation or incarnation not in (self.incarnation, self._paused):
            return []
        most_ns = self._sent_ns + self._terms.autonomy_ns
        until_ns = min(asked_ns + self._terms.lease_ns, most_ns)
        if until_ns <= max(now_ns, self._until_ns):
            return []
        self._until_ns, self.is_pledged = until_ns, True
        if self.incarnation:
            return [Renewed(until_ns)]
        self.incarnation, self._paused = incarnation, ""
        self._must_read, self._due_ns = False, now_ns
        return [Resumed(incarnation, until_ns)]

    # -- the end ----------------------------------------------------------------------------------

    def leave(self, now_ns: int) -> list[Action]:
        """The node stops, and no room is held any more: the others need not wait for its lease."""
        if self._has_left:
            return []
        ended = self._end("this node leaves the cluster", now_ns) if self.incarnation else []
        self._has_left, self._must_read, self._paused = True, False, ""
        if not ended:
            self._due_ns = NEVER_NS
        return ended

    def _pause(self, now_ns: int) -> list[Action]:
        self._paused = self.incarnation
        self._let_go(now_ns)
        return [Paused("the cluster's store has not answered in time")]

    def _end(self, why: str, now_ns: int) -> list[Action]:
        self._let_go(now_ns)
        return [Ended(why)]

    def _let_go(self, now_ns: int) -> None:
        self.incarnation, self._until_ns, self.is_pledged = "", 0, False
        self._pending, self._must_read, self._due_ns, self._older = None, True, now_ns, None


def _joined(first: Known, second: Known) -> Known:
    return tuple(sorted({*first, *second}))
