"""How soon a lost server is talked to again, and a silent one known, in virtual time."""

from __future__ import annotations

import pytest

from mixer_core.runtime.units import MS_NS, S_NS
from tests.openai_link.room import checks
from tests.openai_link.room.hostile import HostileWebsocketWorld, HostileWorld
from tests.openai_link.room.scenes import ANSWERED
from tests.openai_link.room.websocket_world import WebsocketWorld
from tests.openai_link.room.world import BUSY, Scene, Step, World, say, speak, until, wait

BOTH = pytest.mark.parametrize("kind", [World, WebsocketWorld])
HOSTILE = pytest.mark.parametrize("kind", [HostileWorld, HostileWebsocketWorld])
TALK = (wait(300), say("Good morning."), *ANSWERED)


def ready_after_ms(world: World, limit_ms: int = 30_000) -> int:
    """How long it takes from now until the room has a session again, as people are told."""
    begun_ns = world.now_ns
    while world.state["upstream"] != "ready" or not world.sessions:
        assert world.now_ns < begun_ns + limit_ms * MS_NS
        world.step()
    return (world.now_ns - begun_ns) // MS_NS


@BOTH
@pytest.mark.parametrize("down_ms", [0, 100, 400, 700])
@pytest.mark.parametrize("turns", [1, 6])
def test_a_lost_server_that_is_back_within_a_second_is_talked_to_within_that_second(
    kind: type[World], down_ms: int, turns: int
) -> None:
    said = [step for turn in range(turns) for step in (say(f"Turn {turn}."), *ANSWERED)]
    world = kind(Scene("lost", (wait(300), *said)))
    world.finish()
    if down_ms:
        world.refuse = BUSY
        world.schedule(down_ms * MS_NS, "_serve_again")
    world.lose_all()
    assert ready_after_ms(world) <= 1_000
    checks.conclude(world)


@HOSTILE
@pytest.mark.parametrize("does", [say("Hello?"), speak(2_000), Step("press")])
@pytest.mark.parametrize("is_new", [False, True])
def test_a_server_that_falls_silent_is_known_within_ten_seconds(
    kind: type[HostileWorld], does: Step, is_new: bool
) -> None:
    """Its connection stays up; people speak, or wait for an answer, in its first session too."""
    settings = {"turn_detection": "push_to_talk"} if does.do == "press" else {}
    before = (wait(1_000),) if is_new else (*TALK, wait(6_000))
    if does.do == "press" and not is_new:
        before = (wait(300), Step("press"), speak(900), wait(900), Step("release"), *ANSWERED)
    world = kind(Scene("silent", before, heard=("Yes.",), settings=settings))
    world.finish()
    world.hostility.edit = lambda event: None
    begun_ns = world.now_ns
    if does.do == "press":
        world.browser(type="ptt", down=True)
        world.loud_until_ns = world.now_ns + S_NS
        world.run(1_000)
        world.browser(type="ptt", down=False)
        begun_ns = world.now_ns
    else:
        world._begin(does)
    while world.state["upstream"] == "ready":
        assert world.now_ns - begun_ns <= 10 * S_NS
        world.step()


@HOSTILE
def test_an_idle_room_asks_its_server_once(kind: type[HostileWorld]) -> None:
    world = kind(Scene("idle", (wait(300),)))
    world.run(600_000)
    asked = [event for event in world.sent if event["type"] == "conversation.item.retrieve"]
    assert len(asked) == 1 and world.opened == 1


@BOTH
def test_a_slow_model_whose_server_answers_keeps_its_call(kind: type[World]) -> None:
    scene = Scene(
        "slow", (wait(300), say("Why?"), until("speaking", 30_000)), options={"think_ms": 20_000}
    )
    world = kind(scene)
    world.finish()
    assert world.opened == 1
    asked = [event for event in world.sent if event["type"] == "conversation.item.retrieve"]
    assert len(asked) <= 6
    checks.conclude(world)
