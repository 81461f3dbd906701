"""The page of settings says what the declarations say."""

from __future__ import annotations

from tests.docs.settings_page import PATH, page


def test_the_page_is_what_the_declarations_make() -> None:
    assert PATH.read_text(encoding="utf-8") == page(), "python -m tests.docs.settings_page"
