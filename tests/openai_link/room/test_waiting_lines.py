"""What is typed while no session has the room is said to the next one, or given back in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mixer_core.runtime.units import MS_NS
from openai_link.room.actions import Action, TellBrowsers
from openai_link.room.waiting_lines import MAX_LINES, MAX_OF_ONE, MAX_WAIT_NS
from tests.openai_link.room import checks
from tests.openai_link.room.forks import before_events, events_at_steps
from tests.openai_link.room.scenes import BUDGET, CORE, ROLLOVERS
from tests.openai_link.room.test_moving import TALK, arrive, leave, standby
from tests.openai_link.room.world import BUSY, NAMES, Scene, World, wait
from tests.support.tables import points

SCENES = tuple(scene for scene in (*CORE, ROLLOVERS[0]) if not scene.tools)
"""A newer line is answered first: whoever types over a request for a tool has another wish."""


class Typing(World):
    """Somebody types as soon as the connection is lost, and once more while it is made again."""

    def __init__(self, scene: Scene) -> None:
        self.typed: list[str] = []
        super().__init__(scene)

    def lose(self, session: int) -> None:
        super().lose(session)
        if not self.typed:
            self._type()
            self.schedule(40 * MS_NS, "_type")

    def _type(self) -> None:
        self.typed.append(f"Line {len(self.typed) + 1}.")
        self.browser(type="say", text=self.typed[-1])


def said(world: World) -> list[str]:
    """What people have said, by the record."""
    return [item.text for item in checks.messages(world) if item.role == "user"]


def given_back(world: World) -> list[str]:
    return [event["text"] for event in world.of("error") if event["code"] == "not_connected"]


def cut_off(refused_ms: int) -> World:
    """A room that has lost its session; its server takes no call for so long."""
    world = World(Scene("cut off", (wait(300),)))
    world.finish()
    world.refuse = BUSY
    world.schedule(refused_ms * MS_NS, "_serve_again")
    world.lose_all()
    return world


@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_lines_are_said_once_and_in_order_wherever_the_session_was_lost(scene: Scene) -> None:
    counts = events_at_steps(World(scene))
    found: dict[int, str] = {}
    for number, world in before_events(scene, points(range(1, counts[-1] + 1)), counts, Typing):
        world.lose_after = {number}
        try:
            checks.conclude(world)
            assert isinstance(world, Typing) and len(world.typed) == 2
            lines = [text for text in said(world) if text in world.typed]
            assert lines == world.typed and not given_back(world), (said(world), world.logs[-9:])
        except AssertionError as error:
            found[number] = str(error)[:500]
    assert found == {}


def test_lines_wait_through_attempts_that_fail_and_more_than_a_few_are_given_back() -> None:
    world = cut_off(2_000)
    lines = [f"Line {number}." for number in range(MAX_OF_ONE + 2)]
    for line in lines:
        world.browser(type="say", text=line)
    assert given_back(world) == lines[MAX_OF_ONE:]
    for number in range(2 * MAX_LINES):
        who, stream = f"p-{10 + number}", 10 + number
        world.browser(type="say", text=f"And {who}?", participant=who, stream=stream)
    assert len(given_back(world)) == 2 + 2 * MAX_LINES - (MAX_LINES - MAX_OF_ONE)
    world.run(30_000)
    others = [f"And p-{10 + number}?" for number in range(MAX_LINES - MAX_OF_ONE)]
    assert said(world) == lines[:MAX_OF_ONE] + others
    checks.browsers_end_in_a_true_state(world, "ready")
    checks.check_all(world)


def test_whoever_has_begun_is_answered_and_not_greeted() -> None:
    world = World(Scene("early", (), settings={"greet": True}))
    world.browser(type="say", text="What time is it?")
    world.run(20_000)
    answers = [item.text for item in checks.messages(world) if item.role == "assistant"]
    assert len(answers) == 1 and answers[0].endswith("What time is it?"), answers
    assert not given_back(world)


def test_a_line_that_cannot_be_said_is_refused_at_once() -> None:
    world = cut_off(2_000)
    for text in ("", "x" * 4_001, 7):
        world.browser(type="say", text=text)
    codes = [event["code"] for event in world.of("error")]
    assert codes == ["bad_say"] * 3, codes


def test_whoever_typed_hears_when_the_assistant_does_not_come_back() -> None:
    world = cut_off(600_000)
    world.browser(type="say", text="Are you there?")
    assert not given_back(world)
    world.run(120_000)
    assert given_back(world) == ["Are you there?"] and world.state["upstream"] == "failed"
    world.browser(type="say", text="And now?")
    assert given_back(world)[1:] == ["And now?"]
    world.run(600_000)
    assert world.state["upstream"] == "ready" and said(world) == []


def test_no_line_waits_for_longer_than_anybody_does() -> None:
    world = World(TALK)
    world.finish()
    world.do(world.engine.suspend("pause", "Something else has the room.", world.now_ns))
    world.browser(type="say", text="Are you there?")
    world.run(MAX_WAIT_NS // MS_NS - 1_000)
    assert not given_back(world)
    world.run(2_000)
    assert given_back(world) == ["Are you there?"]


def test_what_was_typed_before_a_deletion_is_deleted() -> None:
    world = cut_off(2_000)
    world.browser(type="say", text="A secret.")
    world.do(world.engine.forget("Ada", world.now_ns))
    world.browser(type="say", text="No secret.")
    world.run(30_000)
    assert said(world) == ["No secret."] and not given_back(world)


def test_money_that_is_spent_gives_the_lines_back() -> None:
    world = World(BUDGET)
    world.finish()
    assert world.state["upstream"] == "failed"
    world.browser(type="say", text="One more thing.")
    assert given_back(world) == ["One more thing."]


def test_lines_do_not_wait_at_a_machine_that_the_room_has_left() -> None:
    old = World(TALK)
    old.finish()
    new = standby(old)
    new.browser(type="say", text="Early.")
    leave(old)
    old.browser(type="say", text="Late.")
    assert given_back(old) == ["Late."]
    arrive(new, old)
    new.run(10_000)
    assert said(new)[-1] == "Early." and not given_back(new)


def test_each_line_that_waited_is_given_back_to_whoever_typed_it() -> None:
    """Also where all of them are at one moment."""
    world = cut_off(600_000)
    for number in range(MAX_OF_ONE):
        world.browser(type="say", text=f"Line {number}.")
    words = "Another machine has the room."
    world.do(world.engine.suspend("stale", words, world.now_ns, for_good=True))
    assert given_back(world) == [f"Line {number}." for number in range(MAX_OF_ONE)]


def test_lines_that_wait_are_given_back_when_the_room_leaves() -> None:
    old = cut_off(60_000)
    old.browser(type="say", text="Hello?")
    leave(old)
    assert given_back(old) == ["Hello?"]
    old.refuse = None
    old.do(old.engine.stay(old.now_ns))
    old.browser(type="say", text="So you are here.")
    old.run(10_000)
    assert said(old)[-1] == "So you are here." and given_back(old) == ["Hello?"]


class Deaf(World):
    """Its server takes nothing; what one browser is told is kept with its stream."""

    def __init__(self) -> None:
        self.told_to: list[tuple[int, str]] = []
        super().__init__(Scene("deaf", (wait(300),)))
        self.finish()
        self.is_cut_off = True

    def _do(self, action: Action) -> None:
        if isinstance(action, TellBrowsers) and action.event.get("code") == "not_connected":
            self.told_to.append((action.addressee, str(action.event.get("text"))))
        super()._do(action)

    def _send(self, session: int, event: Mapping[str, Any]) -> None:
        if not self.is_cut_off:
            super()._send(session, event)


def is_owed(world: World) -> bool:
    """Whether the next session has to answer somebody."""
    return world.engine._record.pending_reply.is_pending


def test_what_a_lost_session_did_not_take_is_given_back_where_none_comes() -> None:
    world = Deaf()
    world.browser(type="say", text="Are you there?")
    world.refuse = BUSY
    world.lose_all()
    world.browser(type="say", text="Hello?")
    world.run(50_000)
    assert world.state["upstream"] == "failed"
    assert world.told_to == [(7, "Are you there?"), (7, "Hello?")]
    assert not is_owed(world), "the line is at its page again"
    world.refuse, world.is_cut_off = None, False
    world.run(60_000)
    assert world.state["upstream"] == "ready" and said(world) == []


def test_no_answer_moves_with_a_room_that_gives_the_line_back() -> None:
    world = Deaf()
    world.browser(type="say", text="Are you there?")
    assert is_owed(world)
    leave(world)
    assert world.told_to == [(7, "Are you there?")]
    assert world.yielded is not None and not world.yielded.owed


def test_what_a_lost_session_did_not_take_waits_no_longer_than_anybody_does() -> None:
    world = Deaf()
    world.browser(type="say", text="Are you there?")
    world.do(world.engine.suspend("pause", "Something else has the room.", world.now_ns))
    world.run(MAX_WAIT_NS // MS_NS - 1_000)
    assert not world.told_to and is_owed(world)
    world.run(2_000)
    assert world.told_to == [(7, "Are you there?")] and not is_owed(world)


@pytest.mark.parametrize("back", ["p-1", "p-4", "p-1,p-4", "p-2"])
def test_a_line_is_given_back_to_whoever_has_come_back_meanwhile(
    back: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes back is another participant of the same name, with another stream."""
    monkeypatch.setitem(NAMES, "p-4", NAMES["p-1"])
    world = Deaf()
    world.browser(type="say", text="Are you there?")
    world.refuse = BUSY
    world.lose_all()
    world.browser(type="say", text="Hello?")
    world.streams = {"p-2": 8, "p-4": 9}
    world.roster(*back.split(","))
    world.run(50_000)
    stream = {"p-4": 9}.get(back, 7)
    lines = ["Hello?"] if back == "p-2" else ["Are you there?", "Hello?"]
    assert world.told_to == [(stream, line) for line in lines]
    shown = [event["text"] for event in world.of("caption") if event["speaker"] == "p-1"]
    assert shown == (["Are you there?"] if back == "p-2" else []) and not is_owed(world)
