"""Where rooms go: by what nodes report, and by what was placed since."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.cluster.placement import (
    MOST_NS,
    REPORT_NS,
    ROOM_PEOPLE,
    STALE_NS,
    Board,
    NoNode,
    Placement,
)
from mixer_core.cluster.records import NodeRecord
from mixer_core.runtime.units import S_NS


def record(node: str, **values: object) -> NodeRecord:
    made = NodeRecord(node=node, incarnation="1", capacity=20)
    return replace(made, **values)  # type: ignore[arg-type]


def board_of(*records: NodeRecord, now_ns: int = 0) -> Board:
    board = Board()
    for each in records:
        board.reported(each, now_ns)
    return board


def numbers(seed: int = 1) -> Callable[[], int]:
    rng = random.Random(seed)
    return lambda: rng.getrandbits(32)


def test_the_emptier_of_two_nodes_gets_the_room() -> None:
    board = board_of(record("a", sessions=9), record("b", sessions=3))
    assert Placement(board).choose(numbers(), 0) == "b"


def test_people_count_in_proportion_to_what_the_node_bears() -> None:
    board = board_of(record("a", sessions=9, capacity=100), record("b", sessions=3, capacity=10))
    assert Placement(board).choose(numbers(), 0) == "a"


def test_measured_load_counts_where_it_says_more_than_people() -> None:
    board = board_of(record("a", sessions=1, load=0.9), record("b", sessions=10, load=0.2))
    assert Placement(board).choose(numbers(), 0) == "b"


def test_of_equal_nodes_the_one_that_places_keeps_the_room() -> None:
    board = board_of(record("a"), record("b"))
    assert {Placement(board, "b").choose(numbers(seed), 0) for seed in range(20)} == {"b"}


def test_full_draining_and_empty_nodes_get_nothing() -> None:
    board = board_of(
        record("full", sessions=20),
        record("loaded", load=1.0),
        record("drains", draining=True),
        record("none", capacity=0),
        record("free", sessions=19),
    )
    assert {Placement(board).choose(numbers(seed), 0) for seed in range(50)} == {"free"}
    board.reported(record("free", sessions=20), 0)
    found = Placement(board).choose(numbers(), 0)
    assert isinstance(found, NoNode) and "full" in found.why and found.retry_after_s > 0


def test_a_room_that_needs_labels_goes_where_all_of_them_are() -> None:
    others = [record(f"n{number}") for number in range(100)]
    board = board_of(*others, record("gpu", labels=("gpu", "eu"), sessions=19))
    placement = Placement(board)
    for seed in range(20):
        assert placement.choose(numbers(seed), 0, needs={"gpu"}) == "gpu"
    found = placement.choose(numbers(), 0, needs={"gpu", "us"})
    assert isinstance(found, NoNode) and "gpu, us" in found.why


def test_a_node_that_has_refused_is_passed_over() -> None:
    board = board_of(record("a"), record("b", sessions=19))
    placement = Placement(board)
    assert placement.choose(numbers(), 0, avoid={"a"}) == "b"
    found = placement.choose(numbers(), 0, avoid={"a", "b"})
    assert isinstance(found, NoNode) and "refused" in found.why


def test_a_node_that_has_not_reported_lately_gets_nothing() -> None:
    board = board_of(record("a"), record("b", sessions=19))
    board.reported(record("b", sessions=19), S_NS)
    placement = Placement(board)
    assert placement.choose(numbers(), STALE_NS) == "a"
    assert placement.choose(numbers(), STALE_NS + 1) == "b"


def test_a_cluster_that_only_drains_says_so() -> None:
    found = Placement(board_of(record("a", draining=True))).choose(numbers(), 0)
    assert isinstance(found, NoNode) and "takes rooms" in found.why


def test_a_node_that_is_gone_gets_nothing_and_a_drain_that_was_taken_back_gets_rooms() -> None:
    board = board_of(record("a"), record("b", sessions=10))
    board.gone("a")
    assert len(board) == 1 and board.get("a") is None
    assert Placement(board).choose(numbers(), 0) == "b"
    board.gone("a")
    board.reported(record("a", draining=True), 0)
    board.reported(record("a"), 0)
    assert Placement(board).choose(numbers(), 0) == "a"


def test_what_was_placed_counts_until_a_report_can_contain_it() -> None:
    board = board_of(record("a"))
    placement = Placement(board)
    placement.placed("a", S_NS)
    placement.placed("a", 2 * S_NS)
    assert placement.expected("a", 2 * S_NS) == 2 * ROOM_PEOPLE
    board.reported(record("a"), S_NS + REPORT_NS - 1)
    assert placement.expected("a", 3 * S_NS) == 2 * ROOM_PEOPLE
    board.reported(record("a"), S_NS + REPORT_NS)
    assert placement.expected("a", 3 * S_NS) == ROOM_PEOPLE
    board.reported(record("a"), 2 * S_NS + REPORT_NS)
    assert placement.expected("a", 4 * S_NS) == 0


def test_what_was_placed_is_not_held_against_a_silent_node_for_ever() -> None:
    placement = Placement(board_of(record("a")))
    placement.placed("a", S_NS)
    assert placement.expected("a", S_NS + MOST_NS - 1) == ROOM_PEOPLE
    assert placement.expected("a", S_NS + MOST_NS) == 0


def test_rooms_that_are_placed_before_any_report_spread() -> None:
    """All 200 within one second, through three nodes that know only what they have done."""
    board = board_of(*(record(node, capacity=500) for node in "abc"))
    rng = random.Random(4)
    nodes = [Placement(board, node) for node in "abc"]
    counts: Counter[str] = Counter()
    for room in range(200):
        placing = nodes[room % 3]
        found = placing.choose(lambda: rng.getrandbits(32), room)
        assert isinstance(found, str)
        placing.placed(found, room)
        counts[found] += 1
    assert max(counts.values()) - min(counts.values()) <= 6, counts


reports = st.builds(
    record,
    st.sampled_from("abcdef"),
    sessions=st.integers(0, 25),
    load=st.floats(0, 1.5),
    capacity=st.sampled_from([0, 1, 20, 100]),
    draining=st.booleans(),
    labels=st.sets(st.sampled_from(["gpu", "eu"])).map(tuple),
)


@given(
    events=st.lists(st.one_of(reports, st.sampled_from("abcdef")), max_size=30),
    placed=st.lists(st.sampled_from("abcdef"), max_size=10),
    needs=st.sets(st.sampled_from(["gpu", "eu"])),
    avoid=st.sets(st.sampled_from("abcdef"), max_size=2),
    seed=st.integers(0, 1_000),
)
def test_a_room_goes_only_where_it_may_and_always_where_it_can(
    events: list[NodeRecord | str],
    placed: list[str],
    needs: set[str],
    avoid: set[str],
    seed: int,
) -> None:
    board, alive = Board(), dict[str, NodeRecord]()
    for event in events:
        if isinstance(event, str):
            board.gone(event)
            alive.pop(event, None)
        else:
            board.reported(event, 0)
            alive[event.node] = event
    placement = Placement(board)
    for node in placed:
        placement.placed(node, 1)
    usable = {
        node
        for node, each in alive.items()
        if not each.draining
        and node not in avoid
        and needs <= set(each.labels)
        and max(each.sessions, each.load * each.capacity) + ROOM_PEOPLE * placed.count(node) + 1
        <= each.capacity
    }
    found = placement.choose(numbers(seed), 2, needs=needs, avoid=avoid)
    if usable:
        assert found in usable
    else:
        assert isinstance(found, NoNode)
    assert set(board.open()) == {n for n, r in alive.items() if not r.draining and r.capacity}
    assert len(board.open()) == len(set(board.open()))


@given(fills=st.lists(st.integers(0, 100), min_size=2, max_size=8), seed=st.integers(0, 10_000))
def test_the_fullest_node_never_gets_a_room(fills: list[int], seed: int) -> None:
    """Of two that are drawn the fuller one loses, so the fullest of all does each time."""
    most = max(fills)
    names = [f"n{number}" for number in range(len(fills))]
    board = board_of(
        *(
            record(node, sessions=fill, capacity=200)
            for node, fill in zip(names, fills, strict=True)
        )
    )
    if fills.count(most) > 1:
        return
    assert Placement(board).choose(numbers(seed), 0) != names[fills.index(most)]
