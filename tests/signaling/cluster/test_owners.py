"""Who owns a room: placed, taken, given, released, lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_core.cluster.records import RoomRecord, decode_record, encode_record
from mixer_core.runtime.units import S_NS
from signaling.cluster.owner_actions import (
    Announce,
    Claim,
    Give,
    Here,
    Lose,
    Nobody,
    Own,
    Release,
    There,
    Where,
    Write,
)
from signaling.cluster.owners import KEEP_S, LINGER_NS, MAX_WAITING, REFRESH_NS
from tests.openai_link.transcript.journal_writer import item
from tests.openai_link.transcript.stream_world import Process, Stream, on
from tests.signaling.cluster.owner_world import World


@pytest.fixture
def world() -> World:
    return World()


def owned(world: World, name: str = "a", room: str = "kitchen") -> None:
    """``name`` owns a room in which somebody is."""
    node = world.node(name)
    node.ask(0, room, Claim(here=True))
    node.answer_all()
    assert node.replies.pop(0) == Here(1)
    node.people.add(room)


def test_a_room_of_nobody_is_nobodys(world: World) -> None:
    a = world.node("a")
    assert a.ask(1, "kitchen", Where()) is None, "it has to be read"
    a.answer_all()
    assert a.replies[1] == Nobody()
    assert world.record("kitchen") is None


def test_a_room_that_is_placed_here_is_owned_after_one_write(world: World) -> None:
    a = world.node("a")
    a.ask(1, "kitchen", Claim(here=True))
    a.answer()
    assert a.owners.held() == {}
    a.answer()
    assert a.replies[1] == Here(1) and a.told == [Own("kitchen", 1)]
    assert a.owners.held() == {"kitchen": 1}
    assert a.ask(2, "kitchen", Claim()) == a.ask(3, "kitchen", Where()) == Here(1)
    assert not a.pending, "what is owned is known without the bucket"


def test_a_room_that_is_placed_elsewhere_is_owned_when_that_node_has_taken_it(world: World) -> None:
    a, b = world.node("a"), world.node("b")
    a.ask(1, "kitchen", Claim(avoid=frozenset("ac")))
    a.answer_all()
    assert a.replies[1] == There("b") and world.owners_of("kitchen") == []
    assert world.record("kitchen") == RoomRecord(room="kitchen", node="b", epoch=1)
    b.ask(1, "kitchen", Claim(here=True))
    b.answer_all()
    assert b.replies[1] == Here(1) and b.owners.held() == {"kitchen": 1}
    a.ask(2, "kitchen", Where())
    a.answer_all()
    assert a.replies[2] == There("b")


def test_two_who_place_a_room_at_once_agree(world: World) -> None:
    a, b = world.node("a"), world.node("b")
    for node in (a, b):
        node.ask(1, "kitchen", Claim(here=True))
        node.answer()  # Both have read that it is nobody's.
    world.settle()
    assert (a.replies[1], b.replies[1]) == (Here(1), There("a"))


def test_questions_about_one_room_share_a_read_and_a_write(world: World) -> None:
    a = world.node("a")
    for request in range(10):
        a.ask(request, "kitchen", Claim(here=True))
    assert len(a.pending) == 1
    world.settle()
    assert set(a.replies.values()) == {Here(1)} and world.bucket.revision == 1


def test_too_many_questions_about_one_room_are_refused(world: World) -> None:
    a = world.node("a")
    for request in range(MAX_WAITING + 1):
        a.ask(request, "kitchen", Where())
    refused = a.replies.pop(MAX_WAITING)
    assert isinstance(refused, Nobody) and refused.why and refused.retry_after_s
    a.answer_all()
    assert len(a.replies) == MAX_WAITING


def test_a_node_that_refuses_lets_go_and_the_next_one_is_chosen(world: World) -> None:
    a, b = world.node("a"), world.node("b")
    a.ask(1, "kitchen", Claim(avoid=frozenset("ac")))
    a.answer_all()
    b.ask(1, "kitchen", Claim(here=True))
    b.ask(2, "kitchen", Release())
    b.answer_all()
    assert b.owners.held() == {} and b.replies[2] == Nobody()
    a.ask(2, "kitchen", Claim(avoid=frozenset("bc")))
    a.answer_all()
    assert a.replies[2] == Here(2), "the epoch goes on"


def test_a_node_that_refuses_and_keeps_the_room_is_not_asked_again(world: World) -> None:
    owned(world, "b")
    a = world.node("a")
    a.ask(1, "kitchen", Claim(avoid=frozenset("b")))
    a.answer_all()
    found = a.replies[1]
    assert isinstance(found, Nobody) and "full" in found.why and found.retry_after_s


def test_a_placement_is_void_when_its_node_is_gone_or_has_refused(world: World) -> None:
    a = world.node("a")
    a.ask(1, "kitchen", Claim(avoid=frozenset("ac")))
    a.answer_all()
    a.ask(2, "kitchen", Claim(avoid=frozenset("ab")))
    a.answer_all()
    assert a.replies[2] == There("c")
    world.node("c").end()
    a.ask(3, "kitchen", Claim(avoid=frozenset("b")))
    a.answer_all()
    assert a.replies[3] == Here(3)


def test_the_room_of_a_lost_node_goes_to_who_is_asked_for_it(world: World) -> None:
    owned(world, "b")
    a, b, c = world.nodes
    b.incarnation = ""  # It does not know yet.
    for name, request in (("a", 1), ("c", 1)):
        world.node(name).ask(request, "kitchen", Claim(here=True))
    world.settle()
    assert a.replies[1] == c.replies[1] == There("b"), "its lease may still be held"
    world.found_lost.add("b1")
    b.end()
    for node in (a, c):
        node.ask(2, "kitchen", Claim(here=True))
    world.settle()
    assert (a.replies[2], c.replies[2]) == (Here(2), There("a"))
    b.begin()
    b.look()
    world.settle()
    assert b.told[-1] == Lose("kitchen", b.told[-1].why)  # type: ignore[union-attr]
    assert world.owners_of("kitchen") == ["a"]


def test_a_look_at_a_room_of_a_lost_node_finds_nobody(world: World) -> None:
    owned(world, "b")
    world.node("b").end()
    world.found_lost.add("b1")
    a = world.node("a")
    a.ask(1, "kitchen", Where())
    a.answer_all()
    assert a.replies[1] == Nobody()


def test_after_a_lapse_a_room_is_owned_again_only_when_it_is_written(world: World) -> None:
    owned(world)
    a = world.node("a")
    a.end()
    assert a.owners.held() == {}
    found = a.ask(1, "kitchen", Claim())
    assert isinstance(found, Nobody) and found.why and found.retry_after_s
    a.look()
    assert not a.pending, "nothing can be claimed without a lease"
    a.begin()
    a.look()
    a.answer()
    assert a.owners.held() == {}
    a.answer()
    assert a.owners.held() == {"kitchen": 2} and a.told[-1] == Own("kitchen", 2)


def test_a_restarted_node_claims_the_rooms_that_it_finds(world: World) -> None:
    owned(world)
    a = world.node("a")
    a.__post_init__()  # A new process.
    a.begin()
    a.look()
    a.answer_all()
    assert a.owners.held() == {"kitchen": 2}


def test_a_takeover_that_is_under_way_and_a_claim_after_a_lapse_do_not_both_win(
    world: World,
) -> None:
    for first in ("a", "b"):
        room = f"room-{first}"
        owned(world, "a", room)
        a, b = world.node("a"), world.node("b")
        world.found_lost.add(a.incarnation)
        a.end()
        b.ask(1, room, Claim(here=True))
        b.answer()  # It has read, and writes.
        a.begin()
        a.look()
        a.answer()
        for name in (first, *{"a", "b"} - {first}):
            world.node(name).answer_all()
        assert world.owners_of(room) == [first]
        b.replies.clear()


def test_who_cannot_be_judged_yet_keeps_its_room_and_nobody_is_sent_away(world: World) -> None:
    owned(world, "b")
    a, b = world.node("a"), world.node("b")
    a.people.add("kitchen")
    b.end()  # Nobody knows for how long.
    a.look()
    a.answer_all()
    assert a.told == [] and a.people == {"kitchen"}
    world.found_lost.add("b1")
    a.look()
    a.answer_all()
    assert a.owners.held() == {"kitchen": 2}


def test_a_room_that_is_given_is_gone_before_the_write_is_sent(world: World) -> None:
    owned(world)
    a, b = world.node("a"), world.node("b")
    a.ask(1, "kitchen", Give("b"))
    assert a.owners.held() == {} and len(a.pending) == 1
    a.answer()
    assert a.replies[1] == There("b") and isinstance(a.told[-1], Lose)
    assert world.owners_of("kitchen") == []
    b.ask(1, "kitchen", Claim(here=True))
    b.answer_all()
    assert b.replies[1] == Here(2) and world.owners_of("kitchen") == ["b"]


@pytest.mark.parametrize("is_done", [False, True])
def test_a_room_is_given_away_even_if_nobody_says_so(world: World, is_done: bool) -> None:
    owned(world)
    a, b = world.node("a"), world.node("b")
    a.ask(1, "kitchen", Give("b"))
    a.fail(is_done=is_done, is_late=not is_done)
    assert isinstance(a.replies[1], Nobody) and isinstance(a.told[-1], Lose)
    b.ask(1, "kitchen", Claim(here=True))
    b.answer_all()
    assert b.replies[1] == (Here(2) if is_done else There("a"))
    if not is_done:  # They come back here; then the write arrives.
        a.ask(2, "kitchen", Claim())
        a.answer_all()
        assert a.replies[2] == Here(2)
        assert world.bucket.write(world.late[0]) is None


def test_a_room_that_will_be_given_says_so_in_its_record(world: World) -> None:
    owned(world)
    a = world.node("a")
    a.ask(1, "kitchen", Announce("b"))
    a.answer_all()
    assert a.replies[1] == Here(1) and world.record("kitchen").next == "b"  # type: ignore[union-attr]
    revision = world.bucket.revision
    assert a.ask(2, "kitchen", Announce("b")) == Here(1)
    a.ask(3, "kitchen", Announce(""))
    a.answer_all()
    assert world.record("kitchen").next == ""  # type: ignore[union-attr]
    assert world.bucket.revision == revision + 1


def test_what_is_not_owned_is_not_given(world: World) -> None:
    owned(world, "b")
    a = world.node("a")
    a.ask(1, "kitchen", Give("c"))
    a.ask(2, "hall", Give("c"))
    a.answer_all()
    assert (a.replies[1], a.replies[2]) == (There("b"), Nobody())


def test_an_empty_room_is_released_after_a_while_and_its_epoch_goes_on(world: World) -> None:
    owned(world)
    a, b = world.node("a"), world.node("b")
    a.look()
    a.people.clear()
    world.now_ns = LINGER_NS - 1
    a.look()
    assert not a.pending
    world.now_ns = LINGER_NS
    a.look()
    assert a.owners.held() == {}, "nothing runs while it is being released"
    a.ask(1, "kitchen", Claim(here=True))
    assert a.replies == {}
    a.answer()
    a.answer_all()
    assert a.replies[1] == Here(2), "who came meanwhile gets it anew"
    assert world.owners_of("kitchen") == ["a"]
    b.ask(1, "kitchen", Where())
    b.answer_all()
    assert b.replies[1] == There("a")


def test_a_record_in_use_is_written_again_before_the_bucket_forgets_it(world: World) -> None:
    owned(world)
    a = world.node("a")
    world.now_ns = REFRESH_NS
    a.look()
    a.answer_all()
    assert world.bucket.revision == 2 and a.owners.held() == {"kitchen": 1}
    a.look()
    assert not a.pending
    assert a.told == [Own("kitchen", 1)]


def test_a_record_that_the_bucket_has_lost_is_written_anew(world: World) -> None:
    owned(world)
    a = world.node("a")
    world.bucket.versions.clear()
    world.now_ns = REFRESH_NS
    a.look()
    a.answer_all()
    world.now_ns += S_NS
    a.look()
    a.answer_all()
    assert a.owners.held() == {"kitchen": 2} and a.people == {"kitchen"}


def test_without_an_answer_people_are_told_why_and_what_is_owned_stays(world: World) -> None:
    owned(world)
    a = world.node("a")
    a.ask(1, "hall", Claim(here=True))
    a.fail()
    assert a.replies[1] == Nobody("NATS is away", 2)
    world.now_ns = REFRESH_NS
    a.look()
    a.fail()
    assert a.owners.held() == {"kitchen": 1} and a.people == {"kitchen"}


def test_an_old_record_of_an_owned_room_takes_nothing_away(world: World) -> None:
    """A replica that lags answers: the write is refused, and then the read shows what was."""
    owned(world, "b")
    b, a = world.node("b"), world.node("a")
    b.ask(1, "kitchen", Give("a"))
    b.answer_all()
    a.ask(1, "kitchen", Claim(here=True))
    a.answer_all()
    a.ask(2, "kitchen", Announce("c"))
    write = a.pending.pop()
    assert isinstance(write, Write)
    a.do(a.owners.refused("kitchen", 0))
    a.answer(age=1)
    assert a.owners.held() == {"kitchen": 2} and isinstance(a.replies[2], Nobody)


def test_a_cluster_without_a_place_says_why(world: World) -> None:
    a = world.node("a")
    a.ask(1, "kitchen", Claim(avoid=frozenset("abc")))
    a.answer_all()
    assert a.replies[1] == Nobody("no machine", 5)


def test_a_room_that_rested_until_its_record_was_forgotten_is_the_journals_again(
    world: World, tmp_path: Path
) -> None:
    """The journal keeps epochs for as long as it keeps words, the bucket for hours."""
    a, stream, world.unix_s = world.node("a"), Stream(), 1_795_000_000
    epochs: list[int] = []
    for day in (1, 2):
        for hour in (1, 2, 3):
            a.ask(hour, "kitchen", Claim(here=True))
            world.settle()
            epochs.append(a.owners.held()["kitchen"])
            link = Process(on(stream), tmp_path / "journal", "a", epochs[-1])
            link.recover()
            link.write(item(10 * day + hour))
            link.end()
            a.ask(9, "kitchen", Release())
            world.settle()
            a.replies.clear()
        world.bucket.forget("kitchen")
        world.unix_s += KEEP_S - 3_600  # The clock was set back by an hour.
    assert epochs == sorted(set(epochs))


def test_a_clock_that_shows_nonsense_takes_no_epoch_from_those_to_come(world: World) -> None:
    a, world.unix_s = world.node("a"), 2**40
    for _ in range(3):
        a.ask(1, "kitchen", Claim(here=True))
        a.ask(2, "kitchen", Release())
        world.settle()
        a.replies.clear()
    record = world.record("kitchen")
    assert record is not None and decode_record(encode_record(record), RoomRecord) == record
