"""The address rule in a conversation of sixty sentences; the table of the document is of it."""

from __future__ import annotations

from tests.openai_link.room.sixty import DOCUMENT, hold, sentences, table


def test_under_addressed_nothing_between_people_is_answered_or_paid_for() -> None:
    assert [s.is_for_it for s in sentences()].count(True) == 20
    assert len(sentences()) == 60
    outcome = hold("addressed")
    missed = [s.text for s in sentences() if s.is_for_it and s not in outcome.answered]
    assert missed == ["Louder."], "it has no name, and follows no question"
    assert outcome.count(False) == 0 == outcome.cost_usd[False]
    (row,) = table({"addressed": outcome}).splitlines()[2:]
    assert row in DOCUMENT.read_text(encoding="utf-8")
