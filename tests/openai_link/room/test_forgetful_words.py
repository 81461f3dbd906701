"""Any event that carries the words of a reply is enough: servers leave out all the others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.openai_link.room import checks
from tests.openai_link.room.scenes import ANSWERED
from tests.openai_link.room.test_websocket import WebsocketWorld
from tests.openai_link.room.world import Scene, World, say, speak, wait

TRANSCRIPT = "response.output_audio_transcript."
KINDS = (World, WebsocketWorld)
CARRIERS = {
    "transcript": f"{TRANSCRIPT}done",
    "part": "response.content_part.done",
    "output item": "response.output_item.done",
    "item": "conversation.item.done",
    "output": "output",
    "deltas": f"{TRANSCRIPT}delta",
}
"""What brings the words, by a name; ``output``: that of ``response.done``."""
PLACES = ("response.output_item.added", "conversation.item.added", "response.content_part.added")


def forgetful(kind: type[World], keeps: set[str], places: set[str], scene: Scene) -> World:
    """A server that brings the words of its replies, and their places, by ``keeps`` alone."""
    dropped = {*CARRIERS.values(), *PLACES} - keeps - places

    class Forgetful(kind):  # type: ignore[misc, valid-type]
        def _receive(self, session: int, event: dict[str, Any]) -> None:
            item = event.get("item", {})
            is_reply = item.get("role", "assistant") == "assistant"
            if event["type"] in dropped and is_reply:
                return
            if event["type"] == "response.done" and "output" in dropped:
                event["response"]["output"] = []
            super()._receive(session, event)

    return Forgetful(scene)


TALK = Scene(
    "talk",
    (wait(300), speak(800), *ANSWERED, say("And you?"), *ANSWERED, wait(1_500)),
    heard=("Good morning.",),
    options={"transcription_delay_ms": 1_200},
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [*PLACES, ""])
@pytest.mark.parametrize("carrier", CARRIERS)
def test_one_carrier_of_the_words_is_enough(kind: type[World], carrier: str, place: str) -> None:
    world = forgetful(kind, {CARRIERS[carrier]}, {place}, TALK)
    world.finish()
    replies = [item for item in checks.messages(world) if item.role == "assistant"]
    assert [(item.text, item.final) for item in replies] == [
        ("You said: Good morning.", True),
        ("You said: And you?", True),
    ]
    texts = [item.text for item in checks.messages(world)]
    assert texts == ["Good morning.", replies[0].text, "And you?", replies[1].text]
    checks.conclude(world)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dropped", [*CARRIERS.values(), *PLACES, "response.output_audio.done"])
def test_one_event_may_be_missing(kind: type[World], dropped: str) -> None:
    everything = {*CARRIERS.values(), *PLACES}
    checks.check_all(forgetful(kind, everything - {dropped}, set(), TALK))


WRITTEN = {
    name: kind.replace("output_audio_transcript", "output_text") for name, kind in CARRIERS.items()
}


@pytest.mark.parametrize("carrier", WRITTEN)
def test_one_carrier_of_written_words_is_enough(carrier: str) -> None:
    dropped = {*WRITTEN.values(), *PLACES} - {WRITTEN[carrier]}

    class Forgetful(World):
        def _receive(self, session: int, event: dict[str, Any]) -> None:
            is_reply = event.get("item", {}).get("role", "assistant") == "assistant"
            if event["type"] in dropped and is_reply:
                return
            if event["type"] == "response.done" and "output" in dropped:
                event["response"]["output"] = None
            super()._receive(session, event)

    steps = (wait(300), say("Hello?"), wait(1_500), say("And you?"), wait(1_500))
    world = Forgetful(Scene("written", steps, settings={"output": "text"}))
    world.finish()
    texts = [item.text for item in checks.messages(world)]
    assert texts == ["Hello?", "You said: Hello?", "And you?", "You said: And you?"]
    assert not world.of("error")
    checks.conclude(world)
