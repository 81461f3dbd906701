"""What a reader of a room's log does with messages that it cannot read."""

from __future__ import annotations

import pytest

from mixer_core.cluster.feed import Stored
from mixer_core.cluster.room_log import tombstone_of
from mixer_core.journal.stream_batch import VERSION, Tombstone, TooNewError, encode


def stored(data: bytes) -> Stored:
    return Stored("mixminus.journal.0.den.gone", 7, data)


def test_a_deletion_of_a_later_release_is_not_passed_over() -> None:
    known = Tombstone("den", 5)
    assert tombstone_of(stored(encode(known))) == known
    assert tombstone_of(stored(b"\xff damaged")) is None
    with pytest.raises(TooNewError, match="update mixminus"):
        tombstone_of(stored(encode(Tombstone("den", 5, v=VERSION + 2))))
