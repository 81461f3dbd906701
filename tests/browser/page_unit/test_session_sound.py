"""session/microphone.js and audio/engine.js: what is opened, closed, and opened again."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

AFTER = """
const after = (store) => [store.state.phase, world.open.size,
  world.contexts.filter(({ state }) => state !== "closed").length];
const offers = () => world.requests.filter(([method]) => method === "POST").length;
"""


@pytest.mark.parametrize("ms", [1, 303])
def test_cancel_closes_what_joining_was_opening(world: Run, ms: int) -> None:
    result = world(
        AFTER
        + """const { store, session, codes } = await world.session(); world.openingMs = 300;
        session.join(world.choice); await world.pass(a); const joining = store.state.phase;
        await session.leave(); await world.pass(3000);
        return [joining, ...after(store), offers(), codes()];""",
        ms,
    )
    assert result == ["joining", "lobby", 0, 0, 0, []]


def test_cancel_in_a_preview_that_opens_does_not_join_and_joining_again_does(world: Run) -> None:
    result = world(
        AFTER
        + """const { store, session } = await world.session(); world.openingMs = 300;
        session.openMicrophone(); session.join(world.choice); await world.pass(50);
        await session.leave(); session.join(world.choice); session.leave();
        await world.pass(3000); const cancelled = [...after(store), offers()];
        session.join(world.choice); await world.pass(2000);
        return [cancelled, [...after(store), offers()]];"""
    )
    assert result == [["lobby", 0, 0, 0], ["connected", 1, 1, 1]]


@pytest.mark.parametrize("opens", ["join(world.choice)", "openMicrophone()"])
def test_a_prompt_that_nobody_answers_holds_up_nothing_once_it_is_cancelled(
    world: Run, opens: str
) -> None:
    """Firefox neither grants nor denies where somebody clicks beside the prompt."""
    result = world(
        AFTER
        + f"""const {{ store, session }} = await world.session(); world.openingMs = 8000;
        session.{opens}; session.join(world.choice); await world.pass(3000);
        await session.leave(); world.openingMs = 5;
        session.join(world.choice); await world.pass(3000); const again = after(store);
        world.delivers = false; await world.pass(1000);
        const watched = store.events.some(({{ type }}) => type === "microphone-silent");
        world.delivers = true; await world.pass(9000);
        return [again, watched, after(store), world.asked];"""
    )
    assert result == [["connected", 1, 1], True, ["connected", 1, 1], 2]


@pytest.mark.parametrize("ends", ["session.leave()", "session.inbox.take({type: 'bye'})"])
@pytest.mark.parametrize("opens", ["openMicrophone()", "microphone.rebuild()"])
def test_whoever_leaves_closes_a_microphone_that_is_being_opened(
    world: Run, ends: str, opens: str
) -> None:
    result = world(
        AFTER
        + f"""const {{ store, session, codes }} = await world.joined(); world.openingMs = 300;
        session.{opens}; await world.pass(50); {ends}; await world.pass(3000);
        return [...after(store), codes().filter((code) => code !== "sent-away")];"""
    )
    assert result == ["lobby", 0, 0, []]


def test_a_prompt_that_is_denied_after_cancel_is_no_news(world: Run) -> None:
    result = world(
        AFTER
        + """const { store, session, codes } = await world.session(); world.openingMs = 300;
        world.microphoneError = "NotAllowedError"; session.join(world.choice);
        await world.pass(50); await session.leave(); await world.pass(3000);
        return [...after(store), codes()];"""
    )
    assert result == ["lobby", 0, 0, []]


@pytest.mark.parametrize("listen", [False, True])
def test_audio_that_could_not_be_built_is_built_by_the_next_attempt(
    world: Run, listen: bool
) -> None:
    result = world(
        AFTER
        + """const { store, session, codes } = await world.session(); world.loads = false;
        const choice = {...world.choice, listenOnly: a};
        await Promise.all([session.join(choice), world.pass(500)]);
        const failed = [store.state.phase, codes(), after(store)[2]];
        world.loads = true; session.join(choice); await world.pass(500);
        return [failed, store.state.phase, codes(), world.feeds("playback")];""",
        listen,
    )
    assert result == [["lobby", ["no-audio"], 0], "connected", [], [1]]


def test_sound_is_built_anew_where_the_microphone_is_not_to_be_had(world: Run) -> None:
    result = world(
        """const { session, codes } = await world.joined();
        world.microphoneError = "NotReadableError"; session.microphone.rebuild();
        await world.pass(500); const without = [codes(), world.feeds("playback")];
        world.microphoneError = ""; session.openMicrophone(); await world.pass(500);
        return [without, codes(), world.feeds("playback"), world.feeds("capture"),
          session.talk.isOpen, world.nodes.at(-2).stream != null];"""
    )
    assert result == [[["mic-busy"], [1, 1]], [], [1, 1], [1, 1], True, True]


@pytest.mark.parametrize(
    "again", ["session.resume()", "session.openMicrophone()", "session.keeper.lost()"]
)
def test_audio_that_could_not_be_built_anew_is_told_and_tried_again(world: Run, again: str) -> None:
    result = world(
        f"""const {{ session, codes }} = await world.joined(); world.loads = false;
        session.microphone.rebuild(); await world.pass(500);
        const failed = [codes(), session.audio.context]; world.loads = true;
        {again}; await world.pass(1000);
        return [failed, codes(), world.feeds("playback"), session.audio.running];"""
    )
    assert result == [[["no-audio"], None], [], [1, 1], True]


CURES = """
const cures = (store, type) => store.events.filter((event) => event.type === type)
  .map(({ cure }) => cure);
