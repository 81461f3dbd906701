"""Conversations with hostile and forgetful servers (``hostile``): some of the 10,000."""

from __future__ import annotations

import pytest

from tests.openai_link.room.hostile import verdict

BLOCK = 25


@pytest.mark.parametrize("first", range(1, 301, BLOCK))
def test_whatever_a_server_does_the_room_talks_again(first: int) -> None:
    verdicts = [verdict(seed) for seed in range(first, first + BLOCK)]
    assert {seed: words for seed, words in verdicts if words} == {}
