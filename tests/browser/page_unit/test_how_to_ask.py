"""room-facts.js: what people have to do to be answered."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("address", "persona", "people", "words"),
    [
        ("always", "Chef", 3, ""),
        ("push_to_talk", "Chef", 3, ""),
        ("addressed", "Chef", 1, ""),
        ("addressed", "Chef", 2, "Say “Chef” to be answered"),
        ("addressed", "", 2, "Say its name to be answered"),
        ("open", "Chef", 2, "Say “Chef” to begin"),
    ],
)
def test_a_name_is_asked_for_where_it_is_needed(
    run: Run, address: str, persona: str, people: int, words: str
) -> None:
    told = run(
        "state/room-facts.js",
        "return m.howToAsk({...a, participants: Array(a.people).fill({})});",
        {"address": address, "persona": persona, "people": people},
    )
    assert told == words
