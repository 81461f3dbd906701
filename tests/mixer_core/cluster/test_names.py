"""Names in NATS: no two rooms have one token, and any token is one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.cluster.names import Names, partition_of, room_of, room_token
from mixer_core.runtime.errors import RecordError

SAFE = re.compile(r"[-_=a-zA-Z0-9]+")
"""What both a subject's token and a bucket's key may have."""
rooms = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)


@given(rooms)
def test_any_name_comes_back_from_its_token(room: str) -> None:
    token = room_token(room)
    assert SAFE.fullmatch(token) and room_of(token) == room


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True))
def test_a_rooms_name_is_its_token(room: str) -> None:
    assert room_token(room) == room


@given(st.text())
def test_any_token_is_a_rooms_only_one_or_refused(token: str) -> None:
    try:
        room = room_of(token)
    except RecordError:
        return
    assert room_token(room) == token


@pytest.mark.parametrize("room", ["", "x" * 257, "\ud800"])
def test_what_is_no_room(room: str) -> None:
    with pytest.raises(RecordError):
        room_token(room)


@pytest.mark.parametrize("token", ["", "=", "=MJQWG", "a.b", "*", ">", "=mfrgg=", "=mfrgh"])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(RecordError):
        room_of(token)


def test_partitions_are_the_same_on_all_machines_and_even() -> None:
    assert [partition_of(room, 4) for room in ("kitchen", "garage", "a", "b")] == [0, 3, 3, 1]
    counts = [0] * 8
    for number in range(8_000):
        counts[partition_of(f"room-{number}", 8)] += 1
    assert min(counts) > 800 and max(counts) < 1_200


def test_names_of_a_cluster() -> None:
    names = Names("left")
    assert names.rooms == "left_rooms"
    assert names.of_node("n-1", "http") == "left.node.n-1.http"
    assert names.of_all("limits") == "left.all.limits"
    assert names.journal("kitchen", 1) == "left.journal.0.kitchen.log"
    assert names.gone("kitchen", 1) == "left.journal.0.kitchen.gone"
    assert names.journal_of("kitchen", 1) == "left.journal.0.kitchen.*"
    assert names.all_gone(0) == "left.journal.0.*.gone"
    assert names.journal_stream(0) == "LEFT_JOURNAL_0"
    assert names.journal_subjects(0) == "left.journal.0.>"
