"""No two nodes own a room, in any order of events.

The bucket answers when it likes, with states that were, or not at all; what was written without an
answer is done at once, later, or never. Leases end and begin; that one has ended becomes known at
some time after it. The world itself asserts that no epoch has two owners, and that no question is
answered twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mixer_core.runtime.units import S_NS
from signaling.cluster.owner_actions import Announce, Claim, Give, Release, Where, Wish, Write
from tests.signaling.cluster.owner_world import Node, World
from tests.support.tables import examples

NODES = "ab"
ROOM = "kitchen"
names = st.sampled_from(NODES)
picks = st.integers(0, 3)
wishes: st.SearchStrategy[Wish] = st.one_of(
    st.just(Where()),
    st.builds(Claim, avoid=st.frozensets(names, max_size=1), here=st.booleans()),
    st.builds(Give, names),
    st.builds(Announce, st.sampled_from(["", "b"])),
    st.just(Release()),
)


class OwnersMachine(RuleBasedStateMachine):
    """Questions, answers, lapses."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(NODES)
        self.requests = 0
        self.asked: dict[int, str] = {}

    def waits(self, name: str) -> Node | None:
        """The node, if it waits for an answer."""
        node = self.world.node(name)
        return node if node.pending else None

    @rule(name=names, wish=wishes)
    def a_question(self, name: str, wish: Wish) -> None:
        if isinstance(wish, Give) and wish.target == name:
            return
        self.requests += 1
        self.asked[self.requests] = name
        self.world.node(name).ask(self.requests, ROOM, wish)

    @rule(unix_s=st.integers(0, 50))
    def the_clocks_are_set(self, unix_s: int) -> None:
        self.world.unix_s = unix_s

    @rule(other=names, is_asked=st.booleans())
    def the_owner_gives_it_away(self, other: str, is_asked: bool) -> None:
        for name in self.world.owners_of(ROOM):
            self.a_question(name, Give(other))
        if is_asked:
            self.a_question(other, Claim(here=True))

    @rule(name=names)
    def the_bucket_acts(self, name: str) -> None:
        if node := self.waits(name):
            node.carry_out(node.pending[0])

    @rule(name=names)
    def all_answers(self, name: str) -> None:
        self.world.node(name).answer_all()

    @rule(name=names, is_seen=st.booleans())
    def others_see_it_or_not(self, name: str, is_seen: bool) -> None:
        (self.world.unseen.discard if is_seen else self.world.unseen.add)(name)

    @rule(name=names)
    def somebody_is_there(self, name: str) -> None:
        self.world.node(name).people.add(ROOM)

    @rule(name=names, s=st.sampled_from([0, 1, 40, 30_000]), everybody_leaves=st.booleans())
    def time_goes_by(self, name: str, s: int, everybody_leaves: bool) -> None:
        self.world.now_ns += s * S_NS
        if everybody_leaves:
            self.world.node(name).people.clear()
        self.world.node(name).look()

    @rule(name=names, age=st.sampled_from([0, 0, 0, 1, 2]))
    def an_answer(self, name: str, age: int) -> None:
        if node := self.waits(name):
            node.answer(0, age)

    @rule(name=names, is_done=st.booleans(), is_late=st.booleans())
    def no_answer(self, name: str, is_done: bool, is_late: bool) -> None:
        if node := self.waits(name):
            node.fail(0, is_done=is_done, is_late=is_late)

    @rule(number=picks)
    def a_write_arrives_late(self, number: int) -> None:
        late = self.world.late
        if late:
            self.world.bucket.write(late.pop(number % len(late)))

    @rule(name=names)
    def a_lease_ends(self, name: str) -> None:
        if self.world.node(name).incarnation:
            self.world.node(name).end()

    @rule(name=names)
    def a_lease_runs_out(self, name: str) -> None:
        if self.world.node(name).incarnation:
            self.world.node(name).pause()

    @rule(name=names)
    def it_holds_again(self, name: str) -> None:
        node = self.world.node(name)
        if node.paused and node.paused not in self.world.found_lost:
            node.resume()

    @rule(name=names, is_new_process=st.booleans())
    def a_lease_begins(self, name: str, is_new_process: bool) -> None:
        node = self.world.node(name)
        if node.incarnation:
            return
        if is_new_process:
            writes = [a for a in node.pending if isinstance(a, Write) and id(a) not in node.results]
            self.world.late += writes
            node.results.clear()
            self.asked = {number: asked for number, asked in self.asked.items() if asked != name}
            node.pending.clear()
            node.__post_init__()
        node.begin()

    @rule(name=names)
    def its_end_is_known(self, name: str) -> None:
        node = self.world.node(name)
        ended = node.lives if not node.incarnation else node.lives - 1
        self.world.found_lost.update(f"{name}{life}" for life in range(1, ended + 1))

    @invariant()
    def one_owner(self) -> None:
        assert len(self.world.owners_of(ROOM)) <= 1

    @invariant()
    def one_thing_at_a_time(self) -> None:
        assert all(len(node.pending) <= 1 for node in self.world.nodes)

    def teardown(self) -> None:
        """Once everything answers, everybody is answered, and rooms with people have an owner."""
        world = self.world
        for write in world.late:
            world.bucket.write(write)
        world.settle()
        world.unseen.clear()
        for node in world.nodes:
            if not node.incarnation:
                node.begin()
        world.found_lost.update(f"{n.name}{life}" for n in world.nodes for life in range(n.lives))
        for _ in range(2):
            for node in world.nodes:
                node.look()
                world.settle()
        for request, name in self.asked.items():
            assert request in world.node(name).replies, "nobody has answered"
        there = [node.name for node in world.nodes if ROOM in node.people]
        assert there in ([], world.owners_of(ROOM))


