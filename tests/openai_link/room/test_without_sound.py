"""An answer of which no sound at all came is told, and kept like a written one: with all its words.

Members of the class: audio events that nobody knows by their names, that are empty, damaged or of
an odd length; a track that carries nothing, or silence; a reply that is said to be played. Each of
them with people who wait, who speak, who stop the assistant, or whose call is lost meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.openai_link.room import checks
from tests.openai_link.room.hostile import HostileWebsocketWorld, HostileWorld, hold, world_of
from tests.openai_link.room.hostility import Rule
from tests.openai_link.room.test_endings import marked, notices, warnings
from tests.openai_link.room.websocket_world import WebsocketWorld
from tests.openai_link.room.world import Scene, Step, World, say, speak, wait

Json = dict[str, Any]
QUESTION, ANSWER = "Is anybody there?", "You said: Is anybody there?"
AUDIO = "response.output_audio"


class Mute(WebsocketWorld):
    """A server over a WebSocket whose sound is changed by ``harm``."""

    harm: Callable[[Json], Json | None]

    def _receive(self, session: int, event: Json) -> None:
        if self.opened > 1 or "output_audio." in event["type"]:
            harmed = type(self).harm(event) if self.opened == 1 else event
        else:
            harmed = event
        if harmed is not None:
            super()._receive(session, harmed)


class Silent(World):
    """A server over WebRTC that sends ``sound`` in place of its own, in the first session."""

    sound: bytes | None = None
    tells = True
    """It says when it plays."""

    def _speak(self, session: int, pcm: bytes) -> None:
        if session > 1:
            super()._speak(session, pcm)
        elif self.sound is not None:
            super()._speak(session, self.sound)

    def _receive(self, session: int, event: Json) -> None:
        if session > 1 or self.tells or not event["type"].startswith("output_audio_buffer."):
            super()._receive(session, event)


def mute(harm: Callable[[Json], Json | None]) -> type[World]:
    return type("Mute", (Mute,), {"harm": staticmethod(harm)})


def silent(sound: bytes | None, tells: bool) -> type[World]:
    return type("Silent", (Silent,), {"sound": sound, "tells": tells})


def _renamed(event: Json) -> Json:
    return {**event, "type": event["type"].replace("output_audio", "speech")}


SERVERS: dict[str, type[World]] = {
    "renamed": mute(_renamed),
    "left out": mute(lambda event: None),
    "empty": mute(lambda event: {**event, "delta": ""}),
    "not base64": mute(lambda event: {**event, "delta": "###"}),
    "no text": mute(lambda event: {**event, "delta": 7}),
    "an odd length": mute(lambda event: {**event, "delta": "AAAB"}),
    "silence": mute(lambda event: {**event, "delta": "A" * len(event.get("delta", ""))}),
    "no track": silent(None, True),
    "no track and no word": silent(None, False),
    "a silent track": silent(b"\0" * 960, True),
    "a silent track and no word": silent(b"\0" * 960, False),
}


def world_with(kind: type[World], *steps: Step) -> World:
    world = kind(Scene("without sound", (wait(300), say(QUESTION), *steps)))
    world.finish()
    return world


def told_and_kept(world: World, answer: str = ANSWER) -> None:
    assert [code for code, _ in notices(world)] == ["written_answer"], notices(world)
    assert "without any sound" in notices(world)[0][1]
    assert sum("without any sound" in line for line in warnings(world)) == 1
    assert marked(world) == {answer: "written"}
    assert world.final_captions()[_item(world, answer)] == answer
    (kept,) = [item for item in checks.messages(world) if item.role == "assistant"][:1]
    assert kept.text == answer and kept.heard_ms is None


def _item(world: World, text: str) -> str:
    return next(e["item"] for e in world.of("caption") if e["text"] == text and e["final"])


@pytest.mark.parametrize("server", SERVERS)
def test_who_waits_is_told(server: str) -> None:
    told_and_kept(world_with(SERVERS[server], wait(16_000)))


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("step", [speak(1_000), Step("interrupt")])
def test_who_speaks_or_stops_it_keeps_the_words(server: str, step: Step) -> None:
    world = world_with(SERVERS[server], wait(5_500), step, wait(100))
    texts = [e["text"] for e in world.of("caption") if e["speaker"] == "assistant" and e["final"]]
    assert ANSWER in texts and "" not in texts
    assert [code for code, _ in notices(world)][:1] == ["written_answer"]


@pytest.mark.parametrize("server", SERVERS)
def test_it_is_not_asked_for_again(server: str) -> None:
    world = world_with(SERVERS[server], wait(16_000), Step("lose"), wait(1_000))
    asked = [e for e in world.sent if e["type"] == "response.create"]
    assert len(asked) == 1
    world.ask(checks.LAST)
    checks.the_room_talks_again(world)


@pytest.mark.parametrize("kind", [World, WebsocketWorld])
def test_an_answer_that_is_heard_is_not_told(kind: type[World]) -> None:
    world = world_with(kind, wait(16_000), speak(1_000), wait(4_000))
    assert notices(world) == [] and marked(world) == {}


@pytest.mark.parametrize("kind", [World, WebsocketWorld])
def test_a_session_that_only_writes_has_nothing_to_be_heard(kind: type[World]) -> None:
    scene = Scene("written", (wait(300), say(QUESTION), wait(16_000)), settings={"output": "text"})
    world = kind(scene)
    world.finish()
    assert notices(world) == []


@pytest.mark.parametrize("kind", [HostileWorld, HostileWebsocketWorld])
@pytest.mark.parametrize("deed", ["rename", "drop"])
@pytest.mark.parametrize("kinds", [AUDIO, "response.output_audio.", "response.content_part"])
def test_a_hostile_server_that_harms_all_sound(
    kind: type[HostileWorld], deed: Any, kinds: str
) -> None:
    scene = Scene("hostile", (wait(300), say(QUESTION), wait(16_000)))
    hold(kind(scene, (Rule(deed, kinds), Rule(deed, AUDIO)), seed=7_700_041))


@pytest.mark.parametrize("seed", [7_700_041])
def test_conversations_that_once_went_wrong(seed: int) -> None:
    hold(world_of(seed))
