"""client.js: what a page of one's own is told, by events."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

TELL = """
  const client = new m.Client();
  const told = [];
  for (const type of ["caption", "message", "problem", "change", "left"])
    client.addEventListener(type, ({ detail }) => told.push([type, detail]));
  const drawn = () => new Promise((resolve) =>
    client.addEventListener("change", () => resolve(), { once: true }));
  const of = (wanted) => told.filter(([type]) => type === wanted).map(([, detail]) => detail);
"""


def test_a_line_is_told_when_it_is_new_and_when_it_changes(run: Run) -> None:
    result = run(
        "client.js",
        TELL
        + """
        await drawn();
        for (const message of a) { client.receive(message); await drawn(); }
        return [of("caption").map((line) => [line.item, line.text]), of("message").length];
        """,
        [
            {"type": "caption", "item": "a", "text": "How"},
            {"type": "caption", "item": "b", "text": "Hm", "final": True},
            {"type": "caption", "item": "a", "text": "How are you?", "final": True},
            {"type": "state", "assistant": "thinking", "upstream": "ready"},
        ],
    )
    assert result == [[["a", "How"], ["b", "Hm"], ["a", "How are you?"]], 4]


def test_changes_come_once_per_frame(run: Run) -> None:
    result = run(
        "client.js",
        TELL
        + """
        await drawn();
        const before = of("change").length;
        for (let i = 0; i < 20; i += 1) client.receive({ type: "usage", tokens: i });
        await drawn();
        return [of("change").length - before, client.state.usage.tokens];
        """,
    )
    assert result == [1, 19]


def test_a_problem_has_words_and_lasts_until_it_is_dismissed(run: Run) -> None:
    result = run(
        "client.js",
        TELL
        + """
        await client.join({ room: "No Room" });
        client.report({ detail: "you are here to listen" });
        client.dismiss("refused");
        return [of("problem").map(({ code, title, cure }) => [code, title, cure]),
          client.state.problems.map(({ code }) => code), client.state.phase];
        """,
    )
    (bad, refused), left, phase = result
    assert bad[0] == "bad-room" and bad[1] and bad[2]
    assert refused == ["refused", "The gateway refused", "You are here to listen."]
    assert "bad-room" in left and "refused" not in left
    assert phase == "lobby"


def test_one_who_is_sent_away_has_left(run: Run) -> None:
    result = run(
        "client.js",
        TELL
        + """
        client.join({ room: "home", listenOnly: true });
        await drawn();
        client.receive({ type: "bye", code: "removed", message: "an admin has removed you" });
        await drawn();
        return [of("left").length, client.state.phase, of("problem").map(({ title }) => title)];
        """,
    )
    assert result[:2] == [1, "lobby"]
    assert "You were removed" in result[2]


def test_history_that_was_deleted_while_it_came_is_asked_for_again(run: Run) -> None:
    """What a newcomer is sent may be older than the deletion that they hear of first."""
    result = run(
        "client.js",
        """
        const client = new m.Client(), asked = [];
        const fetched = window.fetch;
        window.fetch = () => new Promise((resolve) => asked.push((items) => resolve(new Response(
          JSON.stringify({ items }), { headers: { "Content-Type": "application/json" } },
        ))));
        const until = async (true_) => {
          while (!true_()) await new Promise((resolve) => setTimeout(resolve, 1));
        };
        const words = (text) => ({ item: text, kind: "message", role: "user", text, final: true });
        try {
          client.receive({ type: "welcome", participant: "p-1" });
          await until(() => asked.length === 1);
          client.receive({ type: "forgotten", name: "Ada" });
          asked[0]([words("Deleted.")]);
          await until(() => asked.length === 2);
          const between = client.state.captions.length;
          asked[1]([words("New.")]);
          await until(() => client.state.captions.length > 0);
          return [between, client.state.captions.map(({ text }) => text)];
        } finally {
          window.fetch = fetched;
        }
        """,
    )
    assert result == [0, ["New."]]
