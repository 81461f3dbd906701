"""When a node may make the bucket of rooms: not while anybody may own a room by the one before."""

from __future__ import annotations

from mixer_core.runtime.units import MS_NS, S_NS
from signaling.cluster.remaking import Joined, Remaking

WAIT_NS = 3_500 * MS_NS
T0 = 100 * S_NS


def running() -> Remaking:
    """A node that has joined the first bucket of nodes, beside which that of rooms is there."""
    remaking = Remaking(WAIT_NS)
    assert remaking.is_open(Joined("first", T0)) and not remaking.is_open(None)
    remaking.found("first")
    assert not remaking.is_open(Joined("first", T0))
    return remaking


def test_beside_the_bucket_of_nodes_that_was_there_it_is_never_made() -> None:
    remaking = running()
    assert remaking.wait_ns(Joined("first", T0), "first", T0 + 1_000 * S_NS) is None
    assert remaking.has_leases("first")


def test_a_lease_in_another_bucket_of_nodes_waits_until_all_others_have_noticed() -> None:
    remaking, joined = running(), Joined("second", T0)
    assert remaking.is_open(joined) and not remaking.has_leases("second")
    assert remaking.wait_ns(joined, "second", T0 + S_NS) == WAIT_NS - S_NS
    assert remaking.wait_ns(joined, "second", T0 + WAIT_NS) == 0
    remaking.found("second")
    assert remaking.wait_ns(joined, "second", T0 + WAIT_NS) is None, "it is lost alone"


def test_a_lease_of_before_and_one_by_pledges_make_nothing() -> None:
    remaking, late_ns = running(), T0 + 1_000 * S_NS
    assert remaking.wait_ns(None, "second", late_ns) is None
    assert remaking.wait_ns(Joined("first", T0), "second", late_ns) is None
    assert remaking.wait_ns(Joined("second", T0), "third", late_ns) is None
    assert not remaking.has_leases("second")


def test_a_node_that_starts_makes_it_where_nobody_renews_a_lease() -> None:
    for made, revision in (("", 0), ("first", 700)):
        remaking = Remaking(WAIT_NS)
        assert not remaking.may_start(made, revision, T0)
        assert not remaking.may_start(made, revision, T0 + WAIT_NS - 1)
        assert remaking.may_start(made, revision, T0 + WAIT_NS)


def test_a_node_that_starts_waits_while_others_renew_or_join() -> None:
    remaking = Remaking(WAIT_NS)
    for second in range(60):
        assert not remaking.may_start("first", 700 + second, T0 + second * S_NS)
    end_ns = T0 + 60 * S_NS
    for made in ("first", "second", "", "third"):
        assert not remaking.may_start(made, 759, end_ns)
        end_ns += S_NS
    assert remaking.may_start("third", 759, end_ns - S_NS + WAIT_NS)
