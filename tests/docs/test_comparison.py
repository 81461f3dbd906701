"""What is said of other projects has a source."""

from __future__ import annotations

import re

from tests.docs.documents import ROOT

TEXT = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")


def test_each_cell_about_others_names_a_source_that_is_there_and_each_source_is_used() -> None:
    table, sources = TEXT.split("## Sources")
    rows = [line.strip("|\n ").split("|") for line in table.splitlines() if line.startswith("|")]
    known = set(re.findall(r"^(\d+)\. \[", sources, re.MULTILINE))
    used: set[str] = set()
    for first, _, *others in (map(str.strip, row) for row in rows[2:]):
        for cell in others:
            named = set(re.findall(r"\[(\d+)\]", cell))
            assert bool(named) == bool(cell) and named <= known, (first, cell)
            used |= named
    assert used == known
