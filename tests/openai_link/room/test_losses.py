"""The upstream is lost after every single server event in turn: the room always talks again.

Each scene is held once undisturbed, which says how many server events it has; then it goes on once
from every event, with the connection gone right after it. What must hold in the end is the same
each time (``checks``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.openai_link.room import checks
from tests.openai_link.room.forks import before_events, events_at_steps
from tests.openai_link.room.scenes import BUDGET, ROLLOVERS, SCENES
from tests.openai_link.room.world import Scene, World
from tests.support.tables import examples, points


@cache
def undisturbed(name: str) -> tuple[World, list[int]]:
    """A scene without a loss, and ``events_at_steps`` of it."""
    (scene,) = [scene for scene in (*SCENES, BUDGET) if scene.name == name]
    world = World(scene)
    counts = events_at_steps(world)
    return world, counts


def number_of_events(scene: Scene) -> int:
    return undisturbed(scene.name)[0].events


def losing(scene: Scene, numbers: Sequence[int]) -> Iterator[tuple[int, World]]:
    """A world for each number of a server event, after which the connection will be lost."""
    _, counts = undisturbed(scene.name)
    for number, world in before_events(scene, points(numbers), counts):
        world.lose_after = {number}
        yield number, world


def failures(scene: Scene, numbers: Sequence[int], loses_all: bool) -> dict[int, str]:
    """What does not hold, by the number of the event after which the connection was lost."""
    found: dict[int, str] = {}
    for number, world in losing(scene, numbers):
        world.loses_all = loses_all
        try:
            checks.check_all(world)
        except AssertionError as error:
            found[number] = str(error)[:500]
    return found


@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_undisturbed(scene: Scene) -> None:
    world = World(scene)
    checks.check_all(world)
    assert {name for _, name in world.ran} == (set(scene.tools) if scene.runs_tools else set())
    assert (world.opened > 1) == (scene in ROLLOVERS or scene.first_ends_s > 0)
    assert (world.engine.counters()["rollovers_total"] > 0) == (scene in ROLLOVERS)


@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_the_session_is_lost_after_each_event(scene: Scene) -> None:
    numbers = range(1, number_of_events(scene) + 1)
    assert failures(scene, numbers, loses_all=False) == {}


@pytest.mark.parametrize("scene", ROLLOVERS, ids=str)
def test_both_sessions_are_lost_after_each_event(scene: Scene) -> None:
    numbers = undisturbed(scene.name)[0].shared
    assert numbers and failures(scene, numbers, loses_all=True) == {}


@settings(max_examples=examples(100))
@given(
    st.sampled_from([scene for scene in SCENES if not scene.confirm]),
    st.floats(0, 1),
    st.lists(st.integers(1, 40), min_size=1, max_size=2),
    st.booleans(),
)
def test_it_is_lost_again_while_it_recovers(
    scene: Scene, first: float, gaps: list[int], loses_all: bool
) -> None:
    """Who speaks over an answer waits for it no more, though the next loss takes the words."""
    numbers = [1 + int(first * (number_of_events(scene) - 1))]
    for gap in gaps:
        numbers.append(numbers[-1] + gap)
    world = World(scene)
    world.lose_after, world.loses_all = numbers, loses_all
    speaks = any(step.do == "speak" for step in scene.steps)
    checks.check_all(world) if not speaks else checks.conclude(world)


def test_a_spent_budget_ends_the_session_whenever_it_is_lost() -> None:
    for _, world in losing(BUDGET, range(number_of_events(BUDGET) + 1)):
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
