"""When a room moves, whether a reply is pending, and what a new session is told."""

from __future__ import annotations

import dataclasses

import pytest

from mixer_core.journal.records import HistoryItem
from openai_link.facts import (
    ItemDone,
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    ServerError,
    ToolCalled,
    TurnCommitted,
)
from openai_link.realtime.client_events import ClientEvents
from openai_link.room.rollover import OPEN_TIMEOUT_NS, PAUSE_NS, DropNext, Move, OpenNext, Rollover
from openai_link.settings import OpenaiLinkSettings
from openai_link.transcript.history import SeedLimits
from openai_link.transcript.seeding import PATIENCE_NS, Seeding, settled
from openai_link.turns.pending_reply import PendingReply

S = 1_000_000_000


def begun(length_s: float = 3600) -> Rollover:
    rollover = Rollover(OpenaiLinkSettings())
    rollover.began(int(1_000_000 + length_s), 1_000_000.0, 0)
    return rollover


@pytest.mark.parametrize(
    ("length_s", "opens_s", "moves_s"),
    [(3600, 3480, 3590), (20, 14, 17), (12, 6, 10), (0, 3480, 3590), (-5000, 3480, 3590)],
)
def test_margins_shrink_with_the_session(length_s: int, opens_s: int, moves_s: int) -> None:
    rollover = begun(length_s)
    assert rollover.next_timeout_ns() == opens_s * S
    assert rollover.tick(opens_s * S) == [OpenNext()]
    rollover.activity(True, opens_s * S)
    assert rollover.next_ready(opens_s * S + 1) == []
    assert rollover.next_timeout_ns() == moves_s * S
    assert rollover.tick(moves_s * S - 1) == []
    assert rollover.tick(moves_s * S) == [Move(in_pause=False)]
    assert rollover.next_timeout_ns() is None


def test_a_pause_is_taken() -> None:
    rollover = begun(20)
    rollover.tick(14 * S)
    rollover.activity(True, 14 * S)
    rollover.next_ready(14 * S)
    assert rollover.activity(False, 15 * S) == []
    assert rollover.activity(True, 15 * S + PAUSE_NS - 1) == []
    assert rollover.activity(False, 16 * S) == []
    assert rollover.activity(False, 16 * S + PAUSE_NS) == [Move(in_pause=True)]


def test_a_next_session_that_fails_is_tried_again_later() -> None:
    rollover = begun()
    rollover.tick(3480 * S)
    rollover.next_failed(3481 * S)
    assert rollover.next_timeout_ns() == 3483 * S
    assert rollover.tick(3483 * S) == [OpenNext()]
    assert rollover.tick(3483 * S + OPEN_TIMEOUT_NS) == [DropNext()]
    assert rollover.phase == "resting"
    rollover.ended()
    assert rollover.next_timeout_ns() is None


# The pending reply


def answer(pending_reply: PendingReply, status: str = "completed") -> None:
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(PlaybackStarted("r"))
    pending_reply.on_fact(ResponseEnded("r", status))


def test_an_answer_is_owed_until_it_has_been_heard() -> None:
    pending_reply = PendingReply()
    pending_reply.on_fact(TurnCommitted("i"))
    answer(pending_reply)
    assert pending_reply.is_pending
    pending_reply.on_fact(PlaybackEnded("r", cleared=False))
    assert not pending_reply.is_pending


def test_speaking_over_an_answer_settles_it() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(PlaybackStarted("r"))
    pending_reply.on_fact(PlaybackEnded("r", cleared=True))
    pending_reply.on_fact(ResponseEnded("r", "cancelled"))
    assert not pending_reply.is_pending


def test_a_response_that_calls_a_tool_is_no_answer_yet() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(ToolCalled("r", "i", "c", "clock", "{}"))
    pending_reply.on_fact(ResponseEnded("r", "completed"))
    assert pending_reply.is_pending


def test_without_sound_the_end_of_the_response_settles_it() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(ResponseEnded("r", "completed"))
    assert not pending_reply.is_pending
    pending_reply.requested()
    pending_reply.on_fact(ResponseEnded("aside", "completed", in_conversation=False))
    assert pending_reply.is_pending


