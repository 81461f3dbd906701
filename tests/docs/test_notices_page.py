"""``docs/notices.md`` has every notice of the page."""

from __future__ import annotations

import re

from tests.docs.documents import ROOT

PROBLEMS = ROOT / "signaling" / "web" / "state" / "problems.js"


def test_every_title_is_there() -> None:
    source = PROBLEMS.read_text(encoding="utf-8")
    page = (ROOT / "docs" / "notices.md").read_text(encoding="utf-8")
    titles = set(re.findall(r'title: "([^"]+)"', source))
    tables = re.findall(r"_TITLES = \{(.*?)\n\};", source, re.DOTALL)
    titles |= {title for table in tables for title in re.findall(r': "([^"]+)",', table)}
    assert len(tables) == 2 and len(titles) > 50
    heads = ("The answer ", "The assistant's account ", "The assistant's model ")
    for title in titles:
        ends = [title.removeprefix(head) for head in heads]  # Several share one line.
        assert any(re.search(rf"\*{re.escape(end)}\*", page) for end in (title, *ends)), title
