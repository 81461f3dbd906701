"""When a server that decides no write is left."""

from __future__ import annotations

from mixer_core.cluster.doubt import FIRST_NS, LONGEST_NS, StoreDoubt
from mixer_core.runtime.units import S_NS

ELECTION_NS = 8 * S_NS
"""So long the servers that are together may decide nothing."""


def connected(now_ns: int = 0) -> StoreDoubt:
    doubt = StoreDoubt()
    doubt.connected(now_ns)
    return doubt


def stays_ns(doubt: StoreDoubt, now_ns: int) -> int:
    """How long a server that is connected at ``now_ns`` is kept."""
    doubt.connected(now_ns)
    until_ns = now_ns
    while not doubt.unanswered(until_ns):
        until_ns += S_NS
        assert until_ns < now_ns + 1_000 * S_NS
    doubt.disconnected()
    return until_ns - now_ns


def test_an_election_is_waited_for() -> None:
    assert not connected().unanswered(ELECTION_NS + S_NS)


def test_servers_that_decide_nothing_are_left_ever_less_often() -> None:
    doubt, now_ns, stays = StoreDoubt(), 50 * S_NS, []
    for _ in range(8):
        stays.append(stays_ns(doubt, now_ns))
        now_ns += stays[-1] + S_NS
    assert stays[:4] == [FIRST_NS, 2 * FIRST_NS, 4 * FIRST_NS, LONGEST_NS]
    assert set(stays[3:]) == {LONGEST_NS}


def test_what_was_before_the_connection_does_not_count() -> None:
    doubt = StoreDoubt()
    assert not doubt.unanswered(1_000 * S_NS), "there is none yet"
    doubt.connected(1_000 * S_NS)
    assert not doubt.unanswered(1_001 * S_NS)
    doubt.decided(1_001 * S_NS)
    doubt.disconnected()
    assert not doubt.unanswered(2_000 * S_NS)
    doubt.connected(2_000 * S_NS)
    assert not doubt.unanswered(2_000 * S_NS + FIRST_NS - 1)
    assert doubt.unanswered(2_000 * S_NS + FIRST_NS)


def test_a_write_that_is_decided_begins_it_anew() -> None:
    doubt = connected()
    assert stays_ns(doubt, 0) == FIRST_NS
    doubt.connected(FIRST_NS)
    doubt.decided(20 * S_NS)
    assert not doubt.unanswered(20 * S_NS + FIRST_NS - 1)
    assert doubt.unanswered(20 * S_NS + FIRST_NS), "not after twice as long"


def test_a_server_is_left_once() -> None:
    doubt = connected()
    assert doubt.unanswered(FIRST_NS) and not doubt.unanswered(1_000 * S_NS)


def test_who_writes_seldom_counts_from_the_first_write_that_is_not_answered() -> None:
    doubt, now_ns = connected(), 1_000 * S_NS
    doubt.sent(now_ns)
    assert not doubt.unanswered(now_ns + 4 * S_NS)
    doubt.sent(now_ns + 4 * S_NS)
    assert not doubt.unanswered(now_ns + FIRST_NS - 1) and doubt.unanswered(now_ns + FIRST_NS)
    doubt.disconnected()
    doubt.sent(now_ns)
    assert not doubt.unanswered(9 * now_ns), "there is no connection"
    doubt.connected(9 * now_ns)
    doubt.sent(10 * now_ns)
    doubt.decided(10 * now_ns)
    doubt.sent(20 * now_ns)
    assert not doubt.unanswered(20 * now_ns + FIRST_NS - 1)
