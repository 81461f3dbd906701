"""Worlds that part at one point: what they have in common is lived through once.

A world is copied by pickling; a copy goes on exactly as the world would have (``test_forks``).
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence

from tests.openai_link.room.world import Scene, World


class Copies:
    """Of a world, as it is now."""

    def __init__(self, world: World) -> None:
        self._image = pickle.dumps(world, pickle.HIGHEST_PROTOCOL)

    def make(self) -> World:
        """Another one."""
        world: World = pickle.loads(self._image)
        return world


def events_at_steps(world: World) -> list[int]:
    """Go to the end of the scene: how many server events had come before each step, and in all."""
    counts = [world.events for _ in world.steps()]
    return [*counts, world.events]


def before_events(
    scene: Scene, numbers: Sequence[int], counts: Sequence[int], kind: type[World] = World
) -> Iterator[tuple[int, World]]:
    """A world for each number, just before the step that brings the server event of that number.

    Args:
        scene: that nothing has disturbed so far.
        numbers: of server events; below 1: a world at its beginning.
        counts: ``events_at_steps`` of the same scene.
        kind: of the world.
    """
    world = kind(scene)
    for place, _ in enumerate(world.steps()):
        before, after = counts[place] if place else -1, counts[place + 1]
        here = [number for number in numbers if before < number <= after]
        copies = Copies(world) if here else None
        for number in here:
            assert copies is not None
            yield number, copies.make()


def at_ends_of_wait(scenes: Sequence[Scene], place: int, kind: type[World]) -> Iterator[World]:
    """A world for each scene, just before the step in which its wait at ``place`` ends.

    The scenes differ in the length of that wait, which grows, and in what comes after it.
    """
    world = kind(scenes[0])
    for scene in scenes:
        length_ms = scene.steps[place].ms
        if length_ms == 0:  # It takes no step of its own.
            yield kind(scene)
            continue
        world.scene = scene
        for _ in world.steps():
            if world.has_waited(place, length_ms):
                break
        else:
            raise AssertionError("the scene was over before")
        yield Copies(world).make()
