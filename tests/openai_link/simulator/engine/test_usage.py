"""Tokens: of items, in the context, from the cache."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openai_link.simulator.brains.tone import ToneBrain
from openai_link.simulator.engine import usage
from openai_link.simulator.engine.items import Item
from openai_link.simulator.engine.usage import Tokens
from tests.openai_link.simulator.automaton import check_usage
from tests.openai_link.simulator.support import LOUD, REGULAR, Json, Session


def message(text: str) -> Item:
    content = [{"type": "input_text", "text": text}]
    return Item("item_1", "message", {"role": "user", "content": content})


def spoken(role: str, length_ms: int) -> Item:
    kind = "output_audio" if role == "assistant" else "input_audio"
    content = [{"type": kind, "transcript": "t" * 40}]
    item = Item("item_1", "message", {"role": role, "content": content})
    item.add_audio(bytes(48 * length_ms))
    return item


def test_speech_weighs_by_its_length_and_the_users_words_nothing_beside_it() -> None:
    assert usage.item_tokens(message("x" * 41)) == Tokens(text=11)
    assert usage.item_tokens(spoken("user", 2_000)) == Tokens(audio=20)
    assert usage.item_tokens(spoken("assistant", 2_000)) == Tokens(text=10, audio=40)
    call = Item("i", "function_call", {"name": "abcd", "call_id": "c", "arguments": "{}  "})
    assert usage.item_tokens(call) == Tokens(text=2)
    picture = [{"type": "input_image", "image_url": "data:,"}]
    image = Item("i", "message", {"role": "user", "content": picture})
    assert usage.item_tokens(image).image > 0


def test_the_cache_holds_what_was_sent_before_in_steps_of_64() -> None:
    now = Tokens(text=200, audio=100)
    assert now.cached(Tokens()) == Tokens()
    assert now.cached(Tokens(text=130, audio=500)) == Tokens(text=128, audio=64)


def test_the_oldest_items_leave_a_context_that_is_full() -> None:
    items = [message("x" * 400) for _ in range(10)]
    assert usage.within(items, 1_000, 1.0) == items
    assert len(usage.within(items, 450, 1.0)) == 4
    assert len(usage.within(items, 450, 0.5)) == 2


@pytest.mark.parametrize(
    ("truncation", "most"),
    [
        ("auto", 500),
        ({"type": "retention_ratio", "retention_ratio": 0.5}, 300),
        (
            {
                "type": "retention_ratio",
                "retention_ratio": 1.0,
                "token_limits": {"post_instructions": 200},
            },
            250,
        ),
    ],
)
def test_a_long_conversation_is_billed_as_far_as_it_fits(truncation: str | Json, most: int) -> None:
    options = replace(REGULAR, context_tokens=500)
    wanted = {"truncation": truncation, "instructions": ""}
    session = Session(wanted, ToneBrain(100), options)
    for _ in range(12):
        session.write("x" * 400)
    session.send(type="response.create")
    session.wait(60)
    used = session.last("response.done")["response"]["usage"]
    check_usage(used)
    assert 100 <= used["input_tokens"] <= most


def test_without_truncation_a_full_context_fails_the_response() -> None:
    options = replace(REGULAR, context_tokens=500)
    session = Session({"truncation": "disabled"}, ToneBrain(100), options)
    session.write("x" * 4_000)
    session.send(type="response.create")
    session.wait(60)
    done = session.last("response.done")["response"]
    assert done["status"] == "failed" and done["usage"] is None
    assert done["status_details"]["error"]["code"] == "context_length_exceeded"


def test_an_interruption_may_tell_of_the_truncation_first() -> None:
    options = replace(REGULAR, truncated_first="always", generation_speed=2.0)
    session = Session(brain=ToneBrain(60_000), options=options)
    session.send(type="response.create")
    session.wait(100)
    kinds = session.kinds(session.hear(LOUD, 4))
    assert kinds.index("conversation.item.truncated") < kinds.index("response.done")
