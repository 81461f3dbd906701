"""The registry, event by event."""

from __future__ import annotations

import pytest

from mixer_core.bus.control import Answer, Leave, LinkState, Offer, OpenLink, Refused, WorkerState
from mixer_core.runtime.units import S_NS
from signaling.registry.actions import Joined, Left, LinkLost, ReplyLeft, ReplyProblem, ReplyRoom
from tests.signaling.worlds import OFFER, World


def problem(world: World, request: int) -> ReplyProblem:
    (reply,) = world.replies_to(request)
    assert isinstance(reply, ReplyProblem)
    return reply


def called(world: World, room: str = "home", **more: str) -> tuple[str, int]:
    """Somebody joins and is connected; returns the participant and the request."""
    request = world.join(room, **more)
    world.settle()
    for child in list(world.children.values()):
        world.connect(child)
    return world.answer_to(request).participant, request


def test_an_offer_goes_to_an_idle_worker_and_opens_the_rooms_link_at_once() -> None:
    world = World()
    worker, link = world.add("worker"), world.add("link")
    request = world.join("kitchen", "Ada", "conference")
    (offer,) = world.messages_to(worker)
    assert isinstance(offer, Offer)
    assert (offer.room, offer.name, offer.mode, offer.sdp) == (
        "kitchen",
        "Ada",
        "conference",
        OFFER,
    )
    (opened,) = world.messages_to(link)
    assert opened == OpenLink("kitchen", opened.stream, "conference")  # type: ignore[union-attr]
    assert world.replies == []
    world.act(worker)
    answer = world.answer_to(request)
    assert answer.sdp == f"answer by {worker.identity}"
    assert (answer.room, answer.participant) == ("kitchen", offer.participant)
    assert offer.participant.startswith("p-") and len(offer.participant) == 10


def test_a_connected_worker_is_noted_once() -> None:
    world = World()
    worker = world.add("worker")
    participant, _ = called(world, name="Ada")
    world.report(worker)
    assert world.notes == [Joined("home", participant, "Ada")]


def test_the_first_participant_decides_the_mode() -> None:
    world = World()
    workers = [world.add("worker") for _ in range(3)]
    for mode in ("conference", "assistant", None):
        world.join("home", mode=mode)
    modes = [m.mode for w in workers for m in world.messages_to(w) if isinstance(m, Offer)]
    assert modes == ["conference"] * 3


def test_without_an_idle_worker_the_offer_waits_for_one() -> None:
    world = World()
    request = world.join()
    world.advance(4_000)
    assert world.replies == []
    world.add("worker")
    world.settle()
    assert world.answer_to(request)


def test_an_offer_that_nobody_answers_gets_503_in_time() -> None:
    world = World()
    request = world.join()
    world.advance(4_999)
    assert world.replies == []
    world.advance(1)
    reply = problem(world, request)
    assert (reply.status, reply.retry_after_s) == (503, 2)
    assert "no media worker is idle" in reply.detail
    assert world.people() == []


def test_a_worker_that_does_not_react_is_passed_over_and_told_to_leave() -> None:
    world = World()
    first, second = world.add("worker"), world.add("worker")
    request = world.join()
    slow, quick = (first, second) if first.inbox else (second, first)
    world.advance(1_499)
    assert quick.inbox == []
    world.advance(1)
    assert isinstance(slow.inbox[-1], Leave)
    world.act(quick)
    assert world.answer_to(request).sdp == f"answer by {quick.identity}"
    world.act(slow)
    assert len(world.replies) == 1


def test_the_only_worker_may_take_its_time() -> None:
    world = World()
    worker = world.add("worker")
    request = world.join()
    world.advance(3_000)
    world.act(worker)
    assert world.answer_to(request)


def test_a_worker_that_dies_over_an_offer_is_replaced_at_once_but_not_for_ever() -> None:
    world = World()
    request = world.join()
    for _ in range(3):
        world.exit(world.add("worker"), -11)
    assert problem(world, request).detail == "every media worker that got the offer ended"
    spared = world.add("worker")
    assert world.messages_to(spared) == []


def test_a_worker_that_is_not_there_any_more_is_replaced_at_once() -> None:
    world = World()
    spare = world.add("worker")
    world.now_ns += 1
    ghost = world.add("worker")
    del world.children[ghost.identity]
    request = world.join()
    world.act(spare)
    assert world.answer_to(request)


def test_a_refusal_is_passed_on_and_frees_the_worker() -> None:
    world = World()
    worker = world.add("worker")
    request = world.join()
    world.act(worker, refuse=True)
    reply = problem(world, request)
    assert (reply.status, reply.title, reply.detail) == (400, "Bad SDP", "no")
    again = world.join()
    world.act(worker)
    assert world.answer_to(again)


