"""Who gets a place: those who are connecting never at the cost of those who connected before."""

from __future__ import annotations

from mixer_core.bus.control import OpenLink
from mixer_core.runtime.units import S_NS
from signaling.registry.actions import ReplyProblem
from signaling.registry.load import LoadPolicy
from signaling.registry.load_meter import Load
from tests.signaling.worlds import World

ATTACKER, HOME = "10.0.0.66", "10.0.0.1"


def problem(world: World, request: int) -> ReplyProblem:
    """The refusal."""
    (reply,) = world.replies_to(request)
    assert isinstance(reply, ReplyProblem), reply
    return reply


def connect(world: World, client: str) -> str:
    """Somebody joins and is through; returns the participant's id."""
    worker = world.add("worker")
    request = world.join(client=client)
    world.settle()
    participant = world.answer_to(request).participant
    world.connect(worker)
    return participant


def test_a_client_has_few_browsers_connecting_at_once() -> None:
    world = World(max_pending_per_client=2)
    for _ in range(2):
        assert world.replies_to(world.join(client=ATTACKER)) == []
    refused = problem(world, world.join(client=ATTACKER))
    assert (refused.status, refused.retry_after_s) == (429, 2)
    assert ATTACKER in refused.detail
    assert world.replies_to(world.join(client=HOME)) == []


def test_each_person_who_connected_before_counts_one_more() -> None:
    world = World(max_pending_per_client=1)
    for _ in range(3):
        connect(world, HOME)
    for worker in list(world.children.values()):
        world.exit(worker, -9)
    assert world.people() == []
    for _ in range(4):
        assert world.replies_to(world.join(client=HOME)) == []
    assert problem(world, world.join(client=HOME)).status == 429


def test_it_is_forgotten_after_a_while() -> None:
    world = World(max_pending_per_client=1, answer_timeout_ns=3_600 * S_NS)
    connect(world, HOME)
    for worker in list(world.children.values()):
        world.exit(worker)
    world.advance(601_000)
    world.join(client=HOME)
    assert problem(world, world.join(client=HOME)).status == 429


def test_who_is_connecting_gives_way_to_a_client_that_has_fewer() -> None:
    world = World(max_participants=4)
    for _ in range(4):
        world.join(client=ATTACKER)
    newcomer = world.join(client=HOME)
    assert world.replies_to(newcomer) == []
    assert problem(world, 1).status == 503
    assert len(world.people()) == 4
    for _ in range(2):
        assert world.replies_to(world.join(client=HOME)) == []
    assert problem(world, world.join(client=HOME)).title == "Full"


def test_a_client_whose_offers_came_to_nothing_comes_last() -> None:
    world = World(max_participants=3)
    for number in range(3):
        world.add("worker")
        world.join(client=f"10.0.1.{number}")
    world.settle()
    newcomer = problem(world, world.join(client=HOME))
    assert newcomer.title == "Full", "each has one who is connecting, as the newcomer would"
    world.advance(2_500)
    ticket = dict(newcomer.extra or {})["ticket"]
    assert world.replies_to(world.join(client=HOME, ticket=ticket)) == [], "they take too long"
    for worker in list(world.children.values()):
        if worker.kind == "worker":
            world.exit(worker)
    for number in range(3):
        world.join(client=f"10.0.1.{number}")
    assert world.replies_to(world.join(client="10.0.0.2")) == [], "they failed before"


def test_who_is_connecting_gives_way_to_those_whose_connection_was_lost() -> None:
    world = World(max_participants=3, max_pending_per_client=1)
    before = [connect(world, HOME) for _ in range(2)]
    for worker in list(world.children.values()):
        world.exit(worker, -9)
    for number in (2, 3, 4):
        world.join(client=f"10.0.0.{number}")
    assert problem(world, world.join(client="10.0.0.5")).title == "Full"
    for participant in before:
        assert world.replies_to(world.join(client=HOME, replaces=participant)) == []
    assert problem(world, world.join(client="10.0.0.5")).title == "Full"
    assert len(world.people()) == 3


def test_those_whose_connection_was_lost_give_way_to_nobody() -> None:
    world = World(max_participants=2)
    before = [connect(world, HOME) for _ in range(2)]
    for worker in list(world.children.values()):
        world.exit(worker, -9)
    for participant in before:
        world.join(client=HOME, replaces=participant)
    assert problem(world, world.join(client="10.0.0.5")).title == "Full"


def test_who_never_connected_cannot_come_back() -> None:
    world = World(max_participants=2, max_pending_per_client=1)
    world.add("worker")
    request = world.join(client=ATTACKER)
    world.settle()
    pending = world.answer_to(request).participant
    assert problem(world, world.join(client=ATTACKER, replaces=pending)).status == 429
    assert problem(world, world.join(client=ATTACKER, replaces="p-0")).status == 429


