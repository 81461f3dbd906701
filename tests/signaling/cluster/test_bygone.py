"""When the record of a node that is gone is removed."""

from __future__ import annotations

from mixer_core.runtime.units import S_NS
from signaling.cluster.bygone import KEPT_NS, Bygone
from signaling.cluster.owners import KEEP_S

NOW_NS = 1_800_000_000 * S_NS


def test_it_stays_for_longer_than_the_record_of_a_room_may_name_it() -> None:
    bygone = Bygone()
    bygone.heard("b", 7, True, NOW_NS)
    bygone.heard("a", 9, False, NOW_NS + KEPT_NS - 1)
    assert KEPT_NS > KEEP_S * S_NS and bygone.due() is None
    bygone.heard("a", 10, False, NOW_NS + KEPT_NS)
    assert bygone.due() == ("b", 7) == bygone.due(), "until it is heard that it is removed"
    bygone.removed("b")
    assert bygone.due() is None
    bygone.removed("b")


def test_who_comes_back_is_not_removed() -> None:
    bygone = Bygone()
    bygone.heard("b", 7, True, NOW_NS)
    bygone.heard("b", 8, False, NOW_NS + 1)
    bygone.heard("a", 9, False, NOW_NS + 9 * KEPT_NS)
    assert bygone.due() is None


def test_what_is_of_no_known_time_is_not_judged() -> None:
    bygone = Bygone()
    bygone.heard("b", 7, True, 0)
    bygone.heard("a", 9, False, NOW_NS)
    assert bygone.due() is None


def test_a_clock_that_is_set_back_removes_nothing_too_soon() -> None:
    bygone = Bygone()
    bygone.heard("a", 1, False, NOW_NS)
    bygone.heard("b", 2, True, NOW_NS - S_NS)
    bygone.heard("a", 3, False, NOW_NS - KEPT_NS // 2)
    assert bygone.due() is None