def test_where_a_worker_is_busy_an_idle_one_gets_the_offer() -> None:
    """It was ending, or had a browser already, when the offer came."""
    world = World()
    spare = world.add("worker")
    world.now_ns += 1
    busy = world.add("worker")
    request = world.join()
    (offer,) = world.messages_to(busy)
    assert isinstance(offer, Offer)
    world.say(busy, Refused(offer.participant, 503, "Busy", "it has a browser already"))
    world.act(spare)
    assert world.answer_to(request)


def test_where_every_worker_is_busy_that_is_the_answer() -> None:
    world = World()
    busy = world.add("worker")
    request = world.join()
    (offer,) = world.messages_to(busy)
    assert isinstance(offer, Offer)
    world.say(busy, Refused(offer.participant, 503, "Busy", "it has a browser already"))
    assert problem(world, request).detail == "it has a browser already"


def test_a_refusal_with_an_impossible_status_is_500() -> None:
    world = World()
    worker = world.add("worker")
    request = world.join()
    (offer,) = world.messages_to(worker)
    assert isinstance(offer, Offer)
    world.say(worker, Refused(offer.participant, 200, "odd", "odd"))
    assert problem(world, request).status == 500


def test_a_worker_that_never_got_its_offer_is_used_again_after_a_while() -> None:
    world = World()
    worker = world.add("worker")
    world.join()
    worker.inbox.clear()
    world.advance(5_000)
    assert world.people() == []
    world.advance(2_000)
    request = world.join()
    assert world.messages_to(worker)[-1] == Leave("p-00000001")
    world.advance(4_000)
    worker.inbox = worker.inbox[-1:]
    world.act(worker)
    assert world.answer_to(request)


def test_delete_ends_the_call_once() -> None:
    world = World()
    worker = world.add("worker")
    participant, _ = called(world)
    assert world.replies_to(world.remove("p-00000000"))[0].status == 404  # type: ignore[union-attr]
    assert problem(world, world.remove(participant, "attic")).status == 404
    gone = world.remove(participant)
    assert world.replies_to(gone) == [ReplyLeft(gone, "home", participant)]
    assert isinstance(worker.inbox[-1], Leave)
    assert problem(world, world.remove(participant)).status == 404
    assert world.notes[-1] == Left("home", participant, "asked to leave")


def test_a_deleted_participant_is_not_revived_by_a_late_state() -> None:
    world = World()
    worker = world.add("worker")
    participant, _ = called(world)
    world.remove(participant)
    worker.inbox.clear()
    world.report(worker)
    assert world.people() == []
    assert worker.inbox == [Leave(participant)]


def test_a_participant_ends_with_its_worker() -> None:
    for end in ("closed", "exit", "silence"):
        world = World()
        worker = world.add("worker")
        participant, _ = called(world)
        assert world.people() == [participant]
        if end == "closed":
            worker.status = "closed"
            world.report(worker)
        elif end == "exit":
            world.exit(worker, -9)
        else:
            worker.hung = True
            world.advance(2_999)
            assert world.people() == [participant]
            world.advance(1)
        assert world.people() == [], end
        left = world.notes[-1]
        assert isinstance(left, Left) and left.lost == (end != "closed"), end


def test_a_worker_that_is_idle_again_long_after_the_answer_has_lost_its_call() -> None:
    world = World()
    worker = world.add("worker")
    called(world)
    worker.status, worker.work = "idle", None
    world.report(worker)
    assert len(world.people()) == 1
    world.advance(3_000)
    assert world.people() == []


def test_names_and_mutes_follow_the_workers_states() -> None:
    world = World()
    worker = world.add("worker")
    participant, _ = called(world, name="Ada")
    state = WorkerState(
        worker.identity, 1, "connected", "home", participant, 1, "Countess", muted=True
    )
    world.say(worker, state)
    (room,) = world.registry.rooms()
    assert (room.participants[0].name, room.participants[0].muted) == ("Countess", True)


@pytest.mark.parametrize(
    ("room", "name", "status"),
    [("Kitchen", "", 400), ("-a", "", 400), ("a" * 65, "", 400), ("a", "x" * 65, 400)],
)
def test_bad_names_are_refused(room: str, name: str, status: int) -> None:
    world = World()
    assert problem(world, world.join(room, name)).status == status
    assert world.people() == []


def test_the_gateway_is_full_at_max_participants() -> None:
    world = World(max_participants=2)
    world.join()
    world.join("attic")
    reply = problem(world, world.join())
    assert (reply.status, reply.title, reply.retry_after_s) == (503, "Full", 3)


def test_a_new_room_is_refused_at_max_rooms_but_an_old_one_may_be_joined() -> None:
    world = World(max_rooms=1)
    world.join("home")
    assert problem(world, world.join("attic")).status == 503
    assert world.replies_to(world.join("home")) == []


