"""session/typed.js and session/recording.js: what a person wants while the connection goes."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

GAP = """
const made = await world.joined(); const { session, store, codes } = made;
store.set({ upstream: "ready" });
const back = []; session.onUnsaid = (text) => back.push(text);
const told = (item, text) => ({ item, position: 1, time: "", kind: "message", role: "user",
  final: true, name: "Ana", participant: "p1", text });
const again = async (participant) => {
  session.keeper.lost(); await world.pass(1000); made.welcome(participant); await world.pass(4000);
};
const lines = () => store.state.captions.map(({ text, kind }) => [text, kind]);
const record = (phase) => session.inbox.take({ type: "state", upstream: "ready", assistant: "idle",
  recording: { phase, words: "Ben wants it" } });
const objections = () => world.sent.filter(({ type, on }) => type === "record" && !on).length;
"""


def test_typed_lines_that_were_lost_are_given_back_and_those_that_arrived_are_not(
    world: Run,
) -> None:
    result = world(
        GAP
        + """session.typed.say("one"); session.typed.say("two"); session.typed.say("three");
        session.inbox.take(
          { type: "caption", item: "i1", speaker: "p1", text: "one", final: true });
        world.history = [told("i1", "one"), told("i2", "two")];
        await again("p2"); const given = [[...back], lines(), codes()];
        session.typed.say("four"); await world.pass(9000);
        return [given, back, lines(), codes()];"""
    )
    stays = [["one", "speech"], ["two", "speech"]]
    given = [["three"], stays, ["unsaid"]]
    assert result == [given, ["three"], [*stays, ["four", "typed"]], []]


def test_lines_are_given_back_in_order_where_the_gateway_tells_nothing_of_what_was_said(
    world: Run,
) -> None:
    result = world(
        GAP
        + """session.typed.say("one"); session.keeper.lost(); await world.pass(1000);
        session.typed.say("two"); session.keeper.lost(); await world.pass(1000);
        world.history = null; made.welcome("p3"); await world.pass(4000); return [back, lines()];"""
    )
    assert result == [["one", "two"], []]


def test_a_line_that_the_gateway_keeps_for_the_assistant_is_not_given_back(world: Run) -> None:
    result = world(
        GAP
        + """session.typed.say("one"); session.typed.say("two"); session.typed.say("three");
        const upstream = (upstream) => session.inbox.take({ type: "state", upstream });
        upstream("reconnecting"); await again("p2"); await world.pass(20000); upstream("ready");
        await world.pass(2000); const waits = [back.length, codes()];
        session.inbox.take(
          { type: "caption", item: "i1", speaker: "p1", text: "one", final: true });
        session.inbox.take({ type: "error", code: "not_said", message: "x", text: "two" });
        world.history = [told("i1", "one")]; await world.pass(2000);
        return [waits, back, lines(), codes()];"""
    )
    assert result == [[0, []], ["three"], [["one", "speech"]], ["gateway-not_said", "unsaid"]]


@pytest.mark.parametrize(("upstream", "ms"), [("failed", 4000), ("reconnecting", 70_000)])
def test_lines_are_given_back_where_the_assistant_does_not_come(
    world: Run, upstream: str, ms: int
) -> None:
    result = world(
        GAP
        + """session.typed.say("one"); await again("p2"); back.length = 0;
        session.typed.say("two"); session.keeper.lost(); await world.pass(1000);
        made.welcome("p3"); store.set({ upstream: a[0] }); await world.pass(a[1]);
        return back;""",
        [upstream, ms],
    )
    assert result == ["two"]


def test_nothing_is_given_back_by_a_connection_that_was_lost_again(world: Run) -> None:
    result = world(
        GAP
        + """session.typed.say("one"); session.keeper.lost(); await world.pass(1000);
        made.welcome("p2"); await world.pass(2900); session.keeper.lost();
        await world.pass(2000); const between = [...back]; made.welcome("p3");
        await world.pass(4000); return [between, back];"""
    )
    assert result == [[], ["one"]]


def test_a_line_whose_caption_was_lost_is_known_from_what_the_gateway_keeps(world: Run) -> None:
    result = world(
        GAP
        + """session.typed.say("one"); session.keeper.lost(); await world.pass(1000);
        made.welcome("p2"); await world.pass(1000); world.history = [told("i1", "one")];
        await world.pass(4000); return [back, lines()];"""
    )
    assert result == [[], [["one", "speech"]]]


def test_an_answer_about_what_was_said_that_outlives_its_connection_settles_nothing(
    world: Run,
) -> None:
    result = world(
        GAP
        + """const asked = () => (
          world.requests.filter(([, path]) => path.endsWith("/conversation")).length);
        session.typed.say("one"); session.keeper.lost(); await world.pass(1000);
        const first = asked(); made.welcome("p2");
        for (let ms = 0; ms < 5000 && asked() < first + 2; ms += 1) await world.pass(1);
        session.keeper.lost(); await world.pass(1000); return [asked() - first, back];"""
    )
    assert result == [2, []]


def test_an_objection_stays_in_the_room_that_is_left(world: Run) -> None:
    result = world(
        GAP
        + """record("on"); session.recording.say(false); await session.leave();
        session.join(world.choice); await world.pass(500); made.welcome("p2"); record("on");
        return objections();"""
    )
    assert result == 1


def test_an_objection_is_said_again_until_nothing_is_recorded(world: Run) -> None:
    result = world(
        GAP
        + """record("soon"); const sent = session.recording.say(false); await again("p2");
        record("soon"); record("on"); const twice = objections(); await again("p3"); record("on");
        const thrice = objections(); record("off"); record("on"); await again("p4");
        record("on"); return [sent, twice, thrice, objections()];"""
    )
    assert result == [True, 2, 3, 3]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (("on", "Ben records this room"), ("soon", "Ben wants it")),
        (("on", "Ben records this room"), ("on", "Cem records this room")),
        (("soon", "Ben wants it"), ("soon", "Cem wants it")),
    ],
)
def test_an_objection_is_not_said_of_a_recording_that_began_in_the_gap(
    world: Run, was: tuple[str, str], now: tuple[str, str]
) -> None:
    result = world(
        GAP
        + """const tell = ([phase, words]) => session.inbox.take(
          { type: "state", upstream: "ready", recording: { phase, words } });
        tell(a[0]); session.recording.say(false); await again("p2"); tell(a[1]);
        return objections();""",
        [was, now],
    )
    assert result == 1


def test_an_objection_in_the_gap_is_shown_and_said_on_the_next_connection(world: Run) -> None:
    result = world(
        GAP
        + """record("on"); world.passes = false; session.keeper.lost(); await world.pass(500);
        const sent = session.recording.say(false); const waits = [objections(), codes()];
        world.passes = true; await world.pass(9000); made.welcome("p2"); record("on");
        return [sent, waits, objections(), codes()];"""
    )
    waits = [0, ["recording", "gone", "objecting"]]
    assert result == [False, waits, 1, ["recording"]]


def test_whoever_wants_a_recording_after_all_objects_no_more(world: Run) -> None:
    assert world(
        GAP
        + """record("on"); session.recording.say(false); session.recording.say(true);
        await again("p2"); record("on"); return objections();"""
    ) == 1  # fmt: skip
