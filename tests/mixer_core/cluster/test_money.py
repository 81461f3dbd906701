"""Money of several nodes: counted once, whatever ends, is put aside or cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.cluster.money import Money, Purse, money_key, spent_elsewhere
from mixer_core.cluster.records import decode_record, encode_record

DAY = "2026-11-22"


def test_what_the_others_have_spent() -> None:
    entries = [
        (money_key(DAY, "one"), encode_record(Money(1.0, 0.1))),
        (money_key(DAY, "two"), encode_record(Money(2.0, 0.2))),
        (money_key(DAY, "three"), b"{damaged"),
        (money_key(DAY, "four"), b'{"usd":-5}'),
        (money_key(DAY, "five"), b'{"usd":4.0,"more":1}'),
        (money_key("2026-11-21", "two"), encode_record(Money(8.0))),
    ]
    assert spent_elsewhere(entries, DAY, "one") == Money(6.0, 0.2)
    assert spent_elsewhere(entries, DAY, "none") == Money(7.0, pytest.approx(0.3))


def test_a_purse_tells_what_has_changed() -> None:
    purse = Purse()
    assert purse.due(DAY, Money(), None) is None
    assert purse.due(DAY, Money(1.0), None) == Money(1.0)
    assert purse.due(DAY, Money(1.0), Money(1.0)) is None
    assert purse.due(DAY, Money(1.5), Money(1.0)) == Money(1.5)
    assert purse.due("2026-11-23", Money(0.25), None) == Money(0.25)


def test_a_journal_that_was_put_aside_does_not_give_money_back() -> None:
    purse = Purse()
    purse.due(DAY, Money(5.0, 1.0), None)
    assert purse.due(DAY, Money(0.0), Money(5.0, 1.0)) is None
    assert purse.due(DAY, Money(2.0, 0.5), Money(5.0, 1.0)) == Money(7.0, 1.5)


def test_a_new_process_goes_on_with_what_the_bucket_has() -> None:
    assert Purse().due(DAY, Money(4.0), Money(5.0)) is None
    assert Purse().due(DAY, Money(5.5), Money(5.0)) == Money(5.5)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans(), st.booleans()), max_size=30))
def test_what_is_told_never_falls_and_is_never_more_than_was_spent(
    steps: list[tuple[float, bool, bool]],
) -> None:
    """Money is spent, journals are put aside, processes end; the bucket may miss a word."""
    purse, known, counted, spent = Purse(), Money(), 0.0, 0.0
    for usd, is_put_aside, is_new_process in steps:
        if is_put_aside:
            counted = 0.0
        if is_new_process:
            purse = Purse()
        counted, spent = counted + usd, spent + usd
        due = purse.due(DAY, Money(counted), known)
        told = due or known
        assert known.usd <= told.usd <= spent * 1.000001 + 0.001
        known = told


def test_money_is_read_as_it_was_written() -> None:
    assert decode_record(encode_record(Money(1.25, 3.5)), Money) == Money(1.25, 3.5)
