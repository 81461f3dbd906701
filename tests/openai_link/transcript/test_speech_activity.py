"""Who talked when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_link.transcript.speech_activity import MAX_REPORTS, SpeechActivity


def test_the_loudest_microphone_has_the_word() -> None:
    timeline = SpeechActivity()
    for tick in range(8):
        timeline.levels({"anna": -20.0, "ben": -30.0, "assistant": -5.0}, tick)
    timeline.levels({"anna": -24.0, "ben": -20.0}, 8)
    timeline.levels({"anna": -100.0, "ben": -100.0}, 9)
    assert timeline.who(0, 9) == [("anna", pytest.approx(8.5 / 9)), ("ben", pytest.approx(0.5 / 9))]
    assert timeline.who(8, 8) == [("anna", 0.5), ("ben", 0.5)]
    assert timeline.who(9, 20) == [] == SpeechActivity().who(0, 9)


def test_memory_is_bounded() -> None:
    timeline = SpeechActivity()
    for tick in range(MAX_REPORTS + 5):
        timeline.levels({"anna": -10.0}, tick)
    assert timeline.who(0, 4) == []


LEVELS = st.dictionaries(st.sampled_from("abc"), st.floats(-100, 0), max_size=3)


@given(st.lists(LEVELS, max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_shares_sum_up_to_one(reports: list[dict[str, float]], begin: int, end: int) -> None:
    timeline = SpeechActivity()
    for tick, levels in enumerate(reports):
        timeline.levels(levels, tick)
    shares = timeline.who(begin, end)
    assert not shares or sum(part for _, part in shares) == pytest.approx(1)
    assert shares == sorted(shares, key=lambda share: -share[1])
