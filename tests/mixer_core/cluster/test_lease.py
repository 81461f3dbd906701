"""The lease of a node, and what others may say of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.cluster.incarnations import (
    MAX_OWN,
    Incarnations,
    is_incarnation,
    next_incarnation,
)
from mixer_core.cluster.lease import NodeLease
from mixer_core.cluster.lease_actions import (
    AskPledges,
    Begun,
    Claim,
    Ended,
    Paused,
    ReadOwn,
    Renewed,
    Resumed,
    Terms,
    Waiting,
    WriteOwn,
)
from mixer_core.cluster.member import Member
from mixer_core.cluster.watch import MAX_STRANGERS, Evict, NodeWatch
from mixer_core.runtime.units import MS_NS, S_NS

TERMS = Terms()
T0 = 100 * S_NS


def joined(known: tuple[tuple[str, str], ...] = ()) -> tuple[NodeLease, str]:
    """A lease that begins at ``T0``, in a store that has revision 1 of it."""
    lease = NodeLease("a", TERMS, (), T0)
    lease.known = known
    assert lease.tick(5, T0) == [ReadOwn()]
    (write,) = lease.found(None, 0, 5, T0)
    assert isinstance(write, WriteOwn) and write.revision == 0
    (begun,) = lease.written(write.claim, 1, T0 + 10 * MS_NS)
    assert begun == Begun(write.claim.incarnation, T0 + 3 * S_NS), "from before it was sent"
    return lease, write.claim.incarnation


def write_of(actions: list[Any]) -> WriteOwn:
    (write,) = [action for action in actions if isinstance(action, WriteOwn)]
    return write


@given(st.from_regex(r"0[0-9a-e][0-9a-f]{14}", fullmatch=True) | st.just(""), st.integers(0, 2**48))
def test_after_each_incarnation_there_is_a_next_one(found: str, proposed: int) -> None:
    following = next_incarnation(found, proposed)
    assert is_incarnation(following) and following > found


@pytest.mark.parametrize("text", ["", "z" * 16, "f" * 16, "0" * 15, "0" * 17, "0" * 15 + "\n"])
def test_what_no_node_was_is_no_incarnation(text: str) -> None:
    assert not is_incarnation(text)


def test_a_renewal_counts_from_before_it_was_sent() -> None:
    lease, incarnation = joined()
    write = write_of(lease.tick(0, T0 + S_NS))
    assert write.claim == Claim(incarnation, 2) and write.revision == 1
    late_ns = T0 + S_NS + 900 * MS_NS
    assert lease.written(write.claim, 2, late_ns) == [Renewed(T0 + 4 * S_NS)]
    assert lease.holds(T0 + 4 * S_NS - 1) and not lease.holds(T0 + 4 * S_NS)


def test_an_incarnation_ends_with_its_lease_even_if_an_answer_comes_then() -> None:
    lease, incarnation = joined((("b", "1"),))
    write = write_of(lease.tick(0, T0 + S_NS))
    for second in (1, 2):
        lease.unanswered(write.claim, T0 + (1 + second) * S_NS)
        actions = lease.tick(0, T0 + (1 + second) * S_NS)
        if second < 2:
            write = write_of(actions)
    assert isinstance(actions[0], Paused) and actions[1] == ReadOwn()
    assert lease.written(write.claim, 2, T0 + 3 * S_NS) == [] and not lease.incarnation
    again = write_of(lease.found(write.claim, 2, 0, T0 + 3 * S_NS))
    assert again.claim.incarnation > incarnation and again.revision == 2


def test_a_renewal_that_arrived_without_an_answer_is_found() -> None:
    lease, incarnation = joined()
    lost = write_of(lease.tick(0, T0 + S_NS)).claim
    lease.unanswered(lost, T0 + 2 * S_NS)
    second = write_of(lease.tick(0, T0 + 2 * S_NS))
    assert second.revision == 1
    assert lease.refused(second.claim, T0 + 2 * S_NS) == []
    assert lease.tick(0, T0 + 2 * S_NS) == [ReadOwn()]
    assert lease.found(lost, 2, 0, T0 + 2 * S_NS) == []
    third = write_of(lease.tick(0, T0 + 2 * S_NS))
    assert third.revision == 2 and third.claim.incarnation == incarnation
    assert lease.written(third.claim, 3, T0 + 2 * S_NS) == [Renewed(T0 + 5 * S_NS)]


def read_again(lease: NodeLease, claim: Claim, revision: int, now_ns: int) -> tuple[int, list[Any]]:
    """The own record is read until that leads to something; when, and to what."""
    for _ in range(40):
        if ReadOwn() in lease.tick(0, now_ns):
            actions = lease.found(claim, revision, 0, now_ns)
            if actions:
                return now_ns, actions
        now_ns += 50 * MS_NS
    raise AssertionError("it reads for ever")


def test_a_store_that_has_lost_its_last_writes_ends_the_lease_soon_and_begins_another() -> None:
    lease, incarnation = joined()
    for second, revision in ((1, 5), (2, 9)):
        write = write_of(lease.tick(0, T0 + second * S_NS))
        lease.written(write.claim, revision, T0 + second * S_NS)
    write = write_of(lease.tick(0, T0 + 3 * S_NS))
    assert lease.refused(write.claim, T0 + 3 * S_NS) == []
    end_ns, (ended,) = read_again(lease, Claim(incarnation, 2), 5, T0 + 3 * S_NS)
    assert isinstance(ended, Ended) and "lost" in ended.why
    assert T0 + 4 * S_NS <= end_ns < T0 + 4_250 * MS_NS, "a replica may be behind for a moment"
    assert lease.tick(0, end_ns) == [ReadOwn()]
    again = write_of(lease.found(Claim(incarnation, 2), 5, 0, end_ns))
    assert again.revision == 5 and again.claim.incarnation > incarnation
    assert isinstance(lease.written(again.claim, 6, end_ns)[0], Begun)


@pytest.mark.parametrize("between", ["catches up", "silence", "cut"])
def test_a_replica_that_is_behind_for_moments_ends_nothing(between: str) -> None:
    lease, incarnation = joined()
    for second, revision in ((1, 5), (2, 9)):
        write = write_of(lease.tick(0, T0 + second * S_NS))
        lease.written(write.claim, revision, T0 + second * S_NS)
    now_ns = T0 + 3 * S_NS
    lease.refused(write_of(lease.tick(0, now_ns)).claim, now_ns)
    old = Claim(incarnation, 2)
    assert ReadOwn() in lease.tick(0, now_ns) and lease.found(old, 5, 0, now_ns) == []
    now_ns += 900 * MS_NS
    assert ReadOwn() in lease.tick(0, now_ns)
    match between:
        case "silence":
            lease.unanswered(None, now_ns)
        case "cut":
            lease.found(old, 5, 0, now_ns)
            lease.lost_store()
        case _:
            lease.found(old, 7, 0, now_ns)
    now_ns += 500 * MS_NS
    assert ReadOwn() in lease.tick(0, now_ns)
    assert lease.found(old, 5, 0, now_ns) == [] and lease.incarnation


def test_who_reads_what_it_wrote_last_writes_on() -> None:
    """A replica that was behind has refused a write."""
    lease, incarnation = joined()
    lease.refused(write_of(lease.tick(0, T0 + S_NS)).claim, T0 + S_NS)
    assert lease.tick(0, T0 + S_NS) == [ReadOwn()]
    assert lease.found(Claim(incarnation, 1), 1, 0, T0 + S_NS) == []
    assert lease.tick(0, T0 + S_NS) == [], "not at once: it may be refused again"
    assert write_of(lease.tick(0, T0 + 1_500 * MS_NS)).revision == 1


def test_who_is_called_lost_by_a_store_that_has_lost_its_end_has_no_lease() -> None:
    """Its revisions are given anew."""
    lease, incarnation = joined()
    write = write_of(lease.tick(0, T0 + S_NS))
    lease.written(write.claim, 9, T0 + S_NS)
    lease.refused(write_of(lease.tick(0, T0 + 2 * S_NS)).claim, T0 + 2 * S_NS)
    lease.tick(0, T0 + 2 * S_NS)
    (ended,) = lease.found(Claim(incarnation, 1, gone=True), 7, 0, T0 + 2 * S_NS)
    assert isinstance(ended, Ended) and "called" in ended.why


@pytest.mark.parametrize("gone", [True, False])
def test_who_is_called_lost_or_replaced_has_no_lease(gone: bool) -> None:
    lease, incarnation = joined()
    write = write_of(lease.tick(0, T0 + S_NS))
    lease.refused(write.claim, T0 + S_NS)
    lease.tick(0, T0 + S_NS)
    other = incarnation if gone else next_incarnation(incarnation, 0)
    (ended,) = lease.found(Claim(other, 1, gone=gone), 7, 0, T0 + S_NS)
    assert isinstance(ended, Ended) and not lease.holds(T0 + S_NS)


def test_another_machine_of_the_same_name_is_waited_for_in_words() -> None:
    lease = NodeLease("a", TERMS, (next_incarnation("", 3),), T0)
    lease.tick(0, T0)
    stranger = Claim(next_incarnation("", 9), 4)
    (waiting,) = lease.found(stranger, 5, 0, T0)
    assert isinstance(waiting, Waiting) and "[cluster] node" in waiting.why
    now_ns = T0
    while now_ns < T0 + TERMS.wait_ns(TERMS.autonomy_ns) - S_NS:
        now_ns += S_NS
        assert lease.tick(0, now_ns) == [ReadOwn()]
        assert lease.found(stranger, 5, 0, now_ns) == []
    gone = Claim(stranger.incarnation, 4, gone=True)
    lease.tick(0, now_ns + S_NS)
    assert write_of(lease.found(gone, 6, 0, now_ns + S_NS)).claim.incarnation > gone.incarnation


def test_the_incarnation_before_a_restart_is_replaced_at_once() -> None:
    before = next_incarnation("", 3)
    lease = NodeLease("a", TERMS, (before,), T0)
    lease.tick(0, T0)
    assert write_of(lease.found(Claim(before, 4), 5, 0, T0)).revision == 5


def test_who_is_not_acknowledged_asks_for_the_same_incarnation_and_knows_all_of_its_own() -> None:
    """A leader without a quorum lets the old record be read, and keeps one write to itself."""
    standing = next_incarnation("", 3)
    lease, now_ns = NodeLease("a", TERMS, (standing,), T0), T0
    writes: list[WriteOwn] = []
    for _ in range(2 * MAX_OWN):
        assert lease.tick(now_ns, now_ns) == [ReadOwn()]
        writes.append(write_of(lease.found(Claim(standing, 4), 5, now_ns, now_ns)))
        lease.unanswered(writes[-1].claim, now_ns + S_NS)
        now_ns += S_NS
    assert {write.claim.incarnation for write in writes} == {lease.own[-1]}
    assert lease.own[-1] > standing
    assert len({write.claim for write in writes}) == len(writes), "an answer is of one write"
    lease.tick(0, now_ns)
    arrived = writes[0].claim
    following = write_of(lease.found(arrived, 6, 0, now_ns))
    assert following.claim.incarnation > arrived.incarnation and following.revision == 6


def test_what_stands_in_the_store_is_known_however_many_are_drawn() -> None:
    incarnations = Incarnations(())
    standing = incarnations.draw("", 0)
    for _ in range(3 * MAX_OWN):
        incarnations.acknowledged()
        incarnations.draw(standing, 0)
    assert incarnations.is_own(standing) and incarnations.newest > standing
    assert len(incarnations.own) == MAX_OWN
    assert Incarnations(incarnations.own).is_own(standing), "after a restart"


def test_who_is_refused_without_a_lease_waits_before_it_asks_again() -> None:
    lease = NodeLease("a", TERMS, (), T0)
    lease.tick(0, T0)
    lease.refused(write_of(lease.found(None, 0, 0, T0)).claim, T0)
    due_ns = lease.next_timeout_ns()
    assert due_ns is not None and due_ns > T0 and lease.tick(0, T0) == []
    assert lease.tick(0, due_ns) == [ReadOwn()]


def test_a_store_that_can_only_be_read_is_away() -> None:
    """So whoever has lost its lease says yes to the others."""
    lease, _ = joined((("b", "1"),))
    end_ns = lapsed(lease)
    lease.found(Claim("1", 1), 1, 0, end_ns)
    assert not lease.reaches_store(end_ns)


def test_pledges_go_on_from_before_they_were_asked_for_and_not_for_ever() -> None:
    known = (("b", "1"), ("c", "1"))
    lease, incarnation = joined(known)
    now_ns, asked = T0, []
    while lease.holds(now_ns) and now_ns < T0 + 1_000 * S_NS:
        now_ns += 500 * MS_NS
        for action in lease.tick(0, now_ns):
            if isinstance(action, AskPledges):
                asked.append(action)
                assert action.nodes == known
                for renewed in lease.pledged(now_ns, incarnation, now_ns + 300 * MS_NS):
                    assert renewed == Renewed(min(now_ns + 3 * S_NS, T0 + TERMS.autonomy_ns))
            elif isinstance(action, WriteOwn):
                lease.unanswered(action.claim, now_ns)
    assert now_ns == T0 + TERMS.autonomy_ns and len(asked) > 500
    assert not lease.pledged(now_ns, incarnation, now_ns)


def test_a_node_alone_in_its_record_needs_nobodys_word() -> None:
    lease, _ = joined()
    lease.unanswered(write_of(lease.tick(0, T0 + S_NS)).claim, T0 + S_NS)
    assert lease.tick(0, T0 + 1_250 * MS_NS) == [Renewed(T0 + 4_250 * MS_NS)] and lease.is_pledged


def lapsed(lease: NodeLease) -> int:
    """The store is away; returns when the lease has run out."""
    write = write_of(lease.tick(0, T0 + S_NS))
    lease.unanswered(write.claim, T0 + 2 * S_NS)
    end_ns = T0 + 3 * S_NS
    assert isinstance(lease.tick(0, end_ns)[0], Paused) and not lease.holds(end_ns)
    return end_ns


def test_a_lease_that_has_run_out_holds_again_when_all_say_that_nobody_called_it_lost() -> None:
    known = (("b", "1"), ("c", "1"))
    lease, incarnation = joined(known)
    end_ns = lapsed(lease)
    lease.unanswered(None, end_ns + S_NS)
    (ask,) = [one for one in lease.tick(0, end_ns + S_NS) if isinstance(one, AskPledges)]
    assert ask == AskPledges(known, end_ns + S_NS, incarnation)
    assert lease.pledged(end_ns - 3 * S_NS, incarnation, end_ns + S_NS) == [], "asked too early"
    until_ns = end_ns + 4 * S_NS
    assert lease.pledged(ask.asked_ns, incarnation, end_ns + 2 * S_NS) == [
        Resumed(incarnation, until_ns)
    ]
    assert lease.is_pledged and lease.until_ns == until_ns
    renewal = write_of(lease.tick(0, end_ns + 2 * S_NS))
    assert renewal.claim.incarnation == incarnation and renewal.revision == 1
    assert lease.written(renewal.claim, 2, end_ns + 2 * S_NS) == [Renewed(end_ns + 5 * S_NS)]


def test_no_pledge_brings_back_what_may_be_replaced_or_is_too_old() -> None:
    lease, incarnation = joined((("b", "1"),))
    end_ns = lapsed(lease)
    newer = write_of(lease.found(Claim(incarnation, 1), 1, 0, end_ns))
    assert newer.claim.incarnation > incarnation
    lease.unanswered(newer.claim, end_ns + S_NS)
    assert lease.pledged(end_ns, incarnation, end_ns + S_NS) == []
    assert not lease.pledged(end_ns, newer.claim.incarnation, end_ns + S_NS)
    other, held = joined((("b", "1"),))
    end_ns = lapsed(other) + TERMS.autonomy_ns
    assert not other.pledged(end_ns, held, end_ns)
    assert not [one for one in other.tick(0, end_ns) if isinstance(one, AskPledges)]
    assert other.pledged(end_ns, held, end_ns) == []


def test_whose_way_to_the_store_is_lost_asks_and_promises_at_once() -> None:
    member = Member("a", TERMS, (), lambda: 0, T0)
    member.tick(T0)
    claim = write_of(member.found(None, 0, T0)).claim
    member.written(claim, 1, T0)
    member.seen("b", Claim("1", 1), 1, T0)
    now_ns = T0 + 100 * MS_NS
    assert not member.asked("b", "1", claim.incarnation, now_ns)
    member.lost_store()
    assert member.next_timeout_ns() == 0 and member.asked("b", "1", claim.incarnation, now_ns)
    assert member.tick(now_ns) == [Renewed(now_ns + 3 * S_NS)], "it knew nobody when it wrote"
    renewal = write_of(member.tick(T0 + S_NS)).claim
    assert member.written(renewal, 2, T0 + S_NS) == [Renewed(T0 + 4 * S_NS)]
    assert not member.asked("b", "1", claim.incarnation, T0 + S_NS), "the store is back"


def test_whoever_may_stand_in_the_store_is_asked() -> None:
    lease, incarnation = joined((("b", "1"),))
    lease.known = (("c", "1"),)
    write = write_of(lease.tick(0, T0 + S_NS))
    lease.unanswered(write.claim, T0 + S_NS)
    (ask,) = lease.tick(0, T0 + 1_250 * MS_NS)
    assert ask == AskPledges((("b", "1"), ("c", "1")), T0 + 1_250 * MS_NS, incarnation)


def test_who_leaves_says_so_after_the_lease() -> None:
    lease, incarnation = joined()
    assert isinstance(lease.leave(T0 + S_NS)[0], Ended)
    write = write_of(lease.tick(0, T0 + S_NS))
    assert write.claim.gone and write.claim.incarnation == incarnation
    assert lease.written(write.claim, 2, T0 + S_NS) == []
    assert lease.tick(0, T0 + 60 * S_NS) == [] and lease.leave(T0) == []


def seen(watch: NodeWatch, claim: Claim, revision: int = 1, now_ns: int = T0) -> None:
    watch.seen("a", claim, revision, now_ns)


def test_a_node_is_called_lost_after_the_wait_by_whom_it_knows() -> None:
    watch = NodeWatch("b", TERMS)
    seen(watch, Claim("1", 3, (("b", "4"),)))
    end_ns = T0 + 3_500 * MS_NS
    assert watch.next_timeout_ns("5") == end_ns and watch.due("5", end_ns - 1) == []
    assert watch.due("3", end_ns) == [], "its record knows a newer one of this name"
    (evict,) = watch.due("5", end_ns)
    assert evict == Evict("a", Claim("1", 3, (("b", "4"),), gone=True), 1)
    assert watch.verdict("a", "1", end_ns) == "unsure"
    watch.evicted(evict, 2, end_ns)
    assert watch.verdict("a", "1", end_ns) == "lost" and watch.next_timeout_ns("5") is None


def test_whom_it_does_not_know_waits_for_its_longest_autonomy() -> None:
    watch = NodeWatch("z", TERMS)
    seen(watch, Claim("1", 3, (("b", "4"),)))
    assert watch.next_timeout_ns("5") == T0 + 630 * S_NS + 350 * MS_NS


def test_a_call_that_was_refused_is_not_made_again_for_the_same_record() -> None:
    watch = NodeWatch("b", TERMS)
    seen(watch, Claim("1", 3, (("b", "1"),)))
    (evict,) = watch.due("1", T0 + 4 * S_NS)
    assert watch.due("1", T0 + 4 * S_NS + 1) == []
    assert watch.due("1", T0 + 5 * S_NS) == [evict], "without an answer it is made again"
    watch.kept(evict)
    assert watch.due("1", T0 + 3_000 * S_NS) == []
    seen(watch, Claim("1", 4, (("b", "1"),)), 2, T0 + 4_000 * S_NS)
    assert watch.due("1", T0 + 4_003 * S_NS) == []
    assert len(watch.due("1", T0 + 4_004 * S_NS)) == 1


def test_a_promise_is_kept_and_not_given_where_the_store_is_there_or_a_call_is_under_way() -> None:
    watch = NodeWatch("b", TERMS)
    assert not watch.pledge("a", "1", False, T0), "nobody of that name"
    seen(watch, Claim("1", 3, (("b", "1"),)))
    assert not watch.pledge("a", "1", True, T0) and not watch.pledge("a", "0", False, T0)
    assert watch.pledge("a", "1", False, T0 + 3_400 * MS_NS)
    assert watch.due("1", T0 + 6_899 * MS_NS) == []
    (evict,) = watch.due("1", T0 + 6_900 * MS_NS)
    assert not watch.pledge("a", "1", False, T0 + 6_900 * MS_NS)
    watch.kept(evict)
    assert watch.pledge("a", "1", False, T0 + 7 * S_NS)


@pytest.mark.parametrize("gone", [True, False])
def test_whom_it_may_have_called_lost_gets_no_promise_although_the_store_seems_to_begin_anew(
    gone: bool,
) -> None:
    """A server that is behind shows older records, and a last revision that is lower."""
    watch, known = NodeWatch("b", TERMS), (("b", "1"),)
    seen(watch, Claim("1", 3, known), 7)
    (evict,) = watch.due("1", T0 + 4 * S_NS)
    if gone:
        watch.evicted(evict, 9, T0 + 4 * S_NS)
    now_ns = T0 + 5 * S_NS
    watch.forget()
    seen(watch, Claim("1", 2, known), 5, now_ns)
    assert not watch.pledge("a", "1", False, now_ns)
    watch.due("1", now_ns + 4 * S_NS)
    watch.forget()  # Once more; what it knew then was older.
    seen(watch, Claim("1", 3, known), 7, now_ns)
    assert not watch.pledge("a", "1", False, now_ns)
    seen(watch, evict.claim, 9, now_ns)
    assert not watch.pledge("a", "1", False, now_ns)
    seen(watch, Claim("2", 1, known), 10, now_ns)
    assert watch.pledge("a", "2", False, now_ns)


def test_whom_it_has_not_called_lost_after_all_gets_a_promise_again() -> None:
    watch, known = NodeWatch("b", TERMS), (("b", "1"),)
    seen(watch, Claim("1", 3, known), 7)
    assert watch.due("1", T0 + 4 * S_NS)
    watch.forget()
    seen(watch, Claim("1", 3, known), 7, T0 + 5 * S_NS)
    assert not watch.pledge("a", "1", False, T0 + 5 * S_NS)
    seen(watch, Claim("1", 4, known), 8, T0 + 6 * S_NS)
    assert watch.pledge("a", "1", False, T0 + 6 * S_NS), "its renewal came first"


def test_rooms_of_an_older_incarnation_are_lost_after_the_wait() -> None:
    watch = NodeWatch("b", TERMS)
    seen(watch, Claim("2", 3))
    assert watch.verdict("a", "1", T0 + 3_499 * MS_NS) == "unsure"
    assert watch.verdict("a", "1", T0 + 3_500 * MS_NS) == "lost"
    assert watch.verdict("a", "3", T0 + 4_000 * S_NS) == "unsure", "this view is old"
    assert watch.verdict("a", "2", T0 + S_NS) == "live"
    assert watch.verdict("a", "2", T0 + 4 * S_NS) == "unsure"


def test_a_node_without_a_record_is_lost_once_it_cannot_but_have_been_seen() -> None:
    watch, wait_ns = NodeWatch("b", TERMS), TERMS.wait_ns(TERMS.autonomy_ns)
    assert watch.verdict("a", "1", T0, T0) == "unsure"
    assert watch.verdict("a", "1", T0 + 2 * wait_ns, T0 + wait_ns - 1) == "unsure"
    assert watch.verdict("a", "1", T0 + 2 * wait_ns, T0 + wait_ns) == "lost"
    for number in range(2 * MAX_STRANGERS):
        watch.verdict(f"n{number}", "1", T0)


def test_the_next_ones_in_the_ring_are_known() -> None:
    watch = NodeWatch("m", TERMS)
    for name in [f"{letter}" for letter in "abcdefghijklnopq"]:
        watch.seen(name, Claim("1", 1, gone=name == "n"), 1, T0)
    names = [name for name, _ in watch.neighbours(T0)]
    assert names == sorted("opqabcde")
    assert watch.neighbours(T0 + 4 * S_NS) == ()


def test_a_pledge_is_of_the_process_that_was_named() -> None:
    old = Member("b", TERMS, (), lambda: 0, T0)
    old.tick(T0)
    own = write_of(old.found(None, 0, T0)).claim.incarnation
    new = Member("b", TERMS, (own,), lambda: 0, T0)
    later_ns = T0 + 10 * S_NS
    for member, answer in ((old, True), (new, False)):
        member.seen("a", Claim("1", 1), 1, T0)
        assert member.asked("a", "1", own, later_ns) is answer


@given(
    rates=st.tuples(st.integers(100, 105), st.integers(100, 105)),
    duration_ns=st.integers(1, 700 * S_NS),
)
def test_whoever_waits_has_waited_long_enough_for_any_rates(
    rates: tuple[int, int], duration_ns: int
) -> None:
    """Time of the holder and of the observer while the same real time passes."""
    holder, observer = rates
    real_ns = TERMS.wait_ns(duration_ns) * 100 // observer
    assert real_ns * holder >= duration_ns * 100 + (TERMS.close_ns - 20 * MS_NS) * 95