def test_sound_that_is_made_and_not_heard_yet_is_owed() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(ItemVoiced("r", "i"))
    pending_reply.on_fact(ResponseEnded("r", "completed"))
    assert pending_reply.is_pending
    pending_reply.on_fact(PlaybackStarted("r"))
    assert pending_reply.is_pending
    pending_reply.on_fact(PlaybackEnded("r", cleared=False))
    assert not pending_reply.is_pending


def test_an_answer_that_fails_or_is_heard_before_its_end_is_not_owed() -> None:
    pending_reply = PendingReply()
    pending_reply.requested()
    answer(pending_reply, "failed")
    assert not pending_reply.is_pending
    pending_reply.requested()
    pending_reply.on_fact(ResponseStarted("r"))
    pending_reply.on_fact(PlaybackStarted("r"))
    pending_reply.on_fact(PlaybackEnded("r", cleared=False))
    assert pending_reply.is_pending, "the response goes on"
    pending_reply.on_fact(ResponseEnded("r", "completed"))
    assert not pending_reply.is_pending


def test_who_does_not_answer_turns_owes_nothing_for_them() -> None:
    silent = PendingReply(answers_turns=False)
    silent.on_fact(TurnCommitted("i"))
    assert not silent.is_pending


# Telling the past


def message(number: int, role: str = "user", **more: object) -> HistoryItem:
    item = HistoryItem(f"i{number}", number, "message", "user", text=f"word {number}", final=True)
    return dataclasses.replace(item, role=role, **more)  # type: ignore[arg-type]


def seeding() -> Seeding:
    return Seeding(ClientEvents("mm9"), SeedLimits())


def test_the_past_is_told_once_and_acknowledged() -> None:
    seed = seeding()
    events = seed.tell([message(1), message(2, "assistant")], (), 0)
    assert len(events) == 2 and not seed.is_complete
    assert seed.new_ids.keys() == {"i1", "i2"}
    assert seed.tell([message(1), message(2, "assistant")], (), 0) == []
    for event in events:
        assert seed.on_fact(ItemDone(event["item"]["id"], event["item"]), 1)
    assert seed.is_complete
    assert not seed.on_fact(ItemDone("item_of_the_server", {}), 1)
    assert len(seed.tell([message(1), message(2), message(3)], (), 0)) == 1


def test_a_refused_item_and_a_silent_server_stop_nothing() -> None:
    seed = seeding()
    one, _ = seed.tell([message(1), message(2)], (), 0)
    assert seed.on_fact(ServerError("x", "no", one["event_id"], "", False, False), 1)
    assert (seed.refused, seed.is_complete) == (1, False)
    assert seed.next_timeout_ns() == PATIENCE_NS
    seed.tick(PATIENCE_NS)
    assert seed.is_complete


def test_a_pending_call_gets_its_output_later() -> None:
    seed = seeding()
    call = HistoryItem("f", 1, "tool", "assistant", call="call_1", tool="clock", arguments="{}")
    (told,) = seed.tell([call], (), 0)
    assert told["item"]["type"] == "function_call"
    (output,) = seed.tell([dataclasses.replace(call, output="noon", ok=True, final=True)], (), 0)
    assert output["item"] == output["item"] | {"call_id": "call_1", "output": "noon"}


def test_words_that_come_later_are_told_later() -> None:
    seed = seeding()
    assert seed.tell([message(1, text="", final=False)], (), 0) == []
    assert len(seed.tell([message(1)], (), 0)) == 1
    assert seed.tell([message(1)], (), 0) == []


def test_only_what_will_not_change_is_told_while_the_session_goes_on() -> None:
    items = [message(1), message(2, "assistant"), message(3, final=False, text="")]
    assert settled(items, speaking=False) == items[:2]
    assert settled(items, speaking=True) == items[:1]
    old = [message(0, final=False, text=""), *(message(n) for n in range(1, 4))]
    assert settled(old, speaking=False) == old
