"""What a new session is told of the conversation, and when it knows."""

from __future__ import annotations

import dataclasses

from mixer_core.journal.records import HistoryItem
from openai_link.facts import (
    ItemDeleted,
    ItemDone,
    ServerError,
)
from openai_link.realtime.client_events import ClientEvents
from openai_link.transcript.history import SeedLimits
from openai_link.transcript.seeding import PATIENCE_NS, Seeding, settled

S = 1_000_000_000


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


def pending_call(call: str = "call_1") -> HistoryItem:
    return HistoryItem("f", 1, "tool", "assistant", call=call, tool="clock", arguments="{}")


def test_a_call_that_was_answered_gets_no_second_output() -> None:
    seed = seeding()
    call = pending_call("call_" + "x" * 40)
    (told,) = seed.tell([call], (), 0)
    (output,) = seed.answer(call.call, "noon")
    assert output["item"]["call_id"] == told["item"]["call_id"] == call.call[:32]
    assert seed.answer(call.call, "noon") == []
    assert seed.tell([dataclasses.replace(call, output="noon", ok=True, final=True)], (), 0) == []


def test_a_call_that_was_too_old_to_be_told_gets_no_output() -> None:
    seed = Seeding(ClientEvents("mm9"), SeedLimits(max_items=0))
    call = pending_call()
    assert seed.tell([call], (), 0) == []
    assert seed.answer("call_1", "noon") == []
    assert seed.tell([dataclasses.replace(call, output="noon", ok=True, final=True)], (), 0) == []


def test_a_reply_that_became_shorter_is_told_again_in_its_place() -> None:
    seed = seeding()
    (told,) = seed.tell([message(1, "assistant")], (), 0)
    create, delete = seed.correct(message(1, "assistant", text="word", heard_ms=300), 1)
    assert create["previous_item_id"] == delete["item_id"] == told["item"]["id"]
    assert create["item"]["content"][0]["text"] == "word …"
    assert seed.new_ids == {"i1": create["item"]["id"]}
    assert seed.on_fact(ItemDeleted(told["item"]["id"]), 2)
    (delete,) = seed.correct(message(1, "assistant", text="", heard_ms=0), 3)
    assert delete["item_id"] == create["item"]["id"]
    (told,) = seed.correct(message(2, "assistant", heard_ms=300), 4)
    assert told["item"]["content"][0]["text"] == "word 2 …", "it was not told before"


def test_what_comes_late_is_told_in_its_place() -> None:
    seed = seeding()
    call = dataclasses.replace(pending_call(), output="noon", ok=True, final=True)
    events = seed.tell([message(1), call], (), 0, after="item_7")
    ids = [event["item"]["id"] for event in events]
    assert [event["previous_item_id"] for event in events] == ["item_7", *ids[:-1]]
