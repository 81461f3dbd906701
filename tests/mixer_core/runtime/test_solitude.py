"""A child without a host looks for one, and does not survive a killed gateway for ever."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.errors import WireError
from mixer_core.runtime.pool_wire import Bye, Order, State, Welcome, decode, encode
from mixer_core.runtime.solitude import BUSY_NS, IDLE_NS, MAX_RETRY_NS, Solitude
from mixer_core.runtime.units import MS_NS, S_NS


def attempts(solitude: Solitude, from_ns: int, until_ns: int) -> list[int]:
    """When it looks for a host."""
    found = []
    for now_ns in range(from_ns, until_ns, MS_NS):
        if solitude.attempts(now_ns):
            found.append(now_ns - from_ns)
    return found


def test_it_looks_at_once_then_less_often_but_several_times_while_a_host_settles() -> None:
    solitude = Solitude(0)
    times = attempts(solitude, 0, 2 * S_NS)
    assert times[0] == 0 and times[1] <= 20 * MS_NS
    gaps = [b - a for a, b in pairwise(times)]
    assert max(gaps) <= MAX_RETRY_NS + MS_NS
    solitude.found()
    assert attempts(solitude, 2 * S_NS, 3 * S_NS) == []
    assert solitude.next_timeout_ns() is None
    solitude.lost(5 * S_NS)
    assert solitude.next_timeout_ns() == 5 * S_NS
    assert attempts(solitude, 5 * S_NS, 6 * S_NS)[0] == 0


def test_idle_it_ends_after_seconds() -> None:
    solitude = Solitude(0)
    assert not solitude.ends(True, 0, IDLE_NS - 1)
    assert solitude.ends(True, IDLE_NS, IDLE_NS) == "there is no host"


def test_in_a_call_it_goes_on_while_there_is_signaling() -> None:
    solitude = Solitude(0)
    for second in range(3_600):
        assert not solitude.ends(False, second * S_NS, second * S_NS)
    gone_ns = 3_600 * S_NS
    assert not solitude.ends(False, gone_ns, gone_ns + BUSY_NS - 1)
    assert solitude.ends(False, gone_ns, gone_ns + BUSY_NS)
    solitude.found()
    assert not solitude.ends(False, 0, 100_000 * S_NS)


@given(st.binary(max_size=64))
def test_what_cannot_be_read_is_an_error_of_the_wire(packet: bytes) -> None:
    try:
        decode(packet)
    except WireError as error:
        assert "\n" not in str(error)


def test_messages_come_back_as_they_were_and_later_releases_may_say_more() -> None:
    for message in (State("a-1", True, "b"), Bye(-9), Welcome(), Order("end", "too old")):
        assert decode(encode(message)) == message
    assert decode(b'{"is":"bye","exit_code":3,"more":[1]}') == Bye(3)