"""


@pytest.mark.parametrize("opening_ms", [5, 3000])
def test_a_silent_microphone_is_opened_anew_then_told_and_then_left_in_peace(
    world: Run, opening_ms: int
) -> None:
    result = world(
        CURES
        + """const { store, codes } = await world.joined(); world.delivers = false;
        world.openingMs = a; await world.pass(20000); const told = codes();
        const first = cures(store, "microphone-silent"); await world.pass(600000);
        const all = cures(store, "microphone-silent"); const kept = codes();
        world.delivers = true; await world.pass(1000);
        return [first, told, all.slice(4), kept, codes()];""",
        opening_ms,
    )
    first = ["resume", "reopen", "rebuild", "tell"]
    assert result == [first, ["mic-lost"], ["reopen"] * 4, ["mic-lost"], []]


def test_sound_that_stands_is_built_anew_then_told_and_then_left_in_peace(world: Run) -> None:
    result = world(
        CURES
        + """const { store, codes } = await world.joined(); world.plays = false;
        await world.pass(20000); const told = codes();
        const first = cures(store, "speaker-stands"); await world.pass(600000);
        const all = cures(store, "speaker-stands"); const kept = codes();
        world.plays = true; await world.pass(1000);
        return [first, told, all.slice(3), kept, codes()];"""
    )
    first = ["resume", "rebuild", "tell"]
    assert result == [first, ["sound-stands"], ["rebuild"] * 4, ["sound-stands"], []]


def test_a_microphone_that_is_plugged_in_again_is_opened(world: Run) -> None:
    result = world(
        """const { session, codes } = await world.joined();
        world.microphoneError = "NotFoundError"; world.unplug();
        world.media.dispatchEvent(new Event("devicechange")); await world.pass(5000);
        const gone = codes(); world.microphoneError = "";
        world.media.dispatchEvent(new Event("devicechange")); await world.pass(500);
        const back = [codes(), world.open.size]; await session.leave(); world.unplug();
        world.media.dispatchEvent(new Event("devicechange")); await world.pass(500);
        return [gone, back, world.open.size];"""
    )
    assert result == [["mic-lost", "mic-missing"], [[], 1], 0]


def test_a_microphone_that_opened_before_the_sound_did_is_opened_again_too(world: Run) -> None:
    result = world(
        """const { session, codes } = await world.session();
        session.join({...world.choice, listenOnly: true}); await world.pass(500);
        world.loads = false; session.microphone.rebuild(); await world.pass(500);
        session.openMicrophone(); await world.pass(500);
        world.loads = true; session.resume(); await world.pass(500); world.unplug();
        world.media.dispatchEvent(new Event("devicechange")); await world.pass(500);
        return [codes(), world.open.size];"""
    )
    assert result == [[], 1]


def test_who_joined_without_a_microphone_gets_none_by_plugging_one_in(world: Run) -> None:
    result = world(
        """const { session } = await world.session();
        session.join({...world.choice, listenOnly: true}); await world.pass(500);
        world.media.dispatchEvent(new Event("devicechange")); await world.pass(500);
        return [world.asked, world.feeds("playback")];"""
    )
    assert result == [0, [1]]


def test_in_a_call_a_microphone_that_does_not_open_is_tried_again_and_nobody_joins(
    world: Run,
) -> None:
    result = world(
        """const lobby = await world.session(); world.microphoneError = "NotReadableError";
        lobby.session.join(world.choice); await world.pass(500); world.microphoneError = "";
        const made = await world.joined(); world.microphoneError = "NotReadableError";
        made.session.openMicrophone(); await world.pass(500);
        return [lobby, made].map(({ store }) => (
          store.state.problems.map(({ command }) => command)));"""
    )
    assert result == [["listen-only"], ["reopen-microphone"]]


def test_a_page_without_https_has_no_test_sound_and_says_nothing_new(world: Run) -> None:
    result = world(
        """Object.defineProperty(window, "isSecureContext", { value: false });
        const { session, codes } = await world.session();
        const opened = session.microphone.openGraph(); await world.pass(500);
        return [await opened, codes(), world.contexts.length];"""
    )
    assert result == [False, [], 0]


@pytest.mark.parametrize("also", ["", "session.microphone.rebuild();"])
def test_a_microphone_that_is_being_opened_survives_a_new_graph(world: Run, also: str) -> None:
    result = world(
        f"""const {{ session, codes }} = await world.joined(); world.openingMs = 6000;
        session.openMicrophone(); await world.pass(1000);
        session.microphone.rebuild(); {also} await world.pass(20000);
        const node = world.nodes.at(-2);
        return [codes(), world.open.size, session.talk.isOpen, node.stream != null];"""
    )
    assert result == [[], 1, True, True]


def test_two_new_graphs_at_once_keep_the_microphone_and_give_none_to_who_has_none(
    world: Run,
) -> None:
    result = world(
        """const has = await world.joined();
        has.session.microphone.rebuild(); has.session.microphone.rebuild(); await world.pass(500);
        const kept = world.open.size; await has.session.leave(); const { asked } = world;
        const lacks = await world.session();
        lacks.session.join({...world.choice, listenOnly: true}); await world.pass(500);
        lacks.session.microphone.rebuild(); lacks.session.microphone.rebuild();
        await world.pass(500); return [kept, world.open.size, world.asked - asked];"""
    )
    assert result == [1, 0, 0]


def test_a_new_graph_does_not_open_what_who_joins_without_a_microphone_left_opening(
    world: Run,
) -> None:
    result = world(
        """const { session } = await world.session(); world.openingMs = 6000;
        session.openMicrophone(); await world.pass(1000);
        session.join({...world.choice, listenOnly: true}); await world.pass(500);
        session.microphone.rebuild(); await world.pass(20000);
        return [world.asked, world.open.size];"""
    )
    assert result == [1, 0]


@pytest.mark.parametrize("previewed_ms", [2, 7, 500])
def test_who_joins_without_a_microphone_is_not_heard_by_that_of_the_preview(
    world: Run, previewed_ms: int
) -> None:
    result = world(
        """const { session, store } = await world.session();
        session.openMicrophone(); await world.pass(a);
        session.join({...world.choice, listenOnly: true}); await world.pass(500);
        world.media.dispatchEvent(new Event("devicechange")); await world.pass(20000);
        session.inbox.take({ type: "welcome", participant: "p1", room: "home", epoch: 0 });
        const silent = [world.open.size, store.state.listenOnly, session.talk.isOpen];
        session.openMicrophone(); await world.pass(500);
        return [silent, world.open.size, store.state.listenOnly, session.talk.isOpen];""",
        previewed_ms,
    )
    assert result == [[0, True, False], 1, False, True]


def test_an_element_that_never_answers_neither_ends_joining_nor_the_watchdogs(world: Run) -> None:
    result = world(
        CURES
        + """window.Audio.prototype.play = () => new Promise(() => {});
        const { session, store } = await world.session({ route: "element" });
        session.join(world.choice); await world.pass(3000); const { phase } = store.state;
        world.elements[0].paused = false; world.delivers = false; await world.pass(20000);
        return [phase, cures(store, "microphone-silent")];"""
    )
    assert result == ["connected", ["resume", "reopen", "rebuild", "tell"]]


@pytest.mark.parametrize(("loads", "told"), [(True, []), (False, ["no-audio"])])
def test_sound_is_not_called_off_while_its_graph_is_made_anew(
    world: Run, loads: bool, told: list[str]
) -> None:
    result = world(
        """const { session, store, codes } = await world.joined(); world.loads = a;
        const seen = new Set(); session.microphone.rebuild();
        for (let i = 0; i < 100; i += 1) {
          await world.pass(1); world.contexts.at(-1).turn("running");
          codes().forEach((code) => seen.add(code));
        }
        return [[...seen], codes(), store.state.audioRunning];""",
        loads,
    )
    assert result == [told, told, loads]


def test_a_worklet_that_has_failed_is_no_news_once_there_is_another(world: Run) -> None:
    result = world(
        """const { session, codes } = await world.joined();
        world.nodes[0].onprocessorerror(); const told = codes();
        session.microphone.rebuild(); await world.pass(500); return [told, codes()];"""
    )
    assert result == [["worklet"], []]


def test_who_turns_a_microphone_on_while_the_graph_is_made_anew_is_heard(world: Run) -> None:
    result = world(
        """const { session, store } = await world.joined(); session.leave(); await world.pass(100);
        session.join({...world.choice, listenOnly: true}); await world.pass(500);
        session.inbox.take({ type: "welcome", participant: "p2", room: "home", epoch: 0 });
        world.openingMs = 6000; session.openMicrophone(); await world.pass(1000);
        session.microphone.rebuild(); await world.pass(20000);
        return [world.open.size, store.state.listenOnly, session.talk.isOpen];"""
    )
    assert result == [1, False, True]


def test_sound_goes_on_when_the_system_gives_the_microphone_back(world: Run) -> None:
    """After a call on the phone the page may have been visible all the time."""
    result = world(
        """const { session, codes } = await world.joined(); const [context] = world.contexts;
        const [track] = world.open; context.resume = async () => context.turn("running");
        track.onmute(); context.state = "suspended"; context.onstatechange();
        await world.pass(2000); const held = [session.audio.running, codes()];
        track.onunmute(); await world.pass(100); return [held, session.audio.running, codes()];"""
    )
    assert result == [[False, ["suspended", "mic-held"]], True, []]
