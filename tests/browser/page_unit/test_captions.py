"""captions.js and problems.js: lines are rewritten in place; every failure names a cure."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

FOLD = "return a.reduce((lines, line) => m.foldCaption(lines, line), []);"


def line(item: str, text: str, final: bool, **more: Any) -> dict[str, Any]:
    return {"item": item, "speaker": "assistant", "text": text, "final": final, **more}


def test_an_interim_line_is_rewritten_and_a_final_one_stays(run: Run) -> None:
    lines = run(
        "state/captions.js",
        FOLD,
        [line("1", "Hel", False), line("2", "Two", True), line("1", "Hello.", True),
         line("1", "Hell", False)],
    )  # fmt: skip
    assert [(row["item"], row["text"], row["final"]) for row in lines] == [
        ("1", "Hello.", True),
        ("2", "Two", True),
    ]


def test_the_gateways_line_replaces_what_was_typed(run: Run) -> None:
    typed = line("typed-1", "Hi", True, speaker="p-1", kind="typed")
    lines = run(
        "state/captions.js", FOLD, [typed, line("x", "Hi", True, speaker="p-1", kind="speech")]
    )
    assert [(row["item"], row["kind"]) for row in lines] == [("x", "speech")]


def test_the_list_is_bounded(run: Run) -> None:
    lines = run("state/captions.js", FOLD, [line(str(i), "x", True) for i in range(300)])
    assert (len(lines), lines[0]["item"], lines[-1]["item"]) == (200, "100", "299")


def test_an_interruption_marks_the_assistants_last_line_only(run: Run) -> None:
    marked = run(
        "state/captions.js",
        "return m.markInterrupted(a).map((line) => Boolean(line.interrupted));",
        [line("1", "One", True, kind="speech"), line("2", "Two", False, kind="speech"),
         line("3", "Me", True, speaker="p-1", kind="speech")],
    )  # fmt: skip
    assert marked == [False, True, False]


def test_every_problem_has_a_title_and_refusals_keep_the_gateways_words(run: Run) -> None:
    titles, full, busy, refused, retryable = run(
        "state/problems.js",
        """const { SignalError } = await import(location.origin + "/session/signal.js");
        const full = new SignalError("Full", 503, "all 8 places are taken", 2000);
        const busy = new SignalError("Restarting", 503, "the gateway is restarting", 2000);
        const bad = new SignalError("Bad", 413, "the offer is too large", 0);
        return [m.PROBLEM_CODES.map((code) => m.problem(code).title), m.signalProblem(full, false),
          m.signalProblem(busy, true), m.signalProblem(bad, false),
          [full.retryable, bad.retryable]];""",
    )
    assert len(titles) > 15
    assert all(titles)
    assert full["code"] == "full"
    assert full["cure"] == "All 8 places are taken. Trying again automatically."
    assert (busy["code"], busy["title"]) == ("busy", "The gateway is busy")
    assert refused["code"] == "refused"
    assert "413" in refused["cure"]
    assert retryable == [True, False]


def test_a_final_caption_that_ends_earlier_shows_the_cut(run: Run) -> None:
    texts = run(
        "state/captions.js",
        "return m.foldCaption(m.foldCaption([], a[0]), a[1]).map(m.shownText);",
        [line("1", "Once upon a time, there was a", True), line("1", "Once upon a time,", True)],
    )
    assert texts == ["Once upon a time —"]


def test_a_cut_that_was_marked_at_once_stays_marked_with_the_heard_words(run: Run) -> None:
    texts = run(
        "state/captions.js",
        """const marked = m.markInterrupted(m.foldCaption([], a[0]));
        const shortened = m.foldCaption(marked, a[1]);
        const unheard = m.foldCaption(marked, { ...a[1], text: "" });
        return [marked, shortened, unheard].map((lines) => m.shownText(lines[0]));""",
        [line("1", "One two three", False, kind="speech"),
         line("1", "One two", True, kind="speech", interrupted=False)],
    )  # fmt: skip
    assert texts == ["One two three —", "One two —", "—"]


def test_another_final_wording_is_no_cut(run: Run) -> None:
    lines = run(
        "state/captions.js",
        FOLD,
        [line("1", "Ten o'clock it is", True), line("1", "10 o'clock", True)],
    )
    assert not lines[0]["interrupted"]


def test_a_speaker_who_becomes_known_late_keeps_the_line(run: Run) -> None:
    lines = run(
        "state/captions.js",
        FOLD,
        [line("1", "Hel", False, speaker="user"), line("1", "Hello", True, speaker="p-1")],
    )
    assert [(row["speaker"], row["text"]) for row in lines] == [("p-1", "Hello")]
