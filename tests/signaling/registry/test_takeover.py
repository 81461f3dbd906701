"""A browser that comes again takes its place over when it is connected, and not before."""

from __future__ import annotations

from mixer_core.bus.control import Leave, Offer, Silence
from mixer_core.bus.place import Place
from signaling.registry.actions import Joined, Left, Mute, ReplyProblem
from tests.signaling.worlds import FakeChild, World

PHONE = "10.0.0.1"


class Phone:
    """Somebody in the room, with idle workers for another try."""

    def __init__(self, spare: int = 1, **limits: int) -> None:
        self.world = World(**limits)
        self.worker = self.world.add("worker")
        self.former = self.arrive("")
        self.world.connect(self.worker)
        self.spare = [self.world.add("worker") for _ in range(spare)]

    def arrive(self, replaces: str, name: str = "Anna", place: str = "") -> str:
        """An offer that is answered; returns the participant's id."""
        request = self.world.join(
            name=name,
            client=PHONE,
            replaces=replaces,
            subject="anna.1",
            role="speak",
            place=place,
        )
        self.world.settle()
        return self.world.answer_to(request).participant


def offered(worker: FakeChild) -> Offer:
    (offer,) = [work for work in worker.given if isinstance(work, Offer)]
    return offer


def test_who_comes_again_has_been_in_the_place_since_the_first_time() -> None:
    phone = Phone(spare=2)
    world = phone.world
    known = Place("Kitchen", came_ns=5, asked_ns=7)
    phone.worker.place = known
    world.report(phone.worker)
    phone.arrive(phone.former, place="kitchen")
    assert offered(phone.spare[0]).place == known
    phone.arrive(phone.former, place="Study")
    assert offered(phone.spare[1]).place == Place("Study")
    shown = [one.place for room in world.registry.rooms() for one in room.participants]
    assert shown == ["Kitchen", "Study"]


def left(world: World) -> list[str]:
    return [note.participant for note in world.notes if isinstance(note, Left)]


def test_the_former_stay_ends_when_the_new_one_is_connected() -> None:
    phone = Phone()
    world = phone.world
    fresh = phone.arrive(phone.former)
    assert world.people() == [phone.former, fresh] and left(world) == []
    world.connect(phone.spare[0])
    assert world.people() == [fresh] and left(world) == [phone.former]
    assert world.messages_to(phone.worker)[-1] == Leave(phone.former)
    joined = [note for note in world.notes if isinstance(note, Joined)]
    assert [note.name for note in joined] == ["Anna", "Anna"]


def test_an_offer_that_leads_to_nothing_ends_no_call() -> None:
    """It was on its way when the network came back, or arrived after its page had given it up."""
    phone = Phone()
    fresh = phone.arrive(phone.former)
    phone.world.hang_up(phone.spare[0])
    assert phone.world.people() == [phone.former] and left(phone.world) == [fresh]


def test_of_several_offers_the_last_one_counts() -> None:
    phone = Phone(spare=3)
    world = phone.world
    tries = [phone.arrive(phone.former) for _ in range(3)]
    assert world.people() == [phone.former, tries[-1]]
    world.connect(phone.spare[2])
    assert world.people() == [tries[-1]]


def test_who_replaces_an_offer_replaces_the_stay_behind_it() -> None:
    phone = Phone(spare=2)
    world = phone.world
    first = phone.arrive(phone.former)
    second = phone.arrive(first)
    assert world.people() == [phone.former, second]
    world.connect(phone.spare[1])
    assert world.people() == [second]


def test_a_full_gateway_has_the_place_that_is_left() -> None:
    phone = Phone(max_participants=1)
    fresh = phone.arrive(phone.former)
    phone.world.connect(phone.spare[0])
    assert phone.world.people() == [fresh]
    request = phone.world.join(client="10.0.0.2")
    (reply,) = phone.world.replies_to(request)
    assert isinstance(reply, ReplyProblem) and reply.title == "Full"


def test_without_an_idle_worker_the_former_stay_makes_room() -> None:
    phone = Phone(spare=0)
    world = phone.world
    world.join(name="Anna", client=PHONE, replaces=phone.former)
    assert left(world) == [phone.former]


def test_the_former_stay_may_end_first() -> None:
    phone = Phone()
    fresh = phone.arrive(phone.former)
    phone.world.hang_up(phone.worker)
    assert phone.world.people() == [fresh]
    phone.world.connect(phone.spare[0])
    assert phone.world.people() == [fresh] and left(phone.world) == [phone.former]


def test_who_is_muted_meanwhile_stays_muted() -> None:
    phone = Phone()
    world = phone.world
    fresh = phone.arrive(phone.former)
    world.asked += 1
    event = Mute(world.asked, "home", phone.former, True, True)
    world.do(world.registry.ask(event, world.now_ns))
    spare: FakeChild = phone.spare[0]
    world.connect(spare)
    assert world.messages_to(spare)[-1] == Silence(fresh, muted=True, locked=True)
    (view,) = world.registry.rooms()[0].participants
    assert view.silenced


def test_who_replaces_an_attempt_that_was_given_up_replaces_the_stay_behind_it() -> None:
    """A page leaves an attempt that came to nothing before it makes the next one."""
    phone = Phone(spare=2)
    world = phone.world
    first = phone.arrive(phone.former)
    world.remove(first)
    second = phone.arrive(first)
    assert world.people() == [phone.former, second]
    world.connect(phone.spare[1])
    assert world.people() == [second]


def test_an_attempt_that_was_given_up_opens_no_mouth_that_an_admin_has_closed() -> None:
    world = World()
    children = [world.add("worker") for _ in range(3)]

    def arrive(replaces: str) -> str:
        request = world.join(client=PHONE, replaces=replaces)
        world.settle()
        return world.answer_to(request).participant

    stay = arrive("")
    world.connect(next(child for child in children if offered_to(child) == stay))
    world.asked += 1
    world.do(world.registry.ask(Mute(world.asked, "home", stay, True, True), world.now_ns))
    attempt = arrive(stay)
    world.remove(attempt)
    arrive(attempt)
    assert all(view.silenced for view in world.registry.rooms()[0].participants)


def offered_to(worker: FakeChild) -> str:
    return next((work.participant for work in worker.given if isinstance(work, Offer)), "")


def test_a_tab_that_was_killed_does_not_keep_its_name_from_the_next_one() -> None:
    """The gateway has not noticed yet, and nobody has said goodbye."""
    phone = Phone()
    again = phone.arrive("")
    phone.world.connect(phone.spare[0])
    assert phone.world.people() == [phone.former, again]
