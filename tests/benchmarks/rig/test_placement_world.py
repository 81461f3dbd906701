"""The cluster in virtual time loses nobody, and its failures heal."""

from __future__ import annotations

from benchmarks.rig.placement_world import LOST_S, NOTICE_S, TICKS_S, World


def live(world: World, seconds: int) -> None:
    for _ in range(seconds * TICKS_S):
        world.step()


def people(world: World) -> int:
    """All people, counted by node; every count agrees with the rooms'."""
    nodes, there = world.nodes, world._there
    for number, rooms in enumerate(nodes.rooms):
        assert nodes.people[number] == sum(there[room] for room in rooms)
        assert nodes.people[number] <= nodes.capacity[number]
        assert nodes.alive[number] or not rooms
    return sum(nodes.people)


def test_rooms_of_dead_nodes_are_back_soon_with_their_people() -> None:
    world = World(30, 600, 2)
    live(world, 10)
    before, rooms = people(world), world.rooms
    world.kill([3, 4])
    lost = rooms - world.rooms
    assert lost and people(world) < before
    live(world, 15)
    assert abs(people(world) - before) < before / 10
    assert world.counts["rooms taken over"] == len(world.heal_s) <= lost
    assert len(world.heal_s) > 0.9 * lost, "few have ended meanwhile"
    assert max(world.heal_s) < LOST_S + NOTICE_S[1]


def test_a_drain_leaves_nothing_behind_and_new_nodes_fill() -> None:
    world = World(30, 600, 2)
    world.drain([3, 4])
    live(world, 120)
    assert not world.nodes.rooms[3] and not world.nodes.rooms[4]
    assert world.counts["rooms moved"]
    added = world.add_nodes(2)
    live(world, 120)
    assert all(world.nodes.people[number] for number in added)
    assert people(world) and world.counts["people refused"] == 0


def test_the_same_seed_is_the_same_run() -> None:
    runs = [World(12, 200, 2, seed=5) for _ in range(2)]
    for world in runs:
        live(world, 5)
    assert runs[0].counts == runs[1].counts and runs[0].nodes == runs[1].nodes