def test_a_room_shows_its_people_and_its_link() -> None:
    world = World()
    world.add("worker")
    link = world.add("link")
    participant, _ = called(world, name="Ada")
    state = LinkState(
        link.identity, 1, "ready", "home", 7, "simulator", "fine", {"tokens_total": 5}
    )
    world.say(link, state)
    (reply,) = world.replies_to(world.look("home"))
    assert isinstance(reply, ReplyRoom)
    (person,) = reply.view.participants
    assert (person.participant, person.name, person.status) == (participant, "Ada", "connected")
    view = reply.view.link
    assert (view.status, view.upstream, view.usage) == ("ready", "simulator", {"tokens_total": 5})
    assert problem(world, world.look("attic")).status == 404
    assert problem(world, world.look("Attic")).status == 400


def test_a_room_has_one_link_however_many_people() -> None:
    world = World()
    links = [world.add("link") for _ in range(3)]
    for _ in range(3):
        world.add("worker")
        called(world)
    assert sum(len(world.messages_to(link)) for link in links) == 1


def test_a_link_is_opened_as_soon_as_one_is_idle() -> None:
    world = World()
    world.add("worker")
    called(world)
    link = world.add("link")
    assert isinstance(world.messages_to(link)[0], OpenLink)


def test_nobody_connecting_means_no_link() -> None:
    world = World()
    link = world.add("link")
    world.join()
    assert link.inbox == []


@pytest.mark.parametrize("end", ["closed", "exit", "silence"])
def test_a_lost_link_is_replaced_at_once(end: str) -> None:
    world = World()
    world.add("worker")
    first = world.add("link")
    called(world)
    spare = world.add("link")
    assert spare.inbox == []
    if end == "closed":
        first.status = "closed"
        world.report(first)
    elif end == "exit":
        world.exit(first, -9)
    else:
        first.hung = True
        world.advance(3_000)
    (opened,) = world.messages_to(spare)
    assert isinstance(opened, OpenLink)
    assert any(isinstance(note, LinkLost) for note in world.notes)


def test_links_that_die_again_and_again_are_replaced_ever_more_slowly() -> None:
    world = World()
    world.add("worker")
    world.add("link")
    called(world)
    waits_ms = []
    for _ in range(10):
        spare = world.add("link")
        for child in list(world.children.values()):
            if child.kind == "link" and child is not spare:
                world.exit(child, 1)
        waited_ms = 0
        while not spare.inbox:
            world.advance(50)
            waited_ms += 50
        world.settle()
        world.connect(spare)
        waits_ms.append(waited_ms)
    assert waits_ms == [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]


def test_a_link_that_was_sound_is_always_replaced_at_once() -> None:
    world = World()
    world.add("worker")
    link = world.add("link")
    called(world)
    for _ in range(4):
        spare = world.add("link")
        world.advance(10_000)
        world.exit(link, 1)
        assert spare.inbox
        world.settle()
        world.connect(spare)
        link = spare


def test_a_link_that_gave_up_keeps_its_room_so_there_is_no_storm() -> None:
    world = World()
    world.add("worker")
    link = world.add("link")
    called(world)
    spare = world.add("link")
    link.status = "failed"
    world.report(link)
    world.advance(60_000)
    assert spare.inbox == []
    world.exit(link, 1)
    assert spare.inbox == []
    world.advance(2_000)
    assert spare.inbox


def test_a_link_child_that_does_not_react_is_replaced_and_told_to_leave() -> None:
    world = World()
    world.add("worker")
    slow = world.add("link")
    world.join()
    quick = world.add("link")
    world.advance(1_500)
    assert isinstance(slow.inbox[-1], Leave)
    assert isinstance(quick.inbox[-1], OpenLink)


def test_a_second_link_of_a_room_is_told_to_leave() -> None:
    world = World()
    world.add("worker")
    world.add("link")
    called(world)
    rival = world.add("link")
    world.say(rival, LinkState(rival.identity, 1, "ready", "home", 99))
    assert rival.inbox == [Leave("")]


def test_a_link_that_closes_because_the_room_is_empty_is_no_loss() -> None:
    world = World()
    worker, link = world.add("worker"), world.add("link")
    called(world)
    world.exit(worker)
    link.status = "closed"
    world.report(link)
    assert not any(isinstance(note, LinkLost) for note in world.notes)


def test_a_link_that_lingers_after_the_room_was_empty_is_used_again() -> None:
    world = World()
    worker, link = world.add("worker"), world.add("link")
    called(world)
    world.exit(worker)
    assert world.registry.rooms() == []
    world.add("worker")
    world.add("link")
    called(world)
    assert len([a for a in world.sent if isinstance(a.message, OpenLink)]) == 1
    assert link.inbox == []