OwnersMachine.TestCase.settings = settings(
    max_examples=examples(50), stateful_step_count=60, deadline=None
)
TestOwners = OwnersMachine.TestCase


def walk(seed: int, steps: int = 80) -> None:
    """A run of the same machine in which rooms are mostly taken, given, and lost."""
    rng = random.Random(seed)
    machine = OwnersMachine()

    def name() -> str:
        return rng.choice(NODES)

    def is_so() -> bool:
        return rng.random() < 0.5

    moves: list[tuple[float, Callable[[], None]]] = [
        (3, lambda: machine.a_question(name(), Claim(here=is_so()))),
        (1, lambda: machine.a_question(name(), rng.choice([Where(), Release(), Announce("b")]))),
        (2, lambda: machine.the_owner_gives_it_away(name(), is_so())),
        (4, lambda: machine.all_answers(name())),
        (3, lambda: machine.an_answer(name(), rng.choice([0, 0, 1]))),
        (3, lambda: machine.the_bucket_acts(name())),
        (1, lambda: machine.no_answer(name(), is_so(), is_so())),
        (1, lambda: machine.a_write_arrives_late(rng.randrange(3))),
        (2, lambda: machine.a_lease_ends(name())),
        (1, lambda: machine.a_lease_runs_out(name())),
        (1, lambda: machine.it_holds_again(name())),
        (1, lambda: machine.a_lease_begins(name(), is_so())),
        (2, lambda: machine.its_end_is_known(name())),
        (1, lambda: machine.others_see_it_or_not(name(), is_so())),
        (1, lambda: machine.somebody_is_there(name())),
        (2, lambda: machine.time_goes_by(name(), rng.choice([0, 1, 40]), is_so())),
    ]
    weights, deeds = zip(*moves, strict=True)
    for deed in rng.choices(deeds, weights, k=steps):
        deed()
        machine.one_owner()
        machine.one_thing_at_a_time()
    machine.teardown()


@settings(max_examples=examples(1_000), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_walk_ends_with_two_owners(seed: int) -> None:
    walk(seed)
