"""What the gateway's messages mean for a script."""

from __future__ import annotations

from typing import Any

from signaling.client.conversation import Caption, Conversation, history


def caption(item: str, text: str, final: bool = True, **more: Any) -> dict[str, Any]:
    return {"type": "caption", "item": item, "text": text, "final": final} | more


def taken(*messages: dict[str, Any]) -> Conversation:
    conversation = Conversation()
    for message in messages:
        conversation.take(message)
    return conversation


def lines(conversation: Conversation, interim: bool = False) -> list[Caption]:
    return list(iter(lambda: conversation.next_line(interim), None))  # type: ignore[arg-type]


def test_a_line_comes_once_when_it_is_whole() -> None:
    conversation = taken(
        caption("a", "How", final=False), caption("b", "Hm"), caption("a", "How are you?")
    )
    assert [line.text for line in lines(conversation)] == ["How are you?", "Hm"]
    assert lines(conversation) == []


def test_words_come_as_they_are_said_to_whoever_wants_them() -> None:
    conversation = taken(caption("a", "How", final=False))
    assert [line.text for line in lines(conversation, interim=True)] == ["How"]
    conversation.take(caption("a", "How are you?"))
    assert [line.final for line in lines(conversation, interim=True)] == [True]


def test_a_line_that_is_cut_later_comes_again() -> None:
    conversation = taken(caption("a", "One two three", speaker="assistant"))
    assert lines(conversation)[0].is_assistant
    conversation.take(caption("a", "One", speaker="assistant", interrupted=True))
    (again,) = lines(conversation)
    assert (again.item, again.text, again.interrupted) == ("a", "One", True)


def test_a_whole_line_stays_to_be_read_while_how_it_ends_is_not_kept_yet() -> None:
    shown = caption("a", "One", final=False, speaker="assistant")
    conversation = taken(caption("a", "One two", speaker="assistant"), shown)
    assert [line.text for line in lines(conversation)] == ["One two"]


def test_people_are_named() -> None:
    person = {"participant": "p-1", "name": "Ada", "muted": True, "role": "admin", "you": True}
    conversation = taken(
        {"type": "participants", "participants": [person, "nonsense"]},
        caption("a", "Hello", speaker="p-1"),
    )
    (known,) = conversation.people
    assert (known.name, known.muted, known.role, known.you) == ("Ada", True, "admin", True)
    assert (known.place, known.plays, known.hears) == ("", True, "")
    assert lines(conversation)[0].name == "Ada"


def test_devices_of_a_place_are_told_apart() -> None:
    entry = {"participant": "p-1", "place": "Kitchen", "plays": False, "hears": "assistant"}
    (known,) = taken({"type": "participants", "participants": [entry]}).people
    assert (known.place, known.plays, known.hears) == ("Kitchen", False, "assistant")


def test_what_nobody_reads_is_bounded_and_counted() -> None:
    conversation = taken(*(caption(str(number), "x") for number in range(500)))
    assert conversation.missed_lines == 300
    assert next(line.item for line in lines(conversation)) == "300"


def test_a_message_of_another_shape_says_nothing() -> None:
    conversation = taken({}, {"type": "participants", "participants": 7}, {"type": ["state"]})
    assert (conversation.people, conversation.upstream) == ((), "")


def test_a_line_knows_its_place() -> None:
    (line,) = lines(taken(caption("b", "Hm", position=20, previous="a")))
    assert (line.position, line.previous) == (20, "a")
    (older,) = lines(taken(caption("b", "Hm", position="x")))
    assert (older.position, older.previous) == (None, "")


def test_what_was_said_before_comes_in_order() -> None:
    entry = {"kind": "message", "final": True, "name": "", "role": "assistant"}
    items = [
        entry | {"item": "u", "role": "user", "participant": "p", "name": "Ada", "text": "Hi"},
        {"item": "t", "kind": "tool", "name": "get_time", "position": 2},
        entry | {"item": "n", "text": ""},
        entry | {"item": "a", "text": "Hello", "position": 3, "heard_ms": 200},
        "odd",
    ]
    first, second = history({"items": items})
    assert (first.name, first.text, first.previous) == ("Ada", "Hi", "")
    assert (second.is_assistant, second.previous, second.position) == (True, "u", 3)
    assert second.interrupted and second.name == "Assistant"
    for odd in (None, [], {"items": 3}, {"items": None}):
        assert history(odd) == []


def test_after_a_loss_the_assistant_is_not_there_before_it_is_told() -> None:
    conversation = taken(
        {"type": "welcome"}, {"type": "state", "upstream": "ready", "assistant": "speaking"}
    )
    assert (conversation.upstream, conversation.assistant) == ("ready", "speaking")
    conversation.take({"type": "welcome"})
    assert (conversation.upstream, conversation.assistant) == ("", "")
