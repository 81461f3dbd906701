"""The pool is always made good again, whatever happened and whoever was not told of it."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mixer_core.runtime.pool_policy import MAX_PAUSE_NS, PoolLimits
from mixer_core.runtime.units import MS_NS, S_NS
from tests.mixer_core.runtime.pool_world import Child, World

LONG_NS = 120 * S_NS


@pytest.fixture
def world() -> World:
    world = World()
    world.begin()
    world.run(2 * S_NS)
    assert world.living == world.policy.idle == 2
    return world


@pytest.mark.parametrize("later_ms", [0, 1, 5, 10, 19, 21, 40])
def test_a_child_and_then_its_fork_server_are_killed(world: World, later_ms: int) -> None:
    world.do(world.end("child-1", None))
    world.run(later_ms * MS_NS)
    world.lose_server()
    world.run(3 * S_NS)
    assert world.living == world.policy.idle == 2
    assert world.policy.trouble == ""


def test_nobody_tells_of_a_child_that_dies_unregistered_with_its_server(world: World) -> None:
    world.take("child-1")
    assert "child-3" in world.children
    world.host_told = False
    world.server = "none"
    world.children.pop("child-3")
    world.do(world.policy.server_lost("killed", world.now_ns))
    world.host_told = True
    world.run(10 * S_NS)
    assert world.living == world.policy.idle == 2


@pytest.mark.parametrize("fault", ["spawns", "forks", "children_live", "children_register"])
def test_whatever_failed_for_an_hour_is_made_good_within_seconds(world: World, fault: str) -> None:
    setattr(world, fault, False)
    if fault == "spawns":
        world.lose_server()
    for identity in list(world.children):
        world.do(world.end(identity, None))
    world.run(3_600 * S_NS)
    assert world.policy.idle == 0 and world.policy.trouble
    assert world.starts < 3_600 and len(world.words) < 4_000
    setattr(world, fault, True)
    world.run(30 * S_NS)
    assert world.living == world.policy.idle == 2
    assert world.policy.trouble == ""


def test_failures_are_told_once_and_tried_again_with_pauses(world: World) -> None:
    world.spawns = False
    world.lose_server()
    world.do(world.end("child-1", None))
    world.do(world.end("child-2", None))
    starts = world.starts
    world.run(60 * S_NS)
    attempts = world.starts - starts
    assert 60 * S_NS / MAX_PAUSE_NS <= attempts <= 20
    assert sum("cannot be started" in words for words in world.words) == 1


def test_a_fork_server_that_hangs_is_replaced(world: World) -> None:
    world.server_hangs = True
    world.take("child-1")
    world.run(4 * S_NS)
    assert world.server == "ready"
    world.server_hangs = False  # The next one does not.
    world.run(4 * S_NS)
    assert world.starts == 2 and world.living == world.policy.idle == 2


def test_a_fork_server_that_never_becomes_ready_is_replaced() -> None:
    world = World(server_hangs=True)
    world.begin()
    world.run(29 * S_NS)
    assert world.starts == 1
    world.server_hangs = False
    world.run(5 * S_NS)
    assert world.starts == 2 and world.living == 2


def test_a_machine_on_which_importing_takes_minutes_gets_its_children() -> None:
    world = World(import_ns=150 * S_NS)
    world.begin()
    world.run((30 + 60 + 120 + 150 + 5) * S_NS)
    assert world.starts == 4 and world.living == 2
    world.import_ns = 1 * S_NS
    world.lose_server()
    world.server_hangs = True
    world.do(world.end("child-1", None))
    world.run(29 * S_NS)
    starts = world.starts
    world.run(5 * S_NS)
    assert world.starts == starts + 1  # A server that was ready in time: the time is short again.


def test_children_that_freeze_are_killed_and_replaced(world: World) -> None:
    for child in world.children.values():
        child.frozen = True
    world.run(20 * S_NS)
    assert sorted(world.killed) == ["child-1", "child-2"]
    assert world.living == world.policy.idle == 2


def test_a_frozen_call_does_not_keep_its_place_for_ever(world: World) -> None:
    world.take("child-1")
    world.children["child-1"].frozen = True
    world.run(20 * S_NS)
    assert ("child-1", -9) in world.exited and world.policy.alive == 2


def test_a_host_that_was_stopped_itself_kills_nobody(world: World) -> None:
    world.take("child-1")
    world.stop_host(600 * S_NS)
    world.run(30 * S_NS)
    assert world.killed == [] and "child-1" in world.children


def test_children_of_an_earlier_host_are_adopted_before_any_is_forked() -> None:
    world = World(settle_ns=600 * MS_NS)
    world.begin()
    for name in ("old-1", "old-2"):
        world.adopt(name, Child())
    world.adopt("old-3", Child(idle=False))
    world.run(10 * S_NS)
    assert sorted(world.children) == ["old-1", "old-2", "old-3"]
    assert world.policy.adopted_total == 3 and world.policy.ordered_total == 0


def test_idle_children_of_other_settings_are_replaced_and_calls_go_on() -> None:
    world = World()
    world.begin()
    world.adopt("old-1", Child(fresh=False))
    world.adopt("old-2", Child(idle=False, fresh=False))
    world.run(5 * S_NS)
    assert sorted(world.children) == ["child-1", "child-2", "old-2"]
    assert ("old-1", 0) in world.exited


def test_adopted_calls_count_and_what_is_too_much_is_shed() -> None:
    world = World(PoolLimits(idle=2, most=3))
    world.begin()
    world.run(3 * S_NS)
    for index in range(4):
        world.adopt(f"old-{index}", Child(idle=False))
    world.run(3 * S_NS)
    assert world.policy.idle == 0 and world.policy.alive == 4
    assert all(not child.idle for child in world.children.values())
    for index in range(2):
        world.do(world.end(f"old-{index}", 0))
    world.run(3 * S_NS)
    assert world.policy.idle == 1 and world.policy.alive == 3


def test_work_that_arrives_while_a_child_is_told_to_retire_is_done(world: World) -> None:
    world.children["child-1"].idle = False  # It has got work that the host has not heard of.
    world.adopt("old-1", Child())
    world.run(20 * S_NS)
    assert "child-1" in world.children and world.killed == []
    assert world.policy.idle == 2


def test_a_child_that_could_not_retire_at_once_is_told_again(world: World) -> None:
    world.children["child-1"].frozen = True  # It looks at an offer that it will refuse.
    world.adopt("old-1", Child())
    world.run(2 * S_NS)
    world.children["child-1"].frozen = False
    world.run(4 * S_NS)
    assert "child-1" not in world.children and world.killed == []
    assert ("child-1", 0) in world.exited


def test_memory_over_the_limit_ends_a_child_once_and_by_force_if_need_be() -> None:
    world = World(PoolLimits(idle=1, most=3, memory_bytes=100 << 20))
    world.begin()
    world.run(2 * S_NS)
    world.take("child-1")
    world.children["child-1"].frozen = True
    assert world.policy.memory("child-1", 100 << 20, world.now_ns) == []
    for _ in range(3):
        world.do(world.policy.memory("child-1", 101 << 20, world.now_ns))
    assert world.policy.over_memory_total == 1
    assert world.words == [
        "child child-1 has 101 MiB of memory, over max_child_memory_mib = 100: it has to end"
    ]
    world.run(6 * S_NS)
    assert world.killed == ["child-1"] and ("child-1", -9) in world.exited


def test_a_memory_limit_that_no_child_keeps_to_is_told_and_does_not_fork_without_end() -> None:
    world = World(PoolLimits(idle=1, most=3, memory_bytes=20 << 20))
    world.begin()
    for _ in range(60):
        world.run(S_NS)
        for identity in list(world.children):
            world.do(world.policy.memory(identity, 50 << 20, world.now_ns))
    assert world.policy.ordered_total < 30
    assert "raise it" in world.policy.trouble
    assert sum("raise it" in words for words in world.words) <= 10


class Pool(RuleBasedStateMachine):
    """Anything fails at any time; then everything works again, and the pool is full."""

    @initialize(settles=st.booleans(), idle=st.integers(1, 3), most=st.integers(1, 5))
    def start(self, settles: bool, idle: int, most: int) -> None:
        self.wanted = min(idle, most)
        self.world = World(PoolLimits(idle, most), settle_ns=600 * MS_NS if settles else 0)
        self.world.begin()

    @rule(
        works=st.fixed_dictionaries(
            dict.fromkeys(
                ("spawns", "forks", "children_live", "children_register", "host_told"),
                st.booleans(),
            )
        ),
        hangs=st.booleans(),
    )
    def change(self, works: dict[str, bool], hangs: bool) -> None:
        vars(self.world).update(works, server_hangs=hangs)

    @rule(duration_ms=st.sampled_from((0, 1, 20, 40, 700, 1_000, 6_000, 40_000)))
    def wait(self, duration_ms: int) -> None:
        self.world.run(duration_ms * MS_NS)

    @rule()
    def lose_server(self) -> None:
        self.world.lose_server()

    @rule(number=st.integers(0, 9), idle=st.booleans(), fresh=st.booleans())
    def adopt(self, number: int, idle: bool, fresh: bool) -> None:
        if f"old-{number}" not in self.world.children:
            self.world.adopt(f"old-{number}", Child(idle, fresh))

    @precondition(lambda self: self.world.children)
    @rule(data=st.data(), what=st.sampled_from(("take", "kill", "end", "freeze", "thaw")))
    def treat(self, data: st.DataObject, what: str) -> None:
        world = self.world
        identity = data.draw(st.sampled_from(sorted(world.children)))
        if what == "take":
            world.take(identity)
        elif what in ("kill", "end"):
            world.do(world.end(identity, None if what == "kill" else 0))
        else:
            world.children[identity].frozen = what == "freeze"

    @rule(duration_s=st.integers(1, 100))
    def stop_host(self, duration_s: int) -> None:
        self.world.stop_host(duration_s * S_NS)

    @invariant()
    def comes_back(self) -> None:
        """Somebody looks again soon, whatever happened."""
        if hasattr(self, "world"):
            assert self.world.policy.next_timeout_ns() - self.world.now_ns <= 2 * S_NS

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        world.spawns = world.forks = world.children_live = True
        world.children_register = world.host_told = True
        world.server_hangs = False
        world.run(LONG_NS)
        busy = sum(not child.idle for child in world.children.values())
        wanted = max(0, min(self.wanted, world.limits.most - busy))
        assert world.living == world.policy.idle == wanted, world.words
        known = world.policy.identities()
        others = [child for name, child in world.children.items() if name not in known]
        assert world.policy.alive == len(world.children) - len(others)
        assert all(child.frozen for child in others)  # Nobody can know of those.


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
