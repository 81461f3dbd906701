"""What admins decide about rooms and people, and how browsers leave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mixer_core.bus.control import Leave, Offer, SetRoom, Silence
from mixer_core.bus.roles import Role
from mixer_core.bus.rules import AdminRules
from mixer_core.runtime.room_rules import Rooms
from signaling.registry.actions import ChangeRoom, Mute, ReplyLeft, ReplyProblem, ReplyRoom
from signaling.registry.rooms import Registry
from tests.signaling.worlds import FakeChild, World


class Home:
    """One room with people in it, each with a worker of their own."""

    def __init__(self, **limits: object) -> None:
        self.world = World(**limits)

    def come(
        self, subject: str = "", role: Role = "speak", replaces: str = "", room: str = "home"
    ) -> FakeChild:
        """Somebody joins and is connected; returns their worker."""
        worker = self.world.add("worker")
        more = {"role": role, "subject": subject, "verified": bool(subject)}
        self.request = self.world.join(room, subject or "Me", replaces=replaces, **more)
        self.world.settle()
        self.world.connect(worker)
        return worker

    def refused(self, **more: object) -> ReplyProblem:
        """Somebody joins and may not."""
        request = self.world.join("home", **{"name": "Eve", **more})  # type: ignore[arg-type]
        (reply,) = self.world.replies_to(request)
        assert isinstance(reply, ReplyProblem)
        return reply

    def decide(self, mode: str | None = None, **rules: object) -> ReplyRoom:
        """An admin changes the room."""
        self.world.asked += 1
        event = ChangeRoom(self.world.asked, "home", mode, rules)  # type: ignore[arg-type]
        self.world.do(self.world.registry.ask(event, self.world.now_ns))
        (reply,) = self.world.replies_to(event.request)
        assert isinstance(reply, ReplyRoom)
        return reply

    def mute(self, worker: FakeChild, muted: bool, locked: bool) -> None:
        """An admin mutes somebody, or lets them speak."""
        self.world.asked += 1
        event = Mute(self.world.asked, "home", offer_of(worker).participant, muted, locked)
        self.world.do(self.world.registry.ask(event, self.world.now_ns))

    def go(self, worker: FakeChild) -> None:
        """Somebody leaves by themselves."""
        self.world.remove(offer_of(worker).participant)
        self.world.settle()


def offer_of(worker: FakeChild) -> Offer:
    """The offer that a worker serves."""
    (offer,) = [message for message in worker.given if isinstance(message, Offer)][-1:]
    return offer


def test_a_change_is_told_to_everybody_and_shown() -> None:
    home = Home()
    workers = [home.come("a.1"), home.come("b.1", "admin")]
    reply = home.decide("conference", locked=True, stop="speak")
    rules = AdminRules(locked=True, stop="speak")
    assert (reply.view.mode, reply.view.rules) == ("conference", rules)
    for worker in workers:
        told = SetRoom(offer_of(worker).participant, "conference", rules)
        assert home.world.messages_to(worker)[-1] == told
    assert home.decide(confirm="admin").view.rules == replace(rules, confirm="admin")
    later = home.come("c.1", "admin")
    assert offer_of(later).rules == replace(rules, confirm="admin")
    assert offer_of(later).mode == "conference"


def modes(home: Home, *workers: FakeChild) -> set[str]:
    """What people hear, by what their workers know and by what is shown."""
    home.world.settle()
    (room,) = home.world.registry.rooms()
    return {room.mode, *(getattr(worker.work, "mode", "") for worker in workers)}


def test_a_rooms_settings_decide_its_mode_whatever_its_first_participant_wishes() -> None:
    world = World(rooms=Rooms(home={"mode": "conference"}), default_mode="assistant")
    workers = [world.add("worker") for _ in range(3)]
    for room, wish in (("home", "assistant"), ("other", "conference"), ("third", None)):
        world.join(room, mode=wish)
    told = [(offer_of(w).room, offer_of(w).mode, offer_of(w).ruled_mode) for w in workers]
    assert told == [
        ("home", "conference", "conference"),
        ("other", "conference", ""),
        ("third", "assistant", ""),
    ]


def test_a_worker_is_told_where_the_settings_of_its_room_want_a_button() -> None:
    world = World(rooms=Rooms(home={"address": "push_to_talk"}))
    workers = [world.add("worker") for _ in range(2)]
    for room in ("home", "other"):
        world.join(room)
    told = [(offer_of(worker).room, offer_of(worker).by_button) for worker in workers]
    assert told == [("home", True), ("other", False)]


def test_changed_settings_change_the_mode_of_a_room_with_people_in_it() -> None:
    home = Home(rooms=Rooms(_others={"mode": "assistant"}))
    first, second = home.come("a.1"), home.come("b.1")
    home.world.restart(rooms=Rooms(home={"mode": "conference"}), rebuild_ns=0)
    home.world.report(first)
    late = home.come("c.1")
    home.world.report(second)  # It announces itself last, and is told all the same.
    assert modes(home, first, second, late) == {"conference"}
    home.world.restart(rooms=Rooms())
    for worker in (first, second, late):
        home.world.report(worker)
    assert modes(home, first, second, late) == {"assistant"}, "back to that of all rooms"


def test_what_an_admin_decides_about_the_mode_outlives_signaling_but_no_new_settings() -> None:
    home = Home(rooms=Rooms(home={"mode": "conference"}))
    worker = home.come("a.1")
    home.decide("assistant")
    assert modes(home, worker) == {"assistant"}
    home.world.restart()
    home.world.report(worker)
    sent = len(home.world.sent)
    home.world.advance(3_000)
    assert modes(home, worker) == {"assistant"} and len(home.world.sent) == sent
    home.world.restart(rooms=Rooms(home={"mode": "conference", "voice": "ash"}))
    home.world.report(worker)
    assert modes(home, worker) == {"assistant"}, "another key has changed"
    home.world.restart(rooms=Rooms())
    home.world.report(worker)
    assert modes(home, worker) == {"assistant"}
    home.world.restart(rooms=Rooms(home={"mode": "conference"}))
    home.world.report(worker)
    assert modes(home, worker) == {"conference"}


def test_a_locked_room_takes_admins_and_those_who_were_in_it() -> None:
    home = Home()
    home.come("admin.1", "admin")
    bob = home.come("bob.1")
    gone = home.come("gone.1")
    home.go(gone)
    home.decide(locked=True)
    problem = home.refused(role="speak", subject="eve.1")
    assert (problem.status, problem.title) == (403, "Room locked")
    assert home.refused(role="listen", subject="bob.2").status == 403, "another browser"
    home.go(bob)
    for subject in ("bob.1", "gone.1"):
        assert offer_of(home.come(subject)).subject == subject
    assert offer_of(home.come("new.1", "admin")).role == "admin"
    home.decide(locked=False)
    assert offer_of(home.come("eve.1")).subject == "eve.1"


def test_who_is_in_another_room_does_not_pass_the_lock() -> None:
    home = Home()
    home.come("admin.1", "admin")
    home.decide(locked=True)
    eve = home.come("eve.1", room="elsewhere")
    stay = offer_of(eve).participant
    assert home.refused(role="speak", subject="eve.1", replaces=stay).status == 403
    home.go(eve)
    assert home.refused(role="speak", subject="eve.1", replaces=stay).status == 403


def test_a_lock_keeps_nobody_out_who_has_just_lost_the_connection() -> None:
    home = Home()
    home.come("admin.1", "admin")
    token = home.come()  # A program, without an invitation.
    home.decide(locked=True)
    former = offer_of(token).participant
    assert home.refused(role="speak").status == 403
    again = home.come(replaces=former)
    assert offer_of(again).participant != former


def test_newcomers_are_muted_until_an_admin_lets_them_speak() -> None:
    home = Home()
    home.come("admin.1", "admin")
    before = home.come("before.1")
    home.decide(enter_muted=True)
    bob = home.come("bob.1")
    assert offer_of(bob).silenced and not offer_of(before).silenced
    assert not offer_of(home.come("other.1", "admin")).silenced
    home.mute(bob, False, False)
    assert home.world.messages_to(bob)[-1] == Silence(offer_of(bob).participant, False, False)
    home.go(bob)
    home.go(before)
    assert not offer_of(home.come("bob.1")).silenced, "an admin has let them speak"
    assert not offer_of(home.come("before.1")).silenced, "they were here before"
    assert offer_of(home.come("bob.2")).silenced, "another browser"


@pytest.mark.parametrize("way", ["reload", "reconnect"])
def test_who_was_muted_by_an_admin_comes_back_muted(way: str) -> None:
    home = Home()
    home.come("admin.1", "admin")
    bob = home.come("bob.1")
    home.mute(bob, True, True)
    if way == "reload":
        home.go(bob)
        again = home.come("bob.1")
    else:
        again = home.come("bob.1", replaces=offer_of(bob).participant)
    assert offer_of(again).silenced
    home.mute(again, True, False)
    assert not offer_of(home.come("bob.1", replaces=offer_of(again).participant)).silenced


def test_rules_end_with_the_room_but_not_with_a_lost_connection() -> None:
    home = Home()
    alone = home.come("admin.1", "admin")
    home.decide("conference", locked=True)
    again = home.come("admin.1", "admin", replaces=offer_of(alone).participant)
    assert offer_of(again).rules.locked and offer_of(again).mode == "conference"
    home.go(again)
    assert offer_of(home.come("eve.1")).rules == AdminRules()


def test_rules_outlast_a_restart_of_signaling() -> None:
    home = Home()
    home.come("admin.1", "admin")
    bob = home.come("bob.1")
    home.decide(locked=True, confirm="admin")
    home.mute(bob, True, True)
    states = [child.state() for child in home.world.children.values()]
    known = home.world.registry.rooms()[0].rules
    fresh = Registry(home.world.limits, iter(range(10**6)).__next__, home.world.now_ns)
    for state in states:
        changed = replace(state, rules=known, silenced=state.subject == "bob.1")  # type: ignore[call-arg, union-attr]
        fresh.message(changed.worker, changed, home.world.now_ns)  # type: ignore[union-attr]
    (room,) = fresh.rooms()
    assert room.rules == known
    assert [p.silenced for p in room.participants] == [False, True]


def test_a_browser_that_is_gone_may_still_say_goodbye_once() -> None:
    """It closes its connection and asks to leave at the same time: either may come first."""
    home = Home()
    worker = home.come("bob.1")
    participant = offer_of(worker).participant
    home.world.hang_up(worker)
    assert home.world.people() == []
    (reply,) = home.world.replies_to(home.world.remove(participant))
    assert isinstance(reply, ReplyLeft) and reply.participant == participant
    (again,) = home.world.replies_to(home.world.remove(participant))
    assert isinstance(again, ReplyProblem) and again.status == 404


def test_goodbye_is_no_way_to_another_room_and_not_for_ever() -> None:
    home = Home()
    workers = [home.come(f"{name}.1") for name in "abc"]
    people = [offer_of(worker).participant for worker in workers]
    for worker in workers:
        home.world.hang_up(worker)
    (other,) = home.world.replies_to(home.world.remove(people[0], "attic"))
    assert isinstance(other, ReplyProblem) and other.status == 404
    home.world.advance(31_000)
    (late,) = home.world.replies_to(home.world.remove(people[1]))
    assert isinstance(late, ReplyProblem) and late.status == 404


def test_all_tabs_of_somebody_end_who_may_no_longer_be_there() -> None:
    home = Home()
    tabs = [home.come("bob.1"), home.come("bob.1")]
    ann, elsewhere = home.come("ann.1"), home.come("bob.1", room="attic")
    told = ("removed", "an admin has removed you from this room")

    def verdict(subject: str, room: str) -> tuple[str, str] | None:
        return told if (subject, room) == ("bob.1", "home") else None

    home.world.do(home.world.registry.end(verdict, home.world.now_ns))
    for worker in tabs:
        leave = Leave(offer_of(worker).participant, *told)
        assert home.world.messages_to(worker)[-1] == leave
    stay = {offer_of(worker).participant for worker in (ann, elsewhere)}
    assert set(home.world.people()) == stay
    for worker in (ann, elsewhere):
        assert not isinstance(home.world.messages_to(worker)[-1], Leave)


@pytest.mark.parametrize("name", ["Nova", "n0va", "Computer"])
def test_no_guest_takes_the_name_of_the_assistant(name: str) -> None:
    rooms = Rooms(home={"persona": "Nova", "address_names": ("Nova", "Computer")})
    home = Home(rooms=rooms)
    assert home.refused(name=name, subject="guest", verified=False).status == 409
    elsewhere = home.world.join("attic", name, subject="guest", verified=False)
    assert not home.world.replies_to(elsewhere), "it is called otherwise there"
