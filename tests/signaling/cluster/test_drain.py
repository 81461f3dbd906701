"""The drain of a node: its rooms move, one voice each, and what cannot move stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.units import S_NS
from signaling.cluster.drain import (
    GIVE_NS,
    LIMIT_NS,
    LINGER_NS,
    MOST_AT_ONCE,
    PREPARE_NS,
    RETRY_NS,
    Abandon,
    Drain,
    DrainAction,
    Finished,
    Give,
    Prepare,
    Resume,
    Yield,
)
from signaling.cluster.drain import PAUSE_NS as LONGEST_NS

NOBODY: frozenset[str] = frozenset()


def begun(*rooms: str) -> tuple[Drain, list[DrainAction]]:
    drain = Drain()
    drain.begin(0)
    return drain, drain.rooms(rooms, 0)


def yielding(room: str = "home", target: str = "b") -> Drain:
    drain, actions = begun(room)
    assert actions == [Prepare(room, NOBODY)]
    assert drain.prepared(room, target, 1) == [Yield(room, LONGEST_NS, 1)]
    return drain


def test_a_room_moves_in_order_and_then_the_node_may_end() -> None:
    drain = yielding()
    assert drain.yielded("home", 1, owed=True, now_ns=2) == [Give("home", "b", owed=True)]
    assert drain.given("home", 3) == [] and drain.moved == 1 and not drain.left
    assert drain.next_timeout_ns() == 3 + LINGER_NS
    assert drain.tick(3 + LINGER_NS) == [Finished(())]
    assert drain.next_timeout_ns() is None and drain.tick(10**12) == []


def test_a_node_without_rooms_may_end_at_once() -> None:
    assert begun()[1] == [Finished(())]


def test_nothing_moves_before_somebody_asks() -> None:
    drain = Drain()
    assert drain.rooms(["home"], 0) == [] and drain.next_timeout_ns() is None


def test_few_rooms_move_at_once() -> None:
    rooms = [f"r{i}" for i in range(MOST_AT_ONCE + 2)]
    drain, actions = begun(*rooms)
    assert [action.room for action in actions if isinstance(action, Prepare)] == rooms[:-2]
    for room in rooms[:2]:
        drain.prepared(room, "b", 0)
    assert drain.tick(0) == []
    order = drain.prepared(rooms[2], "b", 0)
    assert order == [Yield(rooms[2], LONGEST_NS, 3)]
    drain.yielded(rooms[2], 3, owed=False, now_ns=0)
    assert drain.given(rooms[2], 0) == [Prepare(rooms[-2], NOBODY)]


def test_a_node_that_refuses_is_passed_over_and_all_are_asked_again_later() -> None:
    drain, _ = begun("home")
    assert drain.refused("home", "b", "full", 5) == [Prepare("home", frozenset({"b"}))]
    assert drain.refused("home", "", "no node has room", 5) == []
    assert "no node has room" in drain.left["home"]
    assert drain.next_timeout_ns() == 5 + RETRY_NS
    assert drain.tick(5 + RETRY_NS) == [Prepare("home", NOBODY)]


def test_a_node_that_does_not_answer_is_no_longer_waited_for_and_told_so_when_it_does() -> None:
    drain, _ = begun("home")
    assert drain.tick(PREPARE_NS) == []
    assert drain.prepared("home", "b", PREPARE_NS + 1) == [Abandon("home", "b")]


def test_a_link_that_does_not_leave_goes_on_and_the_other_node_is_told() -> None:
    drain = yielding()
    late_ns = drain.next_timeout_ns()
    assert late_ns is not None and late_ns > LONGEST_NS
    assert drain.tick(late_ns) == [Resume("home"), Abandon("home", "b")]
    again_ns = late_ns + RETRY_NS
    assert drain.tick(again_ns) == [Prepare("home", NOBODY)]
    assert drain.prepared("home", "c", again_ns) == [Yield("home", LONGEST_NS, 2)]
    assert drain.yielded("home", 1, owed=False, now_ns=again_ns) == [], "it talks again"
    assert drain.yielded("home", 2, owed=False, now_ns=again_ns) == [Give("home", "c", owed=False)]


def test_a_room_that_could_not_be_given_goes_on_here() -> None:
    drain = yielding()
    drain.yielded("home", 1, owed=False, now_ns=2)
    undone = drain.not_given("home", "NATS is away", 3)
    assert undone == [Resume("home"), Abandon("home", "b")]
    assert drain.tick(3 + RETRY_NS) == [Prepare("home", NOBODY)]


def test_nobody_talks_while_it_is_not_known_whose_the_room_is() -> None:
    drain = yielding()
    drain.yielded("home", 1, owed=False, now_ns=0)
    assert drain.tick(GIVE_NS) == [] and drain.rooms((), GIVE_NS) == []
    assert drain.tick(LIMIT_NS) == [Finished(())]


def test_a_room_that_ends_by_itself_is_not_waited_for() -> None:
    drain = yielding()
    assert drain.rooms((), 1) == [Resume("home"), Abandon("home", "b"), Finished(())]


def test_while_a_node_has_lost_its_lease_its_drain_goes_on() -> None:
    drain = Drain()
    drain.begin(0)
    assert drain.rooms((), 0, {"home"}) == [] and drain.next_timeout_ns() == LIMIT_NS
    assert drain.tick(S_NS) == [], "people are there"
    assert drain.rooms(("home",), S_NS) == [Prepare("home", NOBODY)]
    drain.prepared("home", "b", S_NS)
    assert drain.rooms((), 2 * S_NS, {"home"}) == []
    assert drain.yielded("home", 1, owed=False, now_ns=2 * S_NS) == [Give("home", "b", owed=False)]
    drain.given("home", 2 * S_NS)
    assert drain.tick(2 * S_NS + LINGER_NS) == []
    late = drain.rooms(("home",), 3 * S_NS + LINGER_NS)
    assert late == [Resume("home"), Prepare("home", NOBODY)], "it was not given after all"
    assert Drain().rooms((), 0, {"home"}) == []


def test_what_is_unsure_is_no_longer_waited_for_when_the_time_is_up() -> None:
    drain = Drain()
    drain.begin(0)
    drain.rooms(("other",), 0, {"home", "den"})
    drain.rooms((), 1, {"home", "den", "other"})
    assert drain.tick(LIMIT_NS) == [Finished(("other", "den", "home"))]


def test_a_room_that_seemed_to_be_given_goes_on_where_it_is() -> None:
    """Its record was not written: the lease had run out, and holds again."""
    drain, _ = begun("home", "other")
    drain.prepared("home", "b", 1)
    drain.yielded("home", 1, owed=False, now_ns=2)
    drain.given("home", 3)
    assert drain.rooms(("home", "other"), 4) == [Resume("home"), Prepare("home", NOBODY)]
    assert drain.rooms(("home", "other"), 5) == []


def test_what_cannot_move_stays_when_the_time_is_up() -> None:
    drain, _ = begun("home", "away")
    drain.prepared("home", "b", 0)
    drain.refused("away", "", "no node has room", 0)
    assert drain.tick(LIMIT_NS - 1)[:2] == [Resume("home"), Abandon("home", "b")]
    drain, _ = begun("home")
    drain.prepared("home", "b", LIMIT_NS - 2)
    stopped = [Resume("home"), Abandon("home", "b"), Finished(("home",))]
    assert drain.tick(LIMIT_NS) == stopped


def test_the_nearer_of_two_limits_counts() -> None:
    drain, _ = begun("home")
    drain.begin(0, S_NS)
    drain.begin(0)
    assert drain.tick(S_NS) == [Finished(("home",))]


class World:
    """One room, its link here, and the links that other nodes have prepared; messages are late."""

    def __init__(self) -> None:
        self.drain = Drain()
        self.now_ns = 0
        self.talks_here = True
        self.granted: set[str] = set()
        self.post: list[DrainAction | tuple[str, int]] = []
        """Under way to whoever carries it out, and the link's answers."""
        self.finished: Finished | None = None
        self.drain.begin(0)
        self.do(self.drain.rooms(["home"], 0))

    def do(self, actions: list[DrainAction]) -> None:
        for action in actions:
            if isinstance(action, Finished):
                self.finished = action
            else:
                self.post.append(action)

    def carry(self, index: int, outcome: int) -> None:
        """Something under way arrives; to the link in order, and from it in order."""
        action = self.post[index % len(self.post)]
        for way in ((Yield, Resume), (tuple,)):
            if isinstance(action, way):
                action = next(a for a in self.post if isinstance(a, way))
        self.post.remove(action)
        drain, now_ns = self.drain, self.now_ns
        match action:
            case Prepare("home", avoid):
                free = [node for node in ("b", "c") if node not in avoid]
                if not free:
                    self.do(drain.refused("home", "", "none", now_ns))
                elif outcome % 3:
                    self.do(drain.prepared("home", free[0], now_ns))
                else:
                    self.do(drain.refused("home", free[0], "full", now_ns))
            case Yield(_, _, order):
                if outcome % 4:  # Else no pause comes.
                    self.talks_here = False
                    self.post.append(("yielded", order))
            case ("yielded", order):
                self.do(drain.yielded("home", int(order), owed=False, now_ns=now_ns))
            case Resume():
                self.talks_here = True
            case Give(_, target):
                if outcome % 3:
                    self.granted.add(target)
                    self.do(drain.given("home", now_ns))
                else:
                    self.do(drain.not_given("home", "away", now_ns))
        assert self.talks_here + len(self.granted) <= 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 11), st.booleans()), max_size=120))
def test_a_room_never_has_two_voices_and_never_none_for_good(
    steps: list[tuple[int, int, bool]],
) -> None:
    world = World()
    for index, outcome, waits in steps:
        if world.post and not waits:
            world.carry(index, outcome)
        else:
            due_ns = world.drain.next_timeout_ns()
            world.now_ns = max(world.now_ns, due_ns if due_ns is not None else world.now_ns)
            world.do(world.drain.tick(world.now_ns))
    for _ in range(1_000):
        if world.post:
            world.carry(0, 1)
        elif (due_ns := world.drain.next_timeout_ns()) is not None:
            world.now_ns = max(world.now_ns, due_ns)
            world.do(world.drain.tick(world.now_ns))
    assert world.finished is not None and world.talks_here + len(world.granted) == 1
