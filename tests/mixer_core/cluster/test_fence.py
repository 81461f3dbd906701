"""Whether a link may speak."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.cluster.fence import NO_CLUSTER, OPEN_NS, Fence
from mixer_core.runtime.units import S_NS


def test_without_a_cluster_nothing_is_fenced() -> None:
    fence = Fence(NO_CLUSTER, 0)
    assert fence.may_speak(10**18) and fence.may_open(10**18) and fence.left_ns(0) is None
    fence.grant(4, 5)
    assert fence.is_off


def test_it_speaks_until_its_time_and_opens_no_session_shortly_before() -> None:
    fence = Fence(1, 10 * S_NS)
    assert fence.may_speak(10 * S_NS - 1) and not fence.may_speak(10 * S_NS)
    assert fence.may_open(10 * S_NS - OPEN_NS - 1) and not fence.may_open(10 * S_NS - OPEN_NS)
    assert fence.left_ns(9 * S_NS) == S_NS and fence.left_ns(11 * S_NS) == 0
    fence.grant(1, 12 * S_NS)
    fence.grant(1, 11 * S_NS)
    assert fence.left_ns(11 * S_NS) == S_NS, "a grant takes nothing back"


def test_who_was_told_to_stop_goes_on_under_a_newer_epoch_only() -> None:
    fence = Fence(3, 10 * S_NS)
    fence.grant(3, 0)
    fence.grant(3, 20 * S_NS)
    assert not fence.may_speak(0)
    fence.grant(4, 20 * S_NS)
    assert fence.may_speak(19 * S_NS) and fence.epoch == 4
    fence.grant(2, 90 * S_NS)
    assert not fence.may_speak(20 * S_NS)
    fence.grant(5, 30 * S_NS)
    assert fence.may_speak(29 * S_NS)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9)), max_size=12))
def test_it_never_speaks_longer_than_the_newest_epoch_was_granted(
    grants: list[tuple[int, int]],
) -> None:
    fence = Fence(1, 1)
    for epoch, until_ns in grants:
        fence.grant(epoch, until_ns)
    newest = max([1, *(epoch for epoch, _ in grants)])
    granted = [until_ns for epoch, until_ns in grants if epoch == newest] + [1] * (newest == 1)
    assert not fence.may_speak(max(granted))
