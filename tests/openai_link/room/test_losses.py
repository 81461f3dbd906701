"""The upstream is lost after every single server event in turn: the room always talks again.

Each scene is held once undisturbed, which says how many server events it has; then once for every
event, with the connection gone right after it. What must hold in the end is the same each time
(``checks``).
"""

from __future__ import annotations

import pytest

from tests.openai_link.room import checks
from tests.openai_link.room.scenes import BUDGET, SCENES
from tests.openai_link.room.world import Scene, World

NAMES = [scene.name for scene in SCENES]


def events_of(scene: Scene) -> int:
    """Server events of the undisturbed scene."""
    world = World(scene)
    world.finish()
    return world.events


def failures(scene: Scene, loses_all: bool) -> dict[int, str]:
    """What does not hold, by the number of the event after which the connection was lost."""
    found: dict[int, str] = {}
    for number in range(1, events_of(scene) + 1):
        world = World(scene)
        world.lose_after, world.loses_all = {number}, loses_all
        try:
            checks.check_all(world)
        except AssertionError as error:
            found[number] = str(error)[:500]
    return found


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_undisturbed(scene: Scene) -> None:
    world = World(scene)
    checks.check_all(world)
    assert {name for _, name in world.ran} == set(scene.tools)
    assert (world.opened > 1) == (scene.session_limit_s < 60)


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_the_session_is_lost_after_each_event(scene: Scene) -> None:
    assert failures(scene, loses_all=False) == {}


@pytest.mark.parametrize("scene", [s for s in SCENES if s.session_limit_s < 60], ids=str)
def test_every_session_is_lost_after_each_event(scene: Scene) -> None:
    assert failures(scene, loses_all=True) == {}


def test_a_spent_budget_ends_the_session_whenever_it_is_lost() -> None:
    for number in range(events_of(BUDGET) + 1):
        world = World(BUDGET)
        world.lose_after = {number}
        world.finish()
        checks.browsers_end_in_a_true_state(world, "failed")
        checks.nothing_final_is_missing_or_doubled(world)
        checks.the_money_is_counted_once(world)
        assert world.state["code"] == "budget_spent" and not world.sessions
        assert [e["code"] for e in world.of("error")].count("budget_spent") == 1
        opened = world.opened
        world.run(5_000)
        assert world.opened == opened, "nothing is opened without money"
        world.tomorrow()
        world.run(5_000)
        assert world.opened == opened + 1, "a new day has money"
