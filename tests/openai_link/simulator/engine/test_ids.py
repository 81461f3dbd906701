"""Ids have the format of the service."""

from __future__ import annotations

import random
import re

from openai_link.simulator.engine.ids import IdMint


def test_ids_have_the_prefix_alphabet_and_length_of_the_real_ones() -> None:
    mint = IdMint(random.Random(1))
    assert re.fullmatch(r"item_[0-9A-Za-z]{21}", mint.make("item"))
    assert re.fullmatch(r"event_[0-9a-f]{16}", mint.buffer_event_id())
    assert mint.make("item") != mint.make("item")
