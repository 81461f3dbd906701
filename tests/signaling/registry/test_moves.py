"""A room goes from the registry of one machine to that of another."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mixer_core.bus.control import Leave, OpenLink, OwesAnswer, Stay, Yield
from mixer_core.runtime.errors import ProblemError
from signaling.registry.actions import ChangeRoom, Left, ReplyProblem, SendToChild
from signaling.registry.moves import Moved
from tests.signaling.registry.test_rooms import called
from tests.signaling.worlds import World

GUEST: dict[str, Any] = {"role": "speak", "subject": "guest", "client": "10.0.0.7"}


def prepared() -> tuple[World, World, str, Moved]:
    """A locked conference with a guest, whom another machine expects; the guest's former id."""
    old, new = World(), World(max_pending_per_client=1)
    for _ in range(2):
        old.add("worker")
    old.add("link")
    called(old, mode="conference", name="Ada")
    guest, _ = called(old, name="Ben", **GUEST)
    change = ChangeRoom(99, "home", rules={"locked": True, "enter_muted": True})
    old.do(old.registry.ask(change, old.now_ns))
    packed = msgspec.json.encode(old.registry.taken_along("home"))
    return old, new, guest, msgspec.json.decode(packed, type=Moved)


def test_the_link_waits_before_anybody_is_there_and_is_the_rooms_afterwards() -> None:
    _, new, guest, moved = prepared()
    link = new.add("link")
    new.do(new.registry.prepare("home", moved, 7, new.now_ns))
    (opened,) = new.messages_to(link)
    assert isinstance(opened, OpenLink) and opened.standby and opened.epoch == 7
    assert opened.mode == "conference"
    assert new.registry.rooms() == [] and new.registry.link_status("home") == "waiting"
    new.settle()
    new.connect(link)
    assert new.registry.link_status("home") == "ready"
    new.advance(20_000)
    assert not link.told_to_leave
    new.registry.expect("home", moved, new.now_ns)
    new.add("worker")
    called(new, replaces=guest, **GUEST)
    assert [m for m in new.messages_to(link) if isinstance(m, OpenLink)] == [opened]


def test_who_was_there_comes_back_into_the_room_as_it_was() -> None:
    _, new, guest, moved = prepared()
    new.registry.expect("home", moved, new.now_ns)
    new.add("worker")
    new.add("link")
    called(new, replaces=guest, **GUEST)
    (room,) = new.registry.rooms()
    assert room.mode == "conference" and room.rules == moved.rules and room.rules.locked
    assert not room.participants[0].silenced, "it spoke before"
    stranger = new.join(role="speak", subject="stranger")
    (refused,) = new.replies_to(stranger)
    assert isinstance(refused, ReplyProblem) and refused.status == 403


def test_many_of_one_address_come_back_at_once() -> None:
    old, new = World(), World(max_pending_per_client=1)
    old.add("link")
    for _ in range(5):
        old.add("worker")
    people = [called(old, client="10.0.0.7")[0] for _ in range(5)]
    new.registry.expect("home", old.registry.taken_along("home"), new.now_ns)
    for person in people:
        assert new.replies_to(new.join(client="10.0.0.7", replaces=person)) == []


def test_they_are_not_expected_for_ever() -> None:
    _, new, guest, moved = prepared()
    new.registry.expect("home", moved, new.now_ns)
    new.advance(31_000)
    new.add("worker")
    new.add("link")
    called(new, replaces=guest, **GUEST)
    assert new.registry.rooms()[0].mode == "assistant"


def test_a_room_that_does_not_come_leaves_nothing() -> None:
    _, new, _, moved = prepared()
    link = new.add("link")
    new.do(new.registry.prepare("home", moved, 7, new.now_ns))
    new.settle()
    new.do(new.registry.abandon("home", new.now_ns))
    assert new.messages_to(link)[-1] == Leave("")
    new.settle()
    assert not new.children and new.registry.link_status("home") == "waiting"


def test_a_machine_without_a_place_says_so() -> None:
    new = World(max_rooms=1)
    with pytest.raises(ProblemError, match="idle"):
        new.registry.prepare("home", Moved(), 7, new.now_ns)
    new.add("worker")
    new.add("link")
    called(new, "other")
    with pytest.raises(ProblemError, match="rooms are in use"):
        new.registry.prepare("home", Moved(), 7, new.now_ns)
    again = new.registry.prepare("other", Moved(), 7, new.now_ns)
    assert again == [], "it has a link"
    assert new.registry.abandon("other", new.now_ns) == [], "people are in it"


def test_the_link_of_a_room_is_told_and_no_other() -> None:
    old, *_ = prepared()
    for message in (Yield("home", 1, 20_000), Stay("home"), OwesAnswer("home")):
        (sent,) = old.registry.tell_link(message, old.now_ns)
        assert isinstance(sent, SendToChild) and sent.message == message
    assert old.registry.tell_link(Stay("elsewhere"), old.now_ns) == []
    assert old.registry.taken_along("elsewhere") == Moved()


def test_a_link_that_ends_while_its_room_is_going_is_not_followed_by_another_one() -> None:
    old, *_ = prepared()
    (link,) = [child for child in old.children.values() if child.kind == "link"]
    old.do(old.registry.tell_link(Yield("home", 1, 20_000), old.now_ns))
    old.exit(link, -9)
    other = old.add("link")
    old.advance(5_000)
    assert other.inbox == []
    old.do(old.registry.tell_link(Stay("home"), old.now_ns))
    assert isinstance(other.inbox[0], OpenLink)


def test_a_room_that_another_machine_has_is_lost_for_all_who_are_in_it() -> None:
    world = World()
    worker, link = world.add("worker"), world.add("link")
    called(world)
    waiting = world.join(name="Ben")
    assert world.registry.occupied() == ["home"]
    world.do(world.registry.lose("home", world.now_ns))
    assert world.registry.rooms() == [] == world.registry.occupied()
    (gone,) = [note for note in world.notes if isinstance(note, Left)]
    assert gone.lost, "the page is told to join again"
    (refused,) = [r for r in world.replies if isinstance(r, ReplyProblem)]
    assert (refused.request, refused.status, refused.title) == (waiting, 503, "Moved")
    assert worker.told_to_leave and link.told_to_leave
    world.do(world.registry.lose("home", world.now_ns))


def test_in_a_cluster_a_room_gets_a_link_only_once_it_is_this_machines() -> None:
    world, own = World(), dict[str, tuple[int, int]]()
    world.registry.grant_by(own.get)
    link = world.add("link")
    world.add("worker")
    called(world)
    world.advance(3_000)
    assert link.inbox == []
    own["home"] = (7, 99)
    world.do(world.registry.timeout(world.now_ns))
    (opened,) = link.inbox
    assert isinstance(opened, OpenLink) and (opened.epoch, opened.until_ns) == (7, 99)
    assert not opened.standby