def test_nobody_who_is_connected_gives_way() -> None:
    world = World(max_participants=2)
    connect(world, HOME)
    connect(world, HOME)
    refused = problem(world, world.join(client="10.0.0.9"))
    assert refused.status == 503
    assert refused.extra is not None and refused.extra["position"] == 1
    assert "number 1 in line" in refused.detail


def test_the_line_moves_on_when_somebody_leaves() -> None:
    world = World(max_participants=1)
    connect(world, HOME)
    tickets = [
        dict(problem(world, world.join(client=f"10.0.0.{n}")).extra or {})["ticket"] for n in (2, 3)
    ]
    (participant,) = world.people()
    world.remove(participant)
    late = problem(world, world.join(client="10.0.0.3", ticket=tickets[1]))
    assert late.extra == {"ticket": tickets[1], "position": 2}
    assert world.replies_to(world.join(client="10.0.0.2", ticket=tickets[0])) == []


def test_a_room_where_nobody_is_connected_gives_way_to_another_one() -> None:
    world = World(max_rooms=2)
    connect(world, HOME)
    for _ in range(3):
        world.join("attic", client=ATTACKER)
    assert world.replies_to(world.join("kitchen", client="10.0.0.2")) == []
    assert sorted(room.room for room in world.registry.rooms()) == ["home", "kitchen"]
    assert all(problem(world, request).status == 503 for request in (2, 3, 4))
    assert problem(world, world.join("cellar", client=ATTACKER)).title == "Full"


def test_the_assistant_is_not_called_for_a_client_whose_offers_came_to_nothing() -> None:
    world = World()
    link = world.add("link")
    first, second = world.add("worker"), world.add("worker")
    world.join("a", client=ATTACKER)
    world.join("b", client=ATTACKER)
    world.settle()
    assert isinstance(link.work, OpenLink) and link.work.room == "a"
    other = world.add("link")
    world.advance(1_000)
    assert other.work is None and not other.inbox
    world.exit(first)
    third = world.add("worker")
    world.join("c", client=ATTACKER)
    world.settle()
    assert other.work is None
    world.connect(second)
    world.settle()
    assert isinstance(other.work, OpenLink) and other.work.room == "b"
    assert third.work is not None


def busy(world: World, policy: LoadPolicy, ratio: float = 1.5) -> None:
    """What is measured from now on."""
    load = Load({"lateness": ratio}, own_cores=0.06, bears_cores=1.7)
    policy.measured(load, len(world.people()), world.now_ns)


def test_a_busy_gateway_keeps_those_inside_and_refuses_newcomers_in_words() -> None:
    policy = LoadPolicy()
    world = World(policy)
    connect(world, HOME)
    connect(world, "10.0.0.2")
    busy(world, policy)
    for room in ("home", "attic"):
        refused = problem(world, world.join(room, client="10.0.0.9"))
        assert (refused.status, refused.title, refused.retry_after_s) == (503, "Busy", 5)
        assert "this gateway is busy: its mixer is late" in refused.detail
    assert "you are number 2 in line" in refused.detail
    assert len(world.people()) == 2


def test_those_whose_connection_was_lost_come_back_into_a_busy_gateway() -> None:
    policy = LoadPolicy()
    world = World(policy)
    before = [connect(world, HOME) for _ in range(3)]
    for worker in list(world.children.values())[:2]:
        world.exit(worker, -9)
    busy(world, policy)
    for participant in before[:2]:
        assert world.replies_to(world.join(client=HOME, replaces=participant)) == []
    assert len(world.people()) == 3
    assert problem(world, world.join(client=HOME, replaces="p-0")).title == "Busy"


def test_whose_network_was_away_for_long_comes_back_into_a_busy_gateway() -> None:
    policy = LoadPolicy()
    world = World(policy)
    phone = connect(world, HOME)
    connect(world, "10.0.0.2")
    world.exit(next(iter(world.children.values())), 0)
    world.advance(25_000)
    busy(world, policy)
    assert world.replies_to(world.join(client="10.9.9.9", replaces=phone)) == [], "from elsewhere"
    world.advance(31_000)
    assert problem(world, world.join(client="10.9.9.8", replaces=phone)).title == "Busy"


def test_a_page_that_joins_again_while_it_is_inside_keeps_its_place_in_a_busy_gateway() -> None:
    policy = LoadPolicy()
    world = World(policy)
    participant = connect(world, HOME)
    connect(world, "10.0.0.2")
    busy(world, policy)
    assert world.replies_to(world.join(client=HOME, replaces=participant)) == []
    assert len(world.people()) == 2


def test_when_the_load_goes_those_in_line_come_first() -> None:
    policy = LoadPolicy()
    world = World(policy)
    connect(world, HOME)
    busy(world, policy)
    tickets = [
        dict(problem(world, world.join(client=f"10.0.0.{n}")).extra or {})["ticket"] for n in (2, 3)
    ]
    for _ in range(20):
        world.advance(1_000)
        busy(world, policy, 0.9)
        if policy.level < 3:
            break
    assert problem(world, world.join(client="10.0.0.4")).title == "Busy", "they are first"
    for n, ticket in zip((2, 3), tickets, strict=True):
        assert world.replies_to(world.join(client=f"10.0.0.{n}", ticket=ticket)) == []
    late = problem(world, world.join(client="10.0.0.4"))
    assert late.title == "Busy" and "coming in" in late.detail


