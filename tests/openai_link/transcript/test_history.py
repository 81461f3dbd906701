"""What a new session is told: limits, names, pairs that stay together."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from mixer_core.journal.records import HistoryItem
from openai_link.realtime.client_events import ClientEvents
from openai_link.transcript.history import Seed, SeedLimits, seed_events

CLIENT_EVENT: TypeAdapter[object] = TypeAdapter(RealtimeClientEvent)
USER = HistoryItem("u", 1, "message", "user", "p-1", "Anna", "Hi", final=True)
REPLY = HistoryItem("a", 2, "message", "assistant", text="Hello.", final=True)
TOOL = HistoryItem(
    "f", 3, "tool", "assistant", call="call_1", tool="get_time", arguments="{}", output="noon",
    ok=True, final=True,
)  # fmt: skip


def seed(*items: HistoryItem, names: tuple[str, ...] = (), **limits: int) -> Seed:
    result = seed_events(items, ClientEvents("call2"), SeedLimits(**limits), names)
    for event in result.events:
        CLIENT_EVENT.validate_python(event)
        assert len(event["item"]["id"]) <= 32
    return result


def shown(result: Seed) -> list[str]:
    lines = []
    for event in result.events:
        item = event["item"]
        content = item.get("content")
        lines.append(f"{item['role']}: {content[0]['text']}" if content else item["type"])
    return lines


def test_both_sides_become_text_in_order() -> None:
    result = seed(USER, REPLY, TOOL)
    calls = ["function_call", "function_call_output"]
    assert shown(result) == ["user: Hi", "assistant: Hello.", *calls]
    assert list(result.new_ids) == ["u", "a", "f"]
    kinds = [event["item"].get("content", [{}])[0].get("type") for event in result.events[:2]]
    assert kinds == ["input_text", "output_text"]
    ids = {event["item"]["id"] for event in result.events}
    assert ids == {*result.new_ids.values(), *result.ignored}
    assert not ids & {"u", "a", "f"}


def test_names_are_told_where_several_people_are() -> None:
    ben = replace(USER, item="b", name="Ben", text="No")
    assert shown(seed(USER, ben)) == ["user: Anna: Hi", "user: Ben: No"]
    assert shown(seed(USER, names=("Anna", "Ben"))) == ["user: Anna: Hi"]
    assert shown(seed(USER, names=("Anna",))) == ["user: Hi"]


def test_a_pending_call_is_told_without_a_result() -> None:
    pending = replace(TOOL, ok=None, output="", final=False)
    result = seed(USER, pending)
    assert shown(result) == ["user: Hi", "function_call"]
    assert result.ignored == []


def test_what_has_no_words_is_left_out() -> None:
    broken_off = replace(TOOL, ok=False, output="")
    assert shown(seed(replace(USER, text=" "), broken_off, replace(REPLY, text=""))) == []


def test_an_interrupted_reply_shows_it() -> None:
    assert shown(seed(replace(REPLY, heard_ms=300))) == ["assistant: Hello. …"]


def test_the_newest_win() -> None:
    items = [replace(USER, item=f"u{n}", text=f"{n:04}") for n in range(10)]
    assert shown(seed(*items, max_items=2)) == ["user: 0008", "user: 0009"]
    assert shown(seed(*items, max_chars=11)) == ["user: 0008", "user: 0009"]
    assert shown(seed(*items, max_items=0)) == []


KINDS = st.sampled_from(["user", "reply", "tool", "pending", "empty"])


@given(st.lists(KINDS, max_size=40), st.integers(0, 30), st.integers(0, 300))
def test_pairs_are_never_torn_apart(kinds: list[str], max_items: int, max_chars: int) -> None:
    models = {
        "user": USER,
        "reply": REPLY,
        "tool": TOOL,
        "pending": replace(TOOL, ok=None, output=""),
        "empty": replace(USER, text=""),
    }
    items = [replace(models[k], item=f"i{n}", call=f"c{n}") for n, k in enumerate(kinds)]
    result = seed(*items, max_items=max_items, max_chars=max_chars)
    assert len(result.events) <= max_items
    content = [event["item"] for event in result.events]
    calls = [item["call_id"] for item in content if item["type"] == "function_call"]
    outputs = [item["call_id"] for item in content if item["type"] == "function_call_output"]
    assert len(set(calls)) == len(calls)
    answered = {item.call for item in items if item.kind == "tool" and not item.pending}
    assert outputs == [call for call in calls if call in answered]
    told = [item.item for item in items if item.item in result.new_ids]
    possible = [item.item for item in items if item.text or item.kind == "tool"]
    assert told == possible[len(possible) - len(told) :], "the newest, without a gap"
