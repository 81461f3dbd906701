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


def test_the_place_of_words_is_kept_until_they_come_and_noise_has_none(run: Run) -> None:
    awaited = line("a", "", False, speaker="p-1", kind="speech", position=1.0)
    answer = line("b", "Nine.", True, kind="speech", position=2.0)
    words = {**awaited, "text": "What time is it?", "final": True}
    folded = run("state/captions.js", FOLD, [awaited, answer, words])
    assert [row["text"] for row in folded] == ["What time is it?", "Nine."]
    assert [row["item"] for row in run("state/captions.js", FOLD, [awaited, answer])] == ["a", "b"]
    noise = {**awaited, "final": True}
    assert [row["item"] for row in run("state/captions.js", FOLD, [awaited, answer, noise])] == [
        "b"
    ]
    assert [row["text"] for row in run("state/captions.js", FOLD, [words, noise])] == [
        words["text"]
    ]


def test_the_gateways_line_replaces_what_was_typed(run: Run) -> None:
    typed = line("typed-1", "Hi", True, speaker="p-1", kind="typed")
    lines = run(
        "state/captions.js", FOLD, [typed, line("x", "Hi", True, speaker="p-1", kind="speech")]
    )
    assert [(row["item"], row["kind"]) for row in lines] == [("x", "speech")]


def test_what_was_typed_stays_as_it_is_until_the_gateways_line_is_final(run: Run) -> None:
    typed = line("typed-1", "Hi", True, speaker="p-1", kind="typed")
    shown = line("x", "Hi", False, speaker="p-1", kind="speech", position=1.0)
    assert run("state/captions.js", FOLD, [typed, shown]) == [typed], "it can be given back"
    lines = run("state/captions.js", FOLD, [typed, shown, {**shown, "final": True}])
    assert [(row["item"], row["kind"]) for row in lines] == [("x", "speech")]


def test_a_reply_that_was_cut_says_so_although_its_end_was_shown_as_unfinished_first(
    run: Run,
) -> None:
    said = [line("1", "Two and two", False), line("1", "Two", False), line("1", "Two", True)]
    assert [row["interrupted"] for row in run("state/captions.js", FOLD, said)] == [True]
    grows = [line("1", "Two", False), line("1", "Two and", False), line("1", "Two and", True)]
    assert [row["interrupted"] for row in run("state/captions.js", FOLD, grows)] == [False]


def test_nobody_waits_for_the_words_of_a_picture(run: Run) -> None:
    awaits = "return a.map(m.isAwaited);"
    place = line("1", "", False, speaker="p-1")
    shown = {**place, "picture": {"thumbnail": "x"}}
    assert run("state/captions.js", awaits, [place, shown]) == [True, False]


def test_only_the_newest_typed_line_with_those_words_goes_where_it_was_not_said(run: Run) -> None:
    typed = [line(f"typed-{n}", text, True, kind="typed") for n, text in enumerate("ABA")]
    spoken = line("x", "A", True, kind="speech")
    without = "return m.withoutTyped(...a);"
    lines = run("state/captions.js", without, [[*typed, spoken], "A"])
    assert [row["item"] for row in lines] == ["typed-0", "typed-1", "x"]
    assert len(run("state/captions.js", without, [[*typed, spoken], "C"])) == 4


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


def test_a_busy_gateway_is_waited_for_in_line_and_says_why(run: Run) -> None:
    busy, full, wait_ms = run(
        "state/problems.js",
        """const { SignalError } = await import(location.origin + "/session/signal.js");
        const { ReconnectPolicy } = await import(location.origin + "/session/policy.js");
        const detail = "this gateway is busy: its mixer is late; you are number 2 in line";
        const busy = new SignalError("Busy", 503, detail, 5000, "t");
        const full = new SignalError("Full", 503, "all 8 places are taken", 3000, "t");
        const policy = new ReconnectPolicy();
        policy.wait(1000, busy.retryAfterMs);
        const waitMs = policy.dueAtMs - 1000;
        return [m.signalProblem(busy, false), m.signalProblem(full, false), waitMs];""",
    )
    assert (busy["code"], busy["title"]) == ("busy", "The gateway is busy")
    assert busy["cure"].startswith("This gateway is busy: its mixer is late; you are number 2")
    assert busy["cure"].endswith("as soon as it has time: keep this page open.")
    assert full["code"] == "full" and "as soon as somebody leaves" in full["cure"]
    assert wait_ms == 5000


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


