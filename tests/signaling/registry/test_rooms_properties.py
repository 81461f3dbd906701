"""The registry's rules under any order of events.

The world itself asserts at each action that no child is given work twice, no room has two links,
no stream is used twice and no request is answered twice.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mixer_core.runtime.units import MS_NS
from signaling.registry.load import LoadPolicy
from signaling.registry.load_meter import Load
from tests.signaling.worlds import FakeChild, World
from tests.support.tables import examples

MAX_PARTICIPANTS = 3
MAX_ROOMS = 2
picks = st.integers(0, 1_000)


class RegistryMachine(RuleBasedStateMachine):
    """Browsers, children, deaths, restarts, time."""

    def __init__(self) -> None:
        super().__init__()
        self.load = LoadPolicy()
        self.world = World(
            self.load,
            max_places_per_client=2,
            max_participants=MAX_PARTICIPANTS,
            max_rooms=MAX_ROOMS,
            max_pending_per_client=2,
            rebuild_ns=1_500 * MS_NS,
        )
        self.world.advance(1_500)
        self.restarted = False

    def pick(self, number: int, kind: str = "") -> FakeChild | None:
        """Some child that is not hung."""
        alive = [c for c in self.world.children.values() if not c.hung and kind in ("", c.kind)]
        return alive[number % len(alive)] if alive else None

    @rule(kind=st.sampled_from(["worker", "worker", "link"]))
    def a_child_appears(self, kind: str) -> None:
        self.world.now_ns += 1
        self.world.add(kind)

    @rule(
        room=st.sampled_from(["a", "b", "c"]),
        mode=st.sampled_from([None, "conference"]),
        client=st.sampled_from(["", "10.0.0.1", "10.0.0.2"]),
        keep=st.booleans(),
    )
    def somebody_joins(self, room: str, mode: str | None, client: str, keep: bool) -> None:
        tickets = [r.extra["ticket"] for r in self.world.replies if getattr(r, "extra", None)]
        ticket = tickets[-1] if keep and tickets else ""
        self.world.join(room, mode=mode, client=client, ticket=ticket)

    @rule(number=picks)
    def somebody_is_removed(self, number: int) -> None:
        rooms = self.world.registry.rooms()
        if rooms:
            room = rooms[number % len(rooms)]
            person = room.participants[number % len(room.participants)]
            self.world.remove(person.participant, room.room)

    @rule(number=picks, refuse=st.booleans())
    def a_child_reads(self, number: int, refuse: bool) -> None:
        if child := self.pick(number):
            self.world.act(child, refuse)

    @rule(number=picks)
    def a_child_connects(self, number: int) -> None:
        if child := self.pick(number):
            self.world.connect(child)

    @rule(number=picks)
    def a_child_dies(self, number: int) -> None:
        if child := self.pick(number):
            self.world.exit(child, -9)

    @rule(number=picks)
    def a_child_hangs(self, number: int) -> None:
        if child := self.pick(number):
            child.hung = True

    @rule(number=picks)
    def a_child_vanishes_without_a_word(self, number: int) -> None:
        if child := self.pick(number):
            del self.world.children[child.identity]

    @rule(ms=st.sampled_from([1, 100, 1_000, 1_500, 3_000, 6_000]))
    def time_passes(self, ms: int) -> None:
        self.world.advance(ms)

    @rule(ratio=st.sampled_from([0.0, 0.8, 0.95, 1.5]))
    def the_load_is_measured(self, ratio: float) -> None:
        load = Load({"waiting": ratio}, own_cores=0.1, busy=min(ratio, 1.0))
        self.load.measured(load, len(self.world.people()), self.world.now_ns)

    @rule()
    def signaling_restarts(self) -> None:
        self.world.settle()
        self.world.restart()
        self.restarted = True
        self.world.advance(0)

    @invariant()
    def limits_hold(self) -> None:
        counts = self.world.registry.counts()
        if not self.restarted:
            assert counts["participants"] <= MAX_PARTICIPANTS
            assert counts["rooms"] <= MAX_ROOMS
        people = self.world.people()
        assert len(people) == len(set(people)) == counts["participants"]

    def teardown(self) -> None:
        world = self.world
        world.advance(1_000)
        for child in list(world.children.values()):
            world.exit(child)
        world.advance(6_000)
        assert not any(world.registry.counts().values()), world.registry.counts()
        assert world.registry.rooms() == []
        assert world.registry.next_timeout_ns(world.now_ns) is None
        for request in range(1, world.asked + 1):
            assert len(world.replies_to(request)) == 1, f"request {request} has no answer"


TestRegistry = RegistryMachine.TestCase
TestRegistry.settings = settings(max_examples=examples(200), stateful_step_count=40, deadline=None)
