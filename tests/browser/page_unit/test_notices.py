"""inbox.js: what the gateway says about itself, as the person sees it."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

INBOX = """
const seen = []; let stops = 0;
const store = {state: {}, set() {}, note() {}, raise: (p) => seen.push([p.code, p.title, p.cure]),
  clear: (...codes) => seen.push(["clear", ...codes])};
const inbox = new m.Inbox(store, {heard() {}, stopping() { stops += 1; }});
"""


def test_a_stop_is_told_with_its_time_and_a_restart_is_expected(run: Run) -> None:
    seen, stops, at = run(
        "session/inbox.js",
        INBOX + "inbox.take({type: 'notice', code: 'stopping', message: 'why', in_ms: 30000});"
        "return [seen, stops, new Date(Date.now() + 30000).toLocaleTimeString()];",
    )
    assert seen[0] == ["clear", "stopping"] and stops == 1
    code, title, cure = seen[1]
    assert (code, cure) == ("stopping", "Why.") and title.startswith("The gateway stops at ")
    assert at[:3] in title


def test_a_failed_program_is_told_until_it_is_over_and_unknown_news_is_not(run: Run) -> None:
    seen, stops = run(
        "session/inbox.js",
        INBOX + "for (const message of ['a program', ''])"
        " inbox.take({type: 'notice', code: 'given_up', message});"
        "inbox.take({type: 'notice', code: 'later', message: 'x'}); return [seen, stops];",
    )
    title = "A part of the gateway has failed"
    assert seen == [
        ["clear", "given-up"],
        ["given-up", title, "A program."],
        ["clear", "given-up"],
    ]
    assert stops == 0
