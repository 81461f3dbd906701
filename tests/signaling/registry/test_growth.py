"""Months of joins and leaves: nothing that the gateway remembers grows with them."""

from __future__ import annotations

import contextlib

import pytest

from mixer_core.runtime.errors import ProblemError
from mixer_core.runtime.units import S_NS
from signaling.limits.buckets import MAX_CLIENTS
from signaling.limits.connections import Connections
from signaling.limits.limiter import Limiter
from signaling.registry.numbering import REMEMBERED
from signaling.registry.totals import MAX_SOURCES, Totals
from tests.signaling.worlds import World
from tests.support.growth import grown, sizes

BOUNDS = {
    "_failures": 1_000,
    "_guests": 1_000,
    "_buckets": MAX_CLIENTS,
    "_proven": MAX_CLIENTS,
    "_known": REMEMBERED,
    "_sources": MAX_SOURCES,
}
"""Collections that fill up to a limit of their own, which other tests hold."""


def live(world: World, days: range) -> None:
    """By new addresses, rooms and names; some are cut off, some never connect."""
    for day in days:
        while len([c for c in world.children.values() if c.kind == "worker"]) < 3:
            world.add("worker")
        while len([c for c in world.children.values() if c.kind == "link"]) < 2:
            world.add("link")
        for room in (f"room{day}", "home"):
            world.join(
                room, f"Ann {day}", client=f"10.0.{day // 250}.{day % 250}", subject=f"i.{day}"
            )
        world.settle()
        for child in list(world.children.values()):
            if day % 4:
                world.connect(child)
        for number, participant in enumerate(world.people()):
            if (day + number) % 3:
                world.remove(participant, "home")
                world.remove(participant, f"room{day}")
        for child in list(world.children.values()):
            if child.work is not None and child.kind == "worker":
                world.hang_up(child)
        world.settle()
        world.advance(70_000)
        for child in list(world.children.values()):
            if child.status != "idle":
                world.exit(child, 1)
        for seen in (world.replies, world.sent, world.notes):
            seen.clear()


def test_the_registry_forgets_those_who_left() -> None:
    world = World()
    live(world, range(30))
    before = sizes(world.registry)
    assert sum(before.values()), "nothing is looked at"
    live(world, range(30, 120))
    assert grown(before, sizes(world.registry), BOUNDS) == []


@pytest.mark.parametrize("wrong", [False, True])
def test_the_limits_forget_addresses(wrong: bool) -> None:
    limiter, connections = Limiter(60, 10), Connections(100)
    now_ns = 0

    def come(addresses: range) -> None:
        nonlocal now_ns
        for number in addresses:
            now_ns += S_NS
            with contextlib.suppress(ProblemError):
                limiter.offer(str(number), now_ns)
            if wrong:
                limiter.wrong_token(str(number), now_ns)
            connections.admit(str(number), number)
            connections.report(str(number))
            connections.closed(str(number), number)

    come(range(100))
    before = sizes(limiter) | sizes(connections)
    come(range(100, 20_000))
    assert grown(before, sizes(limiter) | sizes(connections), BOUNDS) == []


def test_metrics_of_processes_that_ended_are_summed() -> None:
    totals = Totals()

    def report(pids: range) -> None:
        for pid in pids:
            values = {"frames_total": 1, "backlog_ms": 2, "hop_ms": [1, 2]}
            totals.heard("media_worker", f"worker-{pid}", pid, values, pid * S_NS)

    report(range(500))
    before = sizes(totals)
    report(range(500, 5_000))
    assert grown(before, sizes(totals), {}) == []
    assert totals.sums()["media_worker", "frames_total"] == 5_000
