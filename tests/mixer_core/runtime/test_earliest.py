"""The earliest of several times, of which some may be none."""

from __future__ import annotations

from mixer_core.runtime.earliest import earliest


def test_what_is_none_does_not_count() -> None:
    assert earliest(None, 3, None, 1, 2) == 1
    assert earliest(0, None) == 0, "the beginning of time is a time"


def test_of_nothing_there_is_none() -> None:
    assert earliest() is None and earliest(None, None) is None
