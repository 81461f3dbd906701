"""tools.js, usage.js, problems.js: what tools do and what it costs, in words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

WORDS = [
    ("get_lights", "running", "", "", "Looking up: lights …"),
    ("docs__search_pages", "running", "", "", "Looking up: pages (docs) …"),
    ("turn_on_light", "running", "", "", "Working on it: turn on light …"),
    ("unlock_door", "asking", "", "", "Waiting for a yes: unlock door"),
    ("get_lights", "done", "", "", "Looked up: lights"),
    ("unlock_door", "done", "", "", "Done: unlock door"),
    ("get_time", "failed", "no clock", "", "Failed: time (no clock)"),
    ("get_time", "timeout", "", "", "Took too long: time"),
    ("unlock_door", "refused", "no", "Bob", "Not done: unlock door (Bob said no)"),
    ("unlock_door", "refused", "no answer", "", "Not done: unlock door (nobody answered)"),
    ("unlock_door", "refused", "Bob may not", "Bob", "Not done: unlock door (Bob may not)"),
]


@pytest.mark.parametrize(("name", "status", "detail", "person", "words"), WORDS)
def test_each_state_of_a_tool_has_words(
    run: Run, name: str, status: str, detail: str, person: str, words: str
) -> None:
    event = {"name": name, "call": "c", "status": status, "detail": detail}
    assert run("state/tools.js", "return m.toolWords(a[0], a[1]);", [event, person]) == words


def test_a_title_is_shown_where_the_name_is_no_words(run: Run) -> None:
    event = {"name": "house__door_open_1a2b3c4d", "title": "house: door.open", "call": "c"}
    told = {**event, "status": "done"}
    assert run("state/tools.js", "return m.toolWords(a[0]);", [told]) == "Done: house: door.open"
    plain = {**told, "name": "house__lamp", "title": "house: lamp"}
    assert run("state/tools.js", "return m.toolWords(a[0]);", [plain]) == "Done: lamp (house)"


def test_a_question_is_open_until_its_call_goes_on_whoever_answered(run: Run) -> None:
    asking = {"name": "f", "call": "1", "status": "asking", "question": "Open?", "timeout_ms": 9000}
    other = {"name": "get_x", "call": "2", "status": "asking"}
    fold = "return a.reduce((known, event) => m.foldQuestions(known, event, 'Ada', 5), []);"
    (first, second) = run("state/tools.js", fold, [asking, other])
    assert first == {
        "call": "1", "question": "Open?", "asker": "Ada", "atMs": 5, "timeoutMs": 9000,
        "answered": False,
    }  # fmt: skip
    assert (second["question"], second["timeoutMs"]) == ("May I use x?", 20000)
    for status in ("running", "refused", "failed"):
        left = run("state/tools.js", fold, [asking, other, {**asking, "status": status}])
        assert [question["call"] for question in left] == ["2"]


def test_tools_at_work_are_known_by_their_calls(run: Run) -> None:
    events = [
        {"name": "get_x", "call": "1", "status": "running"},
        {"name": "get_y", "call": "2", "status": "running"},
        {"name": "get_x", "call": "1", "status": "done"},
    ]
    tools = run("state/tools.js", "return a.reduce((t, e) => m.foldTools(t, e), {});", events)
    assert tools == {"2": "y"}


def usage(day_usd: float, budget_usd: float | None) -> dict[str, Any]:
    day = {"cost_usd": day_usd} | ({"budget_usd": budget_usd} if budget_usd else {})
    tokens = {"text_in": 1200, "text_cached": 1000, "audio_in": 2100, "audio_out": 900}
    return {"room": {"tokens": tokens, "cost_usd": 0.0712, "unpriced": 1}, "day": day}


def test_the_cost_is_short_and_warns_from_eighty_percent(run: Run) -> None:
    def cost(day_usd: float, budget_usd: float | None = 1.0, simulated: str = "false") -> Any:
        body = f"return m.costOf(a, {simulated});"
        return run("state/usage.js", body, usage(day_usd, budget_usd))

    calm = cost(0.79)
    assert (calm["text"], calm["tone"]) == ("4.2k tokens · $0.07", "")
    assert "$0.79 of $1.00 (79 %)" in calm["title"]
    assert "without a price" in calm["title"] and "simulator" not in calm["title"]
    free = cost(0.79, simulated="true")
    assert free["text"] == "4.2k tokens · free" and "simulator is free" in free["title"]
    assert (cost(0.8)["text"], cost(0.8)["tone"]) == (
        "$0.07 · 80 % of today's budget",
        "warning",
    )
    assert cost(1.2)["tone"] == "error"
    assert cost(99, None)["tone"] == ""
    assert run("state/usage.js", "return m.costOf(null, false);") is None
    counts = run("state/usage.js", "return [0, 999, 1000, 9999, 99499, 1.2e6].map(m.shortCount);")
    assert counts == ["0", "999", "1.0k", "10k", "99k", "1.2M"]
    assert run("state/usage.js", "return [0, 0.004, 1.5].map(m.dollars);") == [
        "$0.00", "under 1 ¢", "$1.50",
    ]  # fmt: skip


def test_a_spent_budget_has_its_own_title_and_the_gateways_words(run: Run) -> None:
    code = "return a.map(([code, words]) => m.upstreamProblem(code, words));"
    spent, other = run("state/problems.js", code, [["budget_spent", "Raise it."], ["odd", ""]])
    assert (spent["code"], spent["title"], spent["cure"]) == (
        "upstream", "Today's budget is spent", "Raise it.",
    )  # fmt: skip
    assert other["title"] == "The assistant is unavailable"
