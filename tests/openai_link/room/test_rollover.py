"""When a room opens its next session, and when it moves there."""

from __future__ import annotations

import pytest

from openai_link.room.rollover import OPEN_TIMEOUT_NS, PAUSE_NS, DropNext, Move, OpenNext, Rollover
from openai_link.settings import OpenaiLinkSettings

S = 1_000_000_000


def begun(length_s: float = 3600) -> Rollover:
    rollover = Rollover(OpenaiLinkSettings())
    rollover.began(int(1_000_000 + length_s), 1_000_000.0, 0)
    return rollover


@pytest.mark.parametrize(
    ("length_s", "opens_s", "moves_s"),
    [(3600, 3480, 3590), (20, 14, 17), (12, 6, 10), (0, 3480, 3590), (-5000, 3480, 3590)],
)
def test_margins_shrink_with_the_session(length_s: int, opens_s: int, moves_s: int) -> None:
    rollover = begun(length_s)
    assert rollover.next_timeout_ns() == opens_s * S
    assert rollover.tick(opens_s * S) == [OpenNext()]
    rollover.activity(True, opens_s * S)
    assert rollover.next_ready(opens_s * S + 1) == []
    assert rollover.next_timeout_ns() == moves_s * S
    assert rollover.tick(moves_s * S - 1) == []
    assert rollover.tick(moves_s * S) == [Move(in_pause=False)]
    assert rollover.next_timeout_ns() is None


def test_a_pause_is_taken() -> None:
    rollover = begun(20)
    rollover.tick(14 * S)
    rollover.activity(True, 14 * S)
    rollover.next_ready(14 * S)
    assert rollover.activity(False, 15 * S) == []
    assert rollover.activity(True, 15 * S + PAUSE_NS - 1) == []
    assert rollover.activity(False, 16 * S) == []
    assert rollover.activity(False, 16 * S + PAUSE_NS) == [Move(in_pause=True)]


def test_a_next_session_that_fails_is_tried_again_later() -> None:
    rollover = begun()
    rollover.tick(3480 * S)
    rollover.next_failed(3481 * S)
    assert rollover.next_timeout_ns() == 3483 * S
    assert rollover.tick(3483 * S) == [OpenNext()]
    assert rollover.tick(3483 * S + OPEN_TIMEOUT_NS) == [DropNext()]
    assert rollover.phase == "resting"
    rollover.ended()
    assert rollover.next_timeout_ns() is None
