"""What one address may do, in virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.units import S_NS
from signaling.limits.buckets import MAX_CLIENTS, Buckets
from signaling.limits.clients import client_of
from signaling.limits.connections import Connections
from signaling.limits.limiter import Limiter, Refusal


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.168.1.5", "192.168.1.5"),
        ("::ffff:192.168.1.5", "192.168.1.5"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("", ""),
        ("unix", ""),
    ],
)
def test_a_client_is_an_address_or_an_ipv6_network(address: str, client: str) -> None:
    assert client_of(address) == client


def test_a_bucket_holds_a_burst_and_refills() -> None:
    buckets = Buckets(3, S_NS)
    assert [buckets.take("a", 0) for _ in range(4)] == [True, True, True, False]
    assert buckets.wait_s("a", 0) == 1 and buckets.take("b", 0)
    assert buckets.take("a", S_NS) and not buckets.take("a", S_NS)
    buckets.give_back("a")
    assert buckets.take("a", S_NS)


def test_a_burst_is_reported_once() -> None:
    buckets = Buckets(1, S_NS)
    buckets.take("a", 0)
    assert [buckets.report("a"), buckets.report("a")] == [True, False]
    buckets.take("a", 10 * S_NS)
    assert buckets.report("a") and not buckets.report("stranger")


def test_the_number_of_remembered_clients_is_bounded() -> None:
    buckets = Buckets(1, 60 * S_NS)
    for number in range(MAX_CLIENTS + 1):
        assert buckets.take(str(number), 0)
    assert buckets.take("0", 0) and not buckets.take(str(MAX_CLIENTS), 0)


@given(st.lists(st.integers(0, 5 * S_NS), max_size=200))
def test_a_bucket_never_lets_more_through_than_its_rate(gaps_ns: list[int]) -> None:
    buckets, now_ns, taken_ns = Buckets(5, S_NS), 0, list[int]()
    for gap_ns in gaps_ns:
        now_ns += gap_ns
        if buckets.take("a", now_ns):
            taken_ns.append(now_ns)
    for first, start_ns in enumerate(taken_ns):
        for last, end_ns in enumerate(taken_ns[first:], first):
            assert last - first + 1 <= 5 + (end_ns - start_ns) // S_NS + 1


def test_offers_that_connect_do_not_count() -> None:
    limiter = Limiter(2, 0)
    for _ in range(50):
        limiter.offer("a", 0)
        limiter.connected("a")
    limiter.offer("a", 0)
    limiter.offer("a", 0)
    with pytest.raises(Refusal, match="wait 30 s") as caught:
        limiter.offer("a", 0)
    assert (caught.value.status, caught.value.retry_after_s) == (429, 30)
    assert caught.value.log_line
    limiter.offer("b", 0)
    limiter.offer("a", 30 * S_NS)


def test_after_too_many_wrong_tokens_none_is_looked_at() -> None:
    limiter = Limiter(0, 10)
    for _ in range(10):
        limiter.token("a", 0)
        limiter.wrong_token("a", 0)
    lines = []
    for _ in range(5):
        with pytest.raises(Refusal, match="wrong tokens") as caught:
            limiter.token("a", 0)
        assert caught.value.retry_after_s == 6
        lines.append(caught.value.log_line)
    assert [bool(line) for line in lines] == [True, False, False, False, False]
    limiter.token("b", 0)
    limiter.token("a", 6 * S_NS)


def test_a_limit_of_zero_is_none() -> None:
    limiter = Limiter(0, 0)
    for _ in range(1_000):
        limiter.offer("a", 0)
        limiter.token("a", 0)
        limiter.wrong_token("a", 0)


def test_a_client_has_so_many_connections() -> None:
    table = Connections(2)
    assert [table.admit("a", n) for n in range(3)] == [None, None, 2]
    assert [table.report("a"), table.report("a")] == [True, False]
    table.closed("a", 0)
    assert table.admit("a", 3) is None and table.admit("b", 4) is None
    assert all(table.admit("proxy", n, exempt=True) is None for n in range(10, 20))


def test_in_a_full_table_who_has_most_makes_room() -> None:
    table = Connections(0, most=6)
    for number in range(5):
        table.admit("many", number)
    assert table.admit("few", 5) is None
    assert table.admit("few", 6) == 0, "the oldest of those who have most"
    assert table.admit("many", 7) == 7, "not for somebody who has most"
    assert table.admit("new", 8) == 1
    assert len(table) == 6


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=100))
def test_the_table_is_never_over_full(steps: list[tuple[str, bool]]) -> None:
    table, open_ = Connections(4, most=7), dict[int, str]()
    for number, (client, opens) in enumerate(steps):
        if opens:
            victim = table.admit(client, number)
            open_[number] = client
            if victim is not None:
                del open_[victim]
        elif open_:
            closing = min(open_)
            table.closed(open_.pop(closing), closing)
        assert len(table) == len(open_) <= 7
        assert all(list(open_.values()).count(c) <= 4 for c in "abcde")
