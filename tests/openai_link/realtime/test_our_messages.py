"""Messages of ours of which the server says nothing."""

from __future__ import annotations

from typing import Any

from openai_link.realtime.our_messages import MAX_UNTAKEN, TAKEN_NS, OurMessages


def text(item: str) -> dict[str, Any]:
    content = {"id": item, "type": "message", "role": "user"}
    return {"type": "conversation.item.create", "item": content}


def ids(items: list[Any]) -> list[str]:
    return [item["id"] for item in items]


def test_an_answer_shows_that_what_was_sent_before_it_was_asked_for_is_taken() -> None:
    messages = OurMessages()
    messages.sent(text("a"), 0)
    messages.sent(text("b"), 0)
    messages.settled("b")
    messages.sent({"type": "response.create", "event_id": "ask"}, 0)
    messages.sent(text("c"), 0)
    assert ids(messages.answered("ask")) == ["a"]
    assert messages.answered("ask") == [] and messages.answered("other") == []


def test_what_is_not_refused_in_time_is_taken_if_the_server_lives() -> None:
    messages = OurMessages()
    messages.sent(text("a"), 10)
    assert messages.next_timeout_ns(heard_ns=10) is None
    assert messages.overdue(10 + TAKEN_NS, heard_ns=10) == []
    assert messages.next_timeout_ns(heard_ns=11) == 10 + TAKEN_NS
    assert messages.overdue(9 + TAKEN_NS, heard_ns=11) == []
    assert ids(messages.overdue(10 + TAKEN_NS, heard_ns=11)) == ["a"]


def test_only_messages_of_people_are_waited_for_and_not_too_many() -> None:
    messages = OurMessages()
    call = {"id": "call", "type": "function_call_output"}
    messages.sent({"type": "conversation.item.create", "item": call}, 0)
    assert messages.overdue(TAKEN_NS, heard_ns=1) == []
    for number in range(MAX_UNTAKEN + 1):
        messages.sent(text(str(number)), 0)
    kept = ids(messages.overdue(TAKEN_NS, heard_ns=1))
    assert len(kept) == MAX_UNTAKEN and kept[0] == "1"