def test_lines_stand_in_the_order_of_the_conversation(run: Run) -> None:
    """The words of somebody who spoke come after the answer, and twice."""
    answer = line("b", "Hello Ada.", True, position=20)
    words = line("a", "Hel", False, speaker="user", position=10)
    whole = line("a", "Hello.", True, speaker="p-1", position=10)
    tool = line("tool-c", "Looking up", True, speaker="tool", kind="tool", position=15)
    for order in (
        [answer, words, whole, tool],
        [tool, answer, whole],
        [words, answer, tool, whole],
    ):
        lines = run("state/captions.js", FOLD, order)
        assert [row["item"] for row in lines] == ["a", "tool-c", "b"]
        assert lines[0]["text"] == "Hello."


def test_a_line_without_a_place_stands_where_it_came_until_it_has_one(run: Run) -> None:
    typed = line("typed-1", "Hi", True, speaker="p-1", kind="typed")
    known = [line("a", "One", True, position=10), typed, line("c", "Three", True, position=30)]
    assert [row["item"] for row in run("state/captions.js", FOLD, known)] == ["a", "typed-1", "c"]
    taken = line("x", "Hi", True, speaker="p-1", kind="speech", position=40)
    lines = run("state/captions.js", FOLD, [*known, taken])
    assert [row["item"] for row in lines] == ["a", "c", "x"]
    early = line("e", "So", False, speaker="user")
    late = line("e", "So it is.", True, speaker="user", position=5)
    lines = run("state/captions.js", FOLD, [*known[::2], early, late])
    assert [row["item"] for row in lines] == ["e", "a", "c"]


def test_new_numbers_move_lines_and_tools(run: Run) -> None:
    moved = run(
        "session/inbox.js",
        """const { Store } = await import(location.origin + "/state/store.js");
        const store = new Store();
        const none = () => {};
        const inbox = new m.Inbox(store, {
          heard: none, flush: none, rules: none, buttonRefused: none, sentAway: none });
        for (const message of a) inbox.take(message);
        return store.state.captions.map((line) => [line.item, line.position]);""",
        [
            {"type": "caption", "item": "b", "text": "B", "final": True, "position": 2},
            {"type": "tool", "call": "t", "name": "x", "status": "running", "position": 3},
            {"type": "caption", "item": "a", "text": "A", "final": True, "position": 1},
            {"type": "tool", "call": "t", "name": "x", "status": "done", "position": 3},
            {"type": "places", "places": {"a": 70, "b": 60, "gone": 5}, "calls": {"t": 50}},
        ],
    )
    assert moved == [["tool-t", 50], ["b", 60], ["a", 70]]


def test_a_cut_is_marked_in_words_and_stays_marked(run: Run) -> None:
    shown = run(
        "state/captions.js",
        "return m.foldCaption(m.foldCaption([], a[0]), a[1])"
        ".map((line) => [m.shownText(line), m.cutWords(line)])[0];",
        [
            line("1", "This is stopped by", True, cut="content_filter"),
            line("1", "This is stopped", True),
        ],
    )
    assert shown == ["This is stopped —", "Stopped by a content filter"]
    words = run(
        "state/captions.js",
        """return a.map((cut) => (
          [m.cutWords({ cut }), m.shownText({ text: "Yes.", final: true, cut })]));""",
        ["max_output_tokens", "failed", "written", "not_transcribed", "of tomorrow", ""],
    )
    assert [text for text, _ in words] == [
        "Cut off: the answer was too long",
        "Cut off: the assistant failed",
        "Written, not spoken",
        "Could not be written down",
        "Cut off",
        "",
    ]
    assert [line for _, line in words] == ["Yes —", "Yes —", "Yes.", "Yes —", "Yes —", "Yes."]