def test_who_is_connecting_gives_way_in_a_busy_gateway_too() -> None:
    policy = LoadPolicy()
    world = World(policy)
    connect(world, HOME)
    for _ in range(4):
        world.join(client=ATTACKER)
    busy(world, policy)
    assert world.replies_to(world.join(client="10.0.0.2")) == []
    assert len(world.people()) == 5
    assert problem(world, world.join(client=ATTACKER)).title == "Busy"


def test_a_busy_machine_does_not_keep_an_empty_gateway_shut() -> None:
    policy = LoadPolicy()
    world = World(policy)
    for _ in range(50):
        world.advance(1_000)
        busy(world, policy, 9.0)
    connect(world, HOME)
    busy(world, policy, 9.0)
    assert problem(world, world.join(client="10.0.0.2")).title == "Busy"


def test_one_client_cannot_take_all_places() -> None:
    world = World(max_participants=8, max_places_per_client=6)
    inside = [connect(world, ATTACKER) for _ in range(6)]
    refused = problem(world, world.join(client=ATTACKER))
    assert (refused.status, refused.retry_after_s) == (429, 10)
    assert refused.detail.startswith(f"6 of 8 places are taken from {ATTACKER}")
    for n in (1, 2):
        connect(world, f"10.0.0.{n}")
    assert world.replies_to(world.join(client=ATTACKER, replaces=inside[0])) == [], "it is inside"
    world.remove(inside[1])
    world.settle()
    assert world.replies_to(world.join(client=ATTACKER)) == []


def test_where_no_place_is_free_the_share_of_a_client_does_not_matter() -> None:
    for most in (1, 2):
        world = World(max_participants=2, max_places_per_client=most)
        connect(world, HOME)
        connect(world, HOME if most == 2 else "10.0.0.2")
        assert problem(world, world.join(client=HOME)).title == "Full", "it waits in line"


def test_whoever_has_many_inside_does_not_come_first_in_line() -> None:
    world = World(max_participants=4)
    for _ in range(4):
        connect(world, ATTACKER)
    first = dict(problem(world, world.join(client=HOME)).extra or {})["ticket"]
    world.remove(world.people()[0])
    second = problem(world, world.join(client=ATTACKER))
    assert second.extra is not None and second.extra["position"] == 2
    assert world.replies_to(world.join(client=HOME, ticket=first)) == []


def test_whoever_has_many_inside_pushes_nobody_out_who_is_connecting() -> None:
    world = World(max_participants=4)
    for _ in range(3):
        connect(world, ATTACKER)
    world.join(client=HOME)
    assert problem(world, world.join(client=ATTACKER)).title == "Full"
    assert len(world.people()) == 4


def may_return(world: World, stay: str) -> bool:
    return world.registry._participants.was_connected(stay, "home", world.now_ns)


def attacked() -> World:
    return World(max_participants=8, max_places_per_client=6, max_pending_per_client=2)


def left() -> tuple[World, str]:
    """A world in which the attacker has been, and the stay that is over."""
    world = attacked()
    inside = connect(world, ATTACKER)
    world.remove(inside)
    world.settle()
    return world, inside


def test_a_stay_that_ended_brings_one_browser_back_and_not_many() -> None:
    world, inside = left()
    for _ in range(8):
        world.join(client=ATTACKER, replaces=inside)
        world.settle()
    assert len(world.people()) == 1
    assert world.replies_to(world.join(client=HOME)) == []


def test_a_stay_that_was_replaced_is_no_pass_for_others() -> None:
    world, inside = left()
    worker = world.add("worker")
    world.join(client=ATTACKER, replaces=inside)
    world.settle()
    world.connect(worker)
    assert not may_return(world, inside)


def test_who_is_in_one_room_does_not_return_to_another() -> None:
    world = attacked()
    inside = connect(world, ATTACKER)
    answers = [
        world.replies_to(world.join("other", client=ATTACKER, replaces=inside)) for _ in "1234567"
    ]
    refused = [
        reply.status for replies in answers for reply in replies if isinstance(reply, ReplyProblem)
    ]
    assert refused and set(refused) == {429}
    assert world.replies_to(world.join(client=HOME)) == []


def test_attempts_in_a_row_do_not_keep_the_right_to_return() -> None:
    world, last = left()
    for _ in range(3):
        worker = world.add("worker")
        request = world.join(client=ATTACKER, replaces=last)
        world.settle()
        last = world.answer_to(request).participant
        world.advance(8_000)
        world.exit(worker, 0)
        world.advance(8_000)
    assert not may_return(world, last)
