"""A copied session goes on like the original, and independently of it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from mixer_core.bus.pcm import FRAME_NS, SILENCE
from openai_link.simulator.engine.options import EngineOptions
from openai_link.simulator.engine.server_events import SendEvent
from openai_link.simulator.engine.session_engine import SessionEngine
from tests.openai_link.simulator.scripted import STORY_MS, scripted
from tests.openai_link.simulator.support import LOUD, Json, Session, text_item

PARAMETERS = {"properties": {"place": {"type": "string"}}, "required": ["place"]}
TOOLS = [
    {"type": "function", "name": name, "parameters": PARAMETERS} for name in ("lights", "clock")
]
HEARD = ("Tell me a story.", "Please call lights and clock.")


def typed(text: str) -> list[Json]:
    create = {"type": "conversation.item.create", "item": text_item(text)}
    return [create, {"type": "response.create"}]


class Twin:
    """One engine, and everything that it said."""

    def __init__(self, engine: SessionEngine, now_ns: int) -> None:
        self.engine = engine
        self.now_ns = now_ns
        self.events: list[Json] = []
        self.frames: list[bytes | None] = []

    def hear(self, pcm: bytes, frames: int) -> None:
        for _ in range(frames):
            self._take(self.engine.audio(pcm, self.now_ns))
            frame, actions = self.engine.slot(self.now_ns)
            self.frames.append(frame)
            self._take(actions)
            self.now_ns += FRAME_NS

    def send(self, *events: Json) -> None:
        for event in events:
            self._take(self.engine.client_event(json.dumps(event), self.now_ns))

    def _take(self, actions: list[Any]) -> None:
        self.events += [copy.deepcopy(a.event) for a in actions if isinstance(a, SendEvent)]

    def carry_on(self) -> None:
        """Finish or interrupt what there is, speak, call two tools, change the session."""
        self.hear(SILENCE, 30)
        self.hear(LOUD, 30)
        self.hear(SILENCE, 200)
        update = {"type": "realtime", "instructions": "Sing.", "tool_choice": "none"}
        self.send({"type": "session.update", "session": update}, *typed("Sing."))
        self.hear(SILENCE, 300)


def session_in(situation: str, options: EngineOptions) -> Session:
    session = Session({"tools": TOOLS}, scripted(*HEARD), options)
    if situation == "a spoken reply":
        session.hear(LOUD, 30)
        session.hear(SILENCE, 80)
        assert session.all("response.created") and not session.all("response.done")
    elif situation == "two calls":
        for event in typed("call lights and clock"):
            session.send(**event)
        while not session.all("response.output_item.added"):
            session.wait(1)
        assert not session.all("response.done")
    elif situation == "a turn that is spoken":
        session.hear(LOUD, 20)
        assert session.all("input_audio_buffer.speech_started")
    return session


@pytest.mark.parametrize("options", [EngineOptions(), EngineOptions(transport="websocket")])
@pytest.mark.parametrize(
    "situation", ["the beginning", "a spoken reply", "two calls", "a turn that is spoken"]
)
def test_a_copy_goes_on_as_the_original_would(situation: str, options: EngineOptions) -> None:
    session = session_in(situation, options)
    copied = Twin(copy.deepcopy(session.engine), session.now_ns)
    original = Twin(session.engine, session.now_ns)
    original.carry_on()
    assert original.engine.session["instructions"] == "Sing."
    assert copied.engine.session["instructions"] != "Sing."
    assert len(copied.engine.conversation.items) == len(session.all("conversation.item.added"))
    copied.carry_on()
    assert len(original.events) > 20
    assert copied.events == original.events and copied.frames == original.frames


def test_what_happens_to_one_does_not_show_in_the_other() -> None:
    session = session_in("a spoken reply", EngineOptions())
    copied = Twin(copy.deepcopy(session.engine), session.now_ns)
    original = Twin(session.engine, session.now_ns)
    original.send({"type": "output_audio_buffer.clear"}, {"type": "response.cancel"})
    original.hear(SILENCE, 10)
    assert original.frames == [None] * 10
    story = original.engine.conversation.items[-1]
    assert story.audio_ms < STORY_MS
    copied.hear(SILENCE, STORY_MS // 20)
    assert None not in copied.frames[:-100]
    assert copied.engine.conversation.items[-1].id == story.id
    assert copied.engine.conversation.items[-1].audio_ms == STORY_MS
    assert story.audio_ms < STORY_MS
