"""The model is told who speaks, before it answers, and nobody else sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mixer_core.runtime.room_rules import Address, RoomRules
from mixer_core.runtime.units import MS_NS
from tests.openai_link.room.world import Scene, Server, Step, World, say, speak, until, wait

ADA, BEN = "p-1", "p-2"
BOTH = Step("join", "p-1,p-2")
ANSWERED = (until("speaking", 4_000), until("idle", 20_000))
HEARD = tuple(f"This is sentence number {n}." for n in range(8))


def scene(*steps: Step, address: Address = "always", **more: Any) -> Scene:
    says = RoomRules(address=address, address_names=("Nova",))
    return Scene("speakers", (BOTH, wait(300), *steps), HEARD, says=says, **more)


def hold(*steps: Step, address: Address = "always", **more: Any) -> World:
    world = World(scene(*steps, address=address, **more))
    world.finish()
    return world


def told(world: World) -> list[str]:
    """What the model was told by the system."""
    items = [event["item"] for event in world.sent if event["type"] == "conversation.item.create"]
    return [item["content"][0]["text"] for item in items if item.get("role") == "system"]


def conversation(server: Server) -> list[str]:
    """The items of the server's conversation in order: what they are."""
    found = []
    for item in server.engine.conversation.items:
        text = (item.fields.get("content") or [{}])[0].get("text")
        found.append(text if item.role == "system" else str(item.role))
    return found


def test_the_item_stands_before_the_words_and_only_where_the_speaker_changes() -> None:
    world = hold(
        *(speak(800, ADA), *ANSWERED, speak(800, ADA), *ANSWERED, speak(400, BEN), *ANSWERED),
    )
    assert told(world) == ['"Ada" is speaking.', '"Ben" is speaking.']
    (server,) = world.sessions.values()
    turn = ["user", "assistant"]
    ada, ben = '"Ada" is speaking.', '"Ben" is speaking.'
    assert conversation(server) == [ada, *turn, *turn, ben, *turn]


def test_who_speaks_at_once_are_both_named_everywhere() -> None:
    world = hold(speak(800, ADA, BEN), *ANSWERED)
    assert told(world)[-1] == '"Ada" and "Ben" are speaking at once.'
    (line,) = [e for e in world.of("caption") if e["final"] and e["speaker"] != "assistant"]
    assert line["name"] == "Ada, Ben"
    assert [i.name for i in world.journal.items().values() if i.role == "user"] == ["Ada, Ben"]


def test_nobody_else_sees_it() -> None:
    world = hold(speak(800, ADA), *ANSWERED, speak(800, BEN), *ANSWERED)
    assert not any("is speaking" in str(event.get("text")) for event in world.of("caption"))
    texts = [item.text for item in world.journal.items().values()]
    assert len(texts) == 4
    assert not any("is speaking" in text for text in texts)
    places = [item.position for item in world.engine._record.items()]
    assert places == sorted(places)


@pytest.mark.parametrize("settings", [{"tell_speakers": False}, {}])
def test_it_can_be_turned_off_and_is_off_for_one_person(settings: Mapping[str, Any]) -> None:
    steps = (wait(300), speak(800, ADA), *ANSWERED)
    alone = World(Scene("alone", steps, HEARD, settings=settings))
    alone.finish()
    assert told(alone) == []
    both = hold(*steps, settings=settings)
    assert bool(told(both)) is not bool(settings)


def test_with_a_button_the_model_is_told_while_it_is_held() -> None:
    world = hold(
        *(Step("press"), speak(800, BEN), wait(900), Step("release"), *ANSWERED),
        settings={"turn_detection": "push_to_talk"},
    )
    assert told(world) == ['"Ben" is speaking.']
    (server,) = world.sessions.values()
    assert conversation(server) == ['"Ben" is speaking.', "user", "assistant"]


def test_the_next_session_is_told_again() -> None:
    world = hold(
        *(speak(800, ADA), *ANSWERED, wait(7_000), speak(800, ADA), *ANSWERED), session_limit_s=10
    )
    assert world.opened > 1
    assert told(world).count('"Ada" is speaking.') == 2


def test_interrupting_the_assistant_does_not_lose_it() -> None:
    world = hold(speak(800, ADA), until("speaking"), wait(500), speak(900, BEN), *ANSWERED)
    assert told(world) == ['"Ada" is speaking.', '"Ben" is speaking.']
    (server,) = world.sessions.values()
    found = conversation(server)
    assert found.index('"Ben" is speaking.') < len(found) - 2
    assert found[-2:] == ["user", "assistant"]


FAR_NS = 60 * MS_NS
"""Between the gateway and its server, one way."""


class Far(World):
    """The server is 60 ms away."""

    def _send(self, session: int, event: Mapping[str, Any]) -> None:
        self.schedule(FAR_NS, "_arrive", session, event)

    def _arrive(self, session: int, event: Mapping[str, Any]) -> None:
        super()._send(session, event)

    def _sends(self, session: int, event: Any) -> None:
        self.schedule(FAR_NS, "_come", session, event)

    def _come(self, session: int, event: Any) -> None:
        if session in self.sessions:
            super()._sends(session, event)


def answer_ms(address: Address, tell: bool) -> float:
    """From the end of the speech to the beginning of the answer's sound, at a far server.

    It follows an answer, so that under ``open`` the gateway asks at the end of the turn.
    """
    steps = (say("Hello."), *ANSWERED, speak(800, ADA), *ANSWERED)
    world = Far(scene(*steps, address=address, settings={"tell_speakers": tell}))
    world.finish()
    assert bool(told(world)) is tell
    sound = next(at for at, _, _, pcm in world.frames if at > world.loud_until_ns and any(pcm))
    return (sound - world.loud_until_ns) / MS_NS


def test_telling_costs_no_time_and_asking_for_the_answer_costs_one_round_trip() -> None:
    plain_ms = answer_ms("always", tell=False)
    assert answer_ms("always", tell=True) == plain_ms
    asked_ms = answer_ms("open", tell=True)
    assert asked_ms - plain_ms == pytest.approx(2 * FAR_NS / MS_NS, abs=20)