def test_what_the_gateway_tells_has_a_title_and_its_words(run: Run) -> None:
    known, unknown, lasting = run(
        "session/inbox.js",
        """const { Store } = await import(location.origin + "/state/store.js");
        const { gatewayProblem } = await import(location.origin + "/state/problems.js");
        const store = new Store();
        const none = () => {};
        const inbox = new m.Inbox(store, {
          heard: none, flush: none, rules: none, buttonRefused: none, sentAway: none });
        inbox.take({ type: "error", code: "other_model", message: "the assistant is another" });
        return [gatewayProblem("content_filter", "a filter did it"), gatewayProblem("odd", ""),
          store.state.problems];""",
    )
    assert (known["code"], known["title"]) == ("gateway-content_filter", "The answer was stopped")
    assert known["cure"] == "A filter did it."
    assert (unknown["title"], unknown["cure"]) == ("The gateway reports a problem", "Odd.")
    assert [(p["title"], p["command"]) for p in lasting] == [("Another model answers", "dismiss")]


def test_what_was_said_before_stands_above_and_what_was_told_meanwhile_stays(run: Run) -> None:
    """A page that comes late, or back: interim lines of before end, newer ones are not undone."""
    cut_short = line("2", "Tw", False, position=20)
    told = line("4", "Fourth, told meanwhile.", True, position=40)
    history = [
        {"item": "1", "position": 10, "kind": "message", "role": "user", "participant": "p-1",
         "name": "Ann", "text": "One?", "final": True},
        {"item": "2", "position": 20, "kind": "message", "role": "assistant", "name": "",
         "text": "Two", "heard_ms": 300, "final": True},
        {"item": "t", "position": 30, "kind": "tool", "role": "assistant", "name": "get_time",
         "call": "c1", "status": "done", "final": True},
        {"item": "4", "position": 40, "kind": "message", "role": "assistant", "name": "",
         "text": "Fou", "final": False},
        {"item": "5", "position": 50, "kind": "message", "role": "user", "name": "", "text": "",
         "failure": "x", "final": True},
        {"item": "6", "position": 60, "kind": "message", "role": "user", "name": "", "text": "",
         "final": False},
    ]  # fmt: skip
    lines = run(
        "state/history.js",
        """const { foldHistory } = await import(location.origin + "/state/captions.js");
        const asked = [a.before];
        return foldHistory([...asked, a.told], asked, m.historyLines(a.history));""",
        {"before": cut_short, "told": told, "history": history},
    )
    assert [row["item"] for row in lines] == ["1", "2", "tool-c1", "4", "5"]
    assert [row["text"] for row in lines][:4] == ["One?", "Two", "Looked up: time", told["text"]]
    assert lines[1]["final"] and lines[1]["interrupted"] and lines[0]["name"] == "Ann"
    assert (lines[4]["cut"], lines[4]["speaker"]) == ("not_transcribed", "user")


@pytest.mark.parametrize("typed", ["What is this?", ""])
def test_a_picture_stays_what_it_was_when_the_page_has_come_back(run: Run, typed: str) -> None:
    words = f"[picture: JPEG, 9 × 9, 1 kB] {typed}".strip()
    picture = {"widthPx": 9, "heightPx": 9, "thumbnail": "/9j/AA=="}
    shown = line("1", typed, True, speaker="p-1", position=10, picture=picture)
    history = [
        {"item": item, "position": position, "kind": "message", "role": "user",
         "participant": "p-1", "name": "Ann", "text": words, "final": True}
        for item, position in (("1", 10), ("2", 20))
    ]  # fmt: skip
    lines = run(
        "state/history.js",
        """const { foldHistory } = await import(location.origin + "/state/captions.js");
        return foldHistory([a.shown], [a.shown], m.historyLines(a.history, [a.shown]));""",
        {"shown": shown, "history": history},
    )
    assert [(row["text"], row.get("picture")) for row in lines] == [
        (typed, picture),
        (words, None),
    ], "who has not seen it reads the words that stand for it"