def test_an_answer_from_a_worker_that_does_not_have_the_offer_is_not_believed() -> None:
    world = World()
    worker = world.add("worker")
    request = world.join()
    (offer,) = world.messages_to(worker)
    assert isinstance(offer, Offer)
    thief = world.add("worker")
    world.say(thief, Answer(offer.participant, "mine"))
    assert world.replies_to(request) == []
    assert Leave(offer.participant) in world.messages_to(thief)


def test_a_stopping_gateway_answers_everybody_who_waits() -> None:
    world = World()
    world.add("worker")
    requests = [world.join(), world.join()]
    world.restart()
    for request in requests:
        assert (problem(world, request).status, problem(world, request).title) == (
            503,
            "Restarting",
        )


def restarted(**limits: int) -> tuple[World, str]:
    """A world with one call, whose signaling was just started again."""
    world = World(**({"rebuild_ns": 1_500_000_000} | limits))
    world.advance(1_500)
    world.add("worker")
    world.add("link")
    participant, _ = called(world, name="Ada", mode="conference")
    world.advance(300)
    world.restart()
    return world, participant


def test_a_restart_rebuilds_rooms_from_states_and_opens_nothing() -> None:
    world, participant = restarted()
    sent = len(world.sent)
    world.add("link")
    world.add("worker")
    world.advance(5_000)
    (room,) = world.registry.rooms()
    assert (room.room, room.mode, room.link.status) == ("home", "conference", "ready")
    (person,) = room.participants
    assert (person.participant, person.name, person.status) == (participant, "Ada", "connected")
    assert len(world.sent) == sent


def test_after_a_restart_a_delete_waits_until_its_participant_is_known() -> None:
    world, participant = restarted()
    request = world.remove(participant)
    assert world.replies_to(request) == []
    world.advance(1_000)
    assert world.replies_to(request) == [ReplyLeft(request, "home", participant)]


def test_after_a_restart_what_nobody_announces_is_404_after_a_while() -> None:
    world, _ = restarted()
    requests = [world.remove("p-00000000"), world.look("attic")]
    world.advance(1_499)
    assert all(world.replies_to(request) == [] for request in requests)
    world.advance(1)
    assert [problem(world, request).status for request in requests] == [404, 404]


def test_after_a_restart_an_offer_waits_so_that_limits_and_modes_hold() -> None:
    world, _ = restarted(max_participants=2)
    world.add("worker")
    first, second = world.join(mode="assistant"), world.join()
    world.advance(1_500)
    world.settle()
    assert world.answer_to(first)
    assert problem(world, second).title == "Full"
    offers = [a.message for a in world.sent if isinstance(a.message, Offer)]
    assert offers[-1].mode == "conference"


def test_a_link_lost_during_the_restart_is_replaced_when_all_are_known() -> None:
    world, _ = restarted()
    (link,) = [c for c in world.children.values() if c.kind == "link"]
    world.exit(link, -9)
    spare = world.add("link")
    world.advance(1_499)
    assert spare.inbox == []
    world.advance(1)
    assert isinstance(spare.inbox[0], OpenLink)


def test_a_process_that_was_stopped_blames_nobody_for_not_being_heard() -> None:
    world = World()
    world.add("worker")
    world.add("link")
    called(world)
    world.now_ns += 60 * S_NS
    world.registry.was_deaf(world.now_ns)
    world.do(world.registry.timeout(world.now_ns))
    world.advance(2_999, beats=False)
    counts = world.registry.counts()
    assert (counts["participants"], counts["links_active"]) == (1, 1)
    world.advance(1, beats=False)
    assert world.registry.counts()["participants"] == 0, "who is silent still is lost"


def test_an_idle_registry_has_nothing_to_wait_for() -> None:
    world = World()
    assert world.registry.next_timeout_ns(world.now_ns) is None
    worker = world.add("worker")
    assert world.registry.next_timeout_ns(world.now_ns) == world.now_ns + 3 * S_NS
    world.exit(worker)
    assert world.registry.next_timeout_ns(world.now_ns) is None
    assert not any(world.registry.counts().values())


def test_a_child_that_is_at_work_keeps_its_offer_however_slow_its_stun_server_is() -> None:
    """Each child that an offer went to would be as slow, and be used up."""
    world = World()
    first, second = world.add("worker"), world.add("worker")
    request = world.join()
    (slow, other) = (first, second) if first.inbox else (second, first)
    offer = slow.inbox.pop(0)
    assert isinstance(offer, Offer)
    slow.work, slow.status = offer, "connecting"
    for _ in range(25):
        world.advance(100)
    assert other.inbox == [] and slow.inbox == [], "it was offered to another one"
    answer = Answer(offer.participant, "v=0")
    world.do(world.registry.message(slow.identity, answer, world.now_ns))
    assert world.answer_to(request).participant == offer.participant
