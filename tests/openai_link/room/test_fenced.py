"""A room whose machine has lost its cluster pauses at once, and goes on under a newer grant."""

from __future__ import annotations

import pytest

from mixer_core.cluster.fence import OPEN_NS
from mixer_core.journal.records import ClosedRecord
from mixer_core.runtime.units import S_NS
from openai_link.room.guard import REASON, WORDS, Guard
from tests.openai_link.room.world import PARTICIPANT, Scene, World, say, speak, until

TALK = Scene("talk", (say("hello"), until("speaking"), until("idle", 20_000)))
ASLEEP_NS = 3_600 * S_NS


def look(room: World, guard: Guard, slept_ns: int = 0) -> None:
    """What the shell does before everything else; ``slept_ns``: the machine has slept so long."""
    if guard.must_pause(room.now_ns + slept_ns):
        room.do(room.engine.suspend(REASON, WORDS, room.now_ns))


def run(room: World, guard: Guard, ms: int) -> None:
    for _ in range(ms // 20):
        look(room, guard)
        room.step()


def grant(room: World, guard: Guard, epoch: int, until_ns: int) -> None:
    if guard.grant(epoch, until_ns, room.now_ns) == "resume":
        room.do(room.engine.resume(REASON, room.now_ns))


def test_without_another_grant_the_session_ends_in_time_in_the_middle_of_a_reply() -> None:
    room = World(Scene("story", (say("tell me a long story"), until("speaking", 8_000))))
    room.run(1_500)
    guard = Guard(1, room.now_ns + S_NS, standby=False, now_ns=room.now_ns - OPEN_NS)
    assert room.assistant == "speaking" and not guard.is_paused
    end_ns = room.now_ns + S_NS
    while room.sessions:
        look(room, guard)
        room.step()
    assert end_ns <= room.now_ns <= end_ns + 40_000_000
    sent, frames = len(room.sent), len(room.frames)
    run(room, guard, 30_000)
    assert room.opened == 1 and len(room.sent) == sent and len(room.frames) == frames
    assert room.state["upstream"] == "reconnecting" and room.state["detail"] == WORDS
    assert not room.exited, "people stay"


def test_it_goes_on_with_the_conversation_under_a_newer_grant() -> None:
    room = World(TALK)
    room.finish()
    guard = Guard(1, room.now_ns + 3 * S_NS, standby=False, now_ns=room.now_ns)
    run(room, guard, 4_000)
    assert not room.sessions
    grant(room, guard, 1, room.now_ns + OPEN_NS // 2)
    run(room, guard, 200)
    assert room.opened == 1, "there is no time left to open a session"
    grant(room, guard, 1, room.now_ns + 60 * S_NS)
    run(room, guard, 500)
    assert room.opened == 2 and room.state["upstream"] == "ready"
    told = [str(event) for event in room.sent if event.get("type") == "conversation.item.create"]
    assert any("hello" in event for event in told)
    room.ask("and now")


def test_a_machine_that_has_slept_sends_nothing_although_its_timers_have_not_gone_on() -> None:
    room = World(TALK)
    room.finish()
    guard = Guard(1, room.now_ns + 3 * S_NS, standby=False, now_ns=room.now_ns)
    sent = len(room.sent)
    look(room, guard, ASLEEP_NS)
    assert not room.sessions and guard.left_ns(room.now_ns + ASLEEP_NS) is None
    room.browser(type="say", text="are you there")
    room.run(5_000)
    assert len(room.sent) == sent and room.opened == 1


def test_who_was_told_to_stop_stays_quiet_until_another_epoch() -> None:
    room = World(TALK)
    room.finish()
    guard = Guard(4, room.now_ns + 3 * S_NS, standby=False, now_ns=room.now_ns)
    assert guard.grant(4, 0, room.now_ns) == "pause"
    room.do(room.engine.suspend(REASON, WORDS, room.now_ns))
    grant(room, guard, 4, room.now_ns + 9 * S_NS)
    run(room, guard, 1_000)
    assert not room.sessions
    grant(room, guard, 5, room.now_ns + 9 * S_NS)
    run(room, guard, 1_000)
    assert room.opened == 2 and room.state["upstream"] == "ready"


def test_the_conversation_of_a_paused_room_goes_on_where_its_people_are_sent() -> None:
    room = World(TALK)
    room.finish()
    room.do(room.engine.suspend(REASON, WORDS, room.now_ns))
    room.roster()
    room.run(10_000)
    assert room.exited == "the room is empty"
    assert not any(isinstance(record, ClosedRecord) for record in room.journal.records)


def test_fenced_while_it_connects_it_opens_nothing() -> None:
    room = World(Scene("turn", (speak(1_000, PARTICIPANT),)))
    guard = Guard(1, 0, standby=False, now_ns=0)
    assert guard.is_paused
    room.do(room.engine.suspend(REASON, WORDS, room.now_ns))
    run(room, guard, 30_000)
    assert not room.sessions
    grant(room, guard, 1, room.now_ns + 60 * S_NS)
    run(room, guard, 1_000)
    assert room.state["upstream"] == "ready"


@pytest.mark.parametrize(("left_ns", "may"), [(OPEN_NS, False), (OPEN_NS + 1, True)])
def test_a_session_is_opened_only_with_time_left(left_ns: int, may: bool) -> None:
    guard = Guard(1, 10 * S_NS, standby=False, now_ns=0)
    assert guard.may_open(10 * S_NS - left_ns) is may and guard.is_paused is not may


def test_in_standby_the_session_waits_and_counts_from_the_first_grant() -> None:
    guard = Guard(3, 0, standby=True, now_ns=0)
    assert not guard.is_paused and guard.may_open(99 * S_NS) and guard.left_ns(0) is None
    assert not guard.must_pause(99 * S_NS) and guard.grant(3, 0, 0) is None
    assert guard.grant(4, 100 * S_NS, 99 * S_NS - 1) is None and guard.left_ns(99 * S_NS) == S_NS
    assert guard.must_pause(100 * S_NS) and not guard.must_pause(101 * S_NS)


def test_without_a_cluster_nothing_is_looked_at() -> None:
    guard = Guard(0, 0, standby=True, now_ns=0)
    assert guard.is_off and guard.may_open(10**18) and not guard.must_pause(10**18)
