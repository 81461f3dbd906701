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


def test_what_the_settings_say_of_the_room_is_shown_and_so_are_changes(run: Run) -> None:
    shown = run(
        "session/inbox.js",
        """
        const { initialState } = await import(url.replace("session/inbox.js", "state/store.js"));
        const { roomFacts } = await import(url.replace("session/inbox.js", "state/room-facts.js"));
        const store = {state: initialState(), set(more) { Object.assign(this.state, more); },
          note() {}, raise: (p) => raised.push(p), clear() {}};
        const raised = [], inbox = new m.Inbox(store, {heard() {}, rules() {}});
        const before = roomFacts(store.state);
        inbox.take({type: "state", assistant: "idle", upstream: "ready", persona: "Chef",
          address: "addressed", transcript: false, recording_allowed: true});
        inbox.take({type: "rules", message: "the tools changed now"});
        inbox.take({type: "caption", speaker: "assistant", item: "i", text: "Hello.", final: true});
        const { captions: [line] } = store.state;
        return [before, roomFacts(store.state), raised.map((p) => [p.code, p.cure]), line.name];
        """,
    )
    assert shown[0] == [
        ["It answers", "Whenever somebody speaks"],
        ["What is said", "Is written down and kept"],
        ["Recording", "Not allowed"],
    ], "an older gateway says nothing"
    assert dict(shown[1]) == {
        "The assistant is called": "Chef",
        "It answers": "When it is called by name, as soon as two people are here",
        "What is said": "Is not kept by this gateway",
        "Recording": "Allowed, with everybody's consent",
    }
    assert shown[2:] == [[["rules", "The tools changed now."]], "Chef"]


def test_the_reason_of_an_end_may_follow_the_end(run: Run) -> None:
    raised = run(
        "session/inbox.js",
        """
        const { Store } = await import(url.replace("session/inbox.js", "state/store.js"));
        const store = new Store(), inbox = new m.Inbox(store, {heard() {}, rules() {}}), seen = [];
        const tell = (phase, words) => {
          const recording = {phase, words};
          inbox.take({type: "state", assistant: "idle", upstream: "ready", recording});
          seen.push(store.state.problems.map((p) => [p.code, p.cure]).at(-1) ?? null);
        };
        tell("off", "Ben has ended the recording");
        tell("on", "Ada records this room");
        tell("off", "");
        tell("off", "the room's process ended");
        return seen;
        """,
    )
    assert raised == [
        None,
        ["recording", "Ada records this room. Whoever objects can stop it."],
        ["recording-over", "The part of the gateway that kept it was interrupted."],
        ["recording-over", "The room's process ended."],
    ]


def test_a_recording_is_told_from_the_first_moment_to_its_end(run: Run) -> None:
    raised = run(
        "session/inbox.js",
        """
        const { initialState } = await import(url.replace("session/inbox.js", "state/store.js"));
        const raised = [], store = {state: initialState(), note() {}, raise: (p) => raised.push(p),
          set(more) { Object.assign(this.state, more); }, clear(...codes) { raised.push(codes); }};
        const inbox = new m.Inbox(store, {heard() {}, rules() {}});
        const tell = (recording) => inbox.take({type: "state", assistant: "idle", upstream: "ready",
          ...(recording ? {recording} : {})});
        tell();
        const before = raised.filter((p) => p.code).length;
        for (const phase of ["soon", "on", "on"]) tell({phase, words: "Ada records this room"});
        tell({phase: "off", words: "Ben has ended the recording"});
        return [before, raised.filter((p) => p.code).map((p) => [p.code, p.cure, p.command])];
        """,
    )
    assert raised == [
        0,
        [
            [
                "recording-soon",
                "Ada records this room. It begins in a few seconds unless somebody objects.",
                "end-recording",
            ],
            ["recording", "Ada records this room. Whoever objects can stop it.", "end-recording"],
            ["recording-over", "Ben has ended the recording.", "dismiss"],
        ],
    ]
