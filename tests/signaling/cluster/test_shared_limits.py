"""Limits of an address over several nodes: the counting in memory, and once over a real server."""

from __future__ import annotations

import time

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.cluster.names import Names
from mixer_core.runtime import logs
from mixer_core.runtime.errors import RecordError
from mixer_core.runtime.units import S_NS
from signaling.cluster.limit_wire import (
    EVERY_S,
    MAX_BYTES,
    decode_news,
    encode_news,
    pause_s,
)
from signaling.cluster.shared_limits import SharedLimits
from signaling.limits.limiter import MAX_HEARD, MAX_NEWS, Limiter, News, Refusal
from tests.mixer_core.cluster.test_connection import connected, run
from tests.support.nats_server import NatsServer, needs_nats
from tests.support.waiting import until

THEM, US = "192.0.2.1", "192.0.2.2"
NOW_NS = 10**12


def nodes(count: int, offers: int = 6, tokens: int = 6) -> list[Limiter]:
    made = [Limiter(offers, tokens) for _ in range(count)]
    for limiter in made:
        limiter.share()
    return made


def gossip(limiters: list[Limiter], now_ns: int = NOW_NS) -> None:
    """All tell all others what is new."""
    for teller in limiters:
        _, news = decode_news(encode_news("n", teller.take_news()))
        for other in limiters:
            if other is not teller:
                for one in news:
                    other.heard(one, now_ns)


def offers_until_refused(limiter: Limiter, client: str = THEM, now_ns: int = NOW_NS) -> int:
    for count in range(1_000):
        try:
            limiter.offer(client, now_ns)
        except Refusal:
            return count
    raise AssertionError("never refused")


def test_what_came_to_another_node_counts_here() -> None:
    one, two, three = limiters = nodes(3)
    for limiter in limiters:
        limiter.offer(THEM, NOW_NS)
    gossip(limiters)
    assert [offers_until_refused(limiter) for limiter in limiters] == [3, 3, 3]
    assert offers_until_refused(one, US) == 6
    for _ in range(6):
        two.wrong_token(THEM, NOW_NS)
    gossip(limiters)
    with pytest.raises(Refusal):
        three.token(THEM, NOW_NS)
    gossip(limiters, NOW_NS)
    three.token(THEM, NOW_NS + 60 * S_NS)


def test_an_offer_that_connects_counts_nowhere() -> None:
    one, two = limiters = nodes(2)
    for _ in range(20):
        one.offer(THEM, NOW_NS)
        gossip(limiters)
        one.connected(THEM)
        gossip(limiters)
    assert offers_until_refused(two) == offers_until_refused(one) == 6
    assert nodes(1)[0].take_news() == []


def test_a_gateway_alone_collects_nothing_and_a_limit_of_0_is_none() -> None:
    alone = Limiter(6, 6)
    alone.offer(THEM, NOW_NS)
    assert alone.take_news() == []
    unlimited = Limiter(0, 0)
    unlimited.share()
    unlimited.offer(THEM, NOW_NS)
    unlimited.heard(News("offers", THEM, 5), NOW_NS)
    assert unlimited.take_news() == []


def test_what_is_collected_is_bounded() -> None:
    (limiter,) = nodes(1)
    for number in range(3 * MAX_NEWS):
        limiter.offer(f"client-{number}", NOW_NS)
    news = limiter.take_news()
    assert len(news) == MAX_NEWS and len(encode_news("n", news)) < MAX_BYTES
    assert limiter.take_news() == []


def test_with_many_nodes_each_tells_less_often() -> None:
    assert pause_s(1) == pause_s(10) == EVERY_S
    assert 10_000 / pause_s(10_000) == pytest.approx(10 / EVERY_S)


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.sampled_from(["offers", "tokens", "else"]),
                st.text(max_size=70),
                st.integers(-2_000, 2_000),
            ),
            st.lists(st.integers(), max_size=4).map(tuple),
        ),
        max_size=20,
    )
)
def test_entries_of_no_known_form_are_passed_over(entries: list[tuple[object, ...]]) -> None:
    data = msgpack.packb({"v": 2, "node": "n", "news": entries, "more": 1}, default=str)
    node, news = decode_news(data)
    (limiter,) = nodes(1)
    for one in news:
        assert one.client and abs(one.count) <= MAX_HEARD
        limiter.heard(one, NOW_NS)
    assert node == "n" and limiter.take_news() == [], "what was heard is not told on"


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        decode_news(data)


@pytest.mark.processes
@needs_nats
def test_an_address_has_one_limit_on_two_nodes(nats_server: NatsServer, names: Names) -> None:
    async def test() -> None:
        async with connected(nats_server) as first, connected(nats_server) as second:
            one, two = Limiter(6, 6), Limiter(6, 6)
            log = logs.get("signaling")
            shares = [
                SharedLimits(first, names, "one", one, lambda: 2, log),
                SharedLimits(second, names, "two", two, lambda: 2, log),
            ]
            for share in shares:
                await share.start()
            for _ in range(6):
                one.wrong_token(THEM, time.monotonic_ns())

            def is_refused() -> bool:
                two.token(US, time.monotonic_ns())
                try:
                    two.token(THEM, time.monotonic_ns())
                except Refusal:
                    return True
                return False

            await until(is_refused)
            for share in shares:
                await share.close()

    run(test)
