"""Worlds that part: each goes on exactly as one that was held from its beginning."""

from __future__ import annotations

from typing import Any

import pytest

from tests.openai_link.room.forks import at_ends_of_wait, before_events, events_at_steps
from tests.openai_link.room.scenes import SCENES
from tests.openai_link.room.websocket_world import WebsocketWorld
from tests.openai_link.room.world import Scene, Step, World, say, wait

PICKED = [scene for scene in SCENES if scene.name in ("barge-in", "rollover while a tool works")]
KINDS = (World, WebsocketWorld)


def course(world: World) -> tuple[Any, ...]:
    """Everything that can be seen of it."""
    world.finish()
    told = [(at_ns, dict(event)) for at_ns, event in world.told]
    return told, world.frames, world.sent, world.ran, world.logs, world.journal.records


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", PICKED, ids=str)
def test_a_copy_goes_on_as_the_world_would_have(scene: Scene, kind: type[World]) -> None:
    counts = events_at_steps(kind(scene))
    numbers = (0, 1, counts[-1] // 2, counts[-1])
    copies = list(before_events(scene, numbers, counts, kind))
    assert [number for number, _ in copies] == list(numbers)
    whole = course(kind(scene))
    for _, world in copies:
        assert course(world) == whole


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_loses_its_connection_where_a_world_would_have(kind: type[World]) -> None:
    scene = PICKED[0]
    counts = events_at_steps(kind(scene))
    for number, world in before_events(scene, (20, 50), counts, kind):
        lost = kind(scene)
        world.lose_after = lost.lose_after = {number}
        assert course(world) == course(lost) and world.opened == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_at_the_end_of_a_wait_goes_on_so(kind: type[World]) -> None:
    scenes = [
        Scene("x", (say("Tell me."), wait(after_ms), Step("interrupt"), wait(1_000)))
        for after_ms in (0, 20, 50, 400)
    ]
    for scene, world in zip(scenes, at_ends_of_wait(scenes, 1, kind), strict=True):
        assert course(world) == course(kind(scene))
