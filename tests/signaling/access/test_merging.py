"""Books of several nodes: in whatever order they hear of each other, all have the same one."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.access.book import KEPT_S, MAX_BANS, MAX_INVITATIONS, Ban, Book, Invitation
from signaling.access.merging import entries, from_entry, joined, merged, says_the_same

NOW_S = 1_800_000_000
ids = st.sampled_from(["a1", "b2", "c3"])


def invitation(name: str, expires_s: int = NOW_S + 3_600) -> Invitation:
    """What two nodes know of one differs in what ``books`` draws only."""
    return Invitation(name, ("den",), "speak", "", expires_s, name == "c3", NOW_S - 60)


@st.composite
def books(draw: st.DrawFn) -> Book:
    known = {
        name: replace(invitation(name), used=draw(st.integers(0, 3)), revoked=draw(st.booleans()))
        for name in draw(st.sets(ids))
    }
    bans = draw(
        st.lists(
            st.builds(
                Ban, st.sampled_from(["den", "Änne"]), ids, ids, st.integers(NOW_S, NOW_S + 2)
            ),
            unique_by=lambda ban: (ban.room, ban.invitation, ban.session),
            max_size=4,
        )
    )
    return Book(known, tuple(ban for ban in bans if ban.invitation in known))


def shown(book: Book) -> tuple[dict[str, Invitation], frozenset[Ban]]:
    return book.invitations, frozenset(book.bans)


@given(books(), books(), books())
def test_the_order_does_not_matter(one: Book, two: Book, three: Book) -> None:
    together = merged(merged(one, two, NOW_S), three, NOW_S)
    assert shown(together) == shown(merged(merged(three, one, NOW_S), two, NOW_S))
    assert shown(merged(one, two, NOW_S)) == shown(merged(two, one, NOW_S))
    assert merged(together, one, NOW_S) == together, "what is known changes nothing"


@given(books(), books())
def test_what_was_revoked_or_removed_stays_so(one: Book, two: Book) -> None:
    together = merged(one, two, NOW_S)
    for book in (one, two):
        for key, known in book.invitations.items():
            assert together.invitations[key].revoked >= known.revoked
            assert together.invitations[key].used >= known.used
        for ban in book.bans:
            assert together.is_banned(ban.room, ban.invitation, ban.session)


@given(books())
def test_a_book_comes_back_from_its_entries(book: Book) -> None:
    found = joined([from_entry(key, value) for key, value in entries(book).items()])
    assert shown(found) == shown(book)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("i.a1", b"{"),
        ("i.a1", b'{"id":"a1"}'),
        ("b.a1.b2.den", b'{"room":"other","invitation":"a1","session":"b2","at_s":1}'),
        ("other", b"{}"),
        ("b.", b"[]"),
    ],
)
def test_an_entry_that_cannot_be_read_is_none(key: str, value: bytes) -> None:
    assert from_entry(key, value) == Book()


def test_an_entry_of_another_key_is_none() -> None:
    ((_, value),) = entries(Book({"a1": invitation("a1")})).items()
    assert from_entry("i.b2", value) == Book()
    assert from_entry("i.a1", value) != Book()


def test_what_ended_long_ago_does_not_come_back() -> None:
    old = Book({"a1": invitation("a1", NOW_S - KEPT_S)})
    assert merged(Book(), old, NOW_S) == Book()
    assert merged(old, Book(), NOW_S) == old
    there = replace(old.invitations["a1"], revoked=True)
    assert merged(old, Book({"a1": there}), NOW_S).invitations["a1"].revoked


def test_a_book_stays_as_large_as_it_may_be() -> None:
    many = {f"x{n}": invitation(f"x{n}", NOW_S + n) for n in range(MAX_INVITATIONS)}
    bans = tuple(Ban("den", "x1999", f"s{n}", NOW_S + n) for n in range(MAX_BANS))
    others = {f"y{n}": invitation(f"y{n}", NOW_S + n) for n in range(MAX_INVITATIONS)}
    more = tuple(Ban("den", "x1999", f"t{n}", NOW_S + n) for n in range(MAX_BANS))
    found = merged(Book(many, bans), Book(others, more), NOW_S)
    assert len(found.invitations) == MAX_INVITATIONS and len(found.bans) == MAX_BANS
    assert min(one.expires_s for one in found.invitations.values()) == NOW_S + MAX_INVITATIONS // 2


def test_what_another_release_writes_beside_it_makes_no_difference() -> None:
    book = Book({"a1": invitation("a1")}, (Ban("den", "a1", "b2", NOW_S),))
    other = Book({"a1": replace(invitation("a1"), used=1)}, (Ban("den", "a1", "b2", NOW_S - 1),))
    theirs = entries(other)
    for key, value in entries(book).items():
        later = msgspec.json.encode(msgspec.json.decode(value) | {"of_the_next_release": 1})
        assert says_the_same(key, value, value) and says_the_same(key, later, value)
        assert not says_the_same(key, theirs[key], value)
        assert not says_the_same(key, b"damaged", value) and not says_the_same(key, b"a", b"b")
