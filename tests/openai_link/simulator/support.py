"""A driver for one pure session, and the oracle: OpenAI's own typed events."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

from mixer_core.bus.pcm import FRAME_NS, SILENCE
from openai_link.simulator import session_config
from openai_link.simulator.brains import Brain, EchoTest, tone
from openai_link.simulator.engine import SessionEngine
from openai_link.simulator.responses import EngineOptions
from openai_link.simulator.server_events import EndCall, SendEvent

Json = dict[str, Any]

LOUD = tone(20, 300.0)
GREETING = tone(400, 500.0)
SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
_KNOWN_EXTRAS = {"obfuscation", "id", "object", "expires_at"}


def _extras(model: Any, path: str = "") -> Iterator[str]:
    if isinstance(model, BaseModel):
        yield from (f"{path}.{key}" for key in model.model_extra or {})
        for key in type(model).model_fields:
            yield from _extras(getattr(model, key), f"{path}.{key}")
    elif isinstance(model, list):
        for entry in model:
            yield from _extras(entry, path + "[]")


def check(event: Json) -> None:
    """Assert that OpenAI's own types accept ``event`` and know all its keys."""
    model = SERVER_EVENT.validate_python(event)
    assert model.type == event["type"]
    unknown = [p for p in _extras(model) if p.rsplit(".", 1)[1] not in _KNOWN_EXTRAS]
    assert not unknown, unknown
    assert event["event_id"].startswith("event_")


class Session:
    """Runs an engine slot by slot; every event is checked and kept."""

    def __init__(
        self,
        wanted: Json | None = None,
        brain: Brain | None = None,
        options: EngineOptions | None = None,
    ) -> None:
        session = session_config.create_session(
            "sess_1", 99, {"type": "realtime", **(wanted or {})}
        )
        brain = brain or EchoTest(GREETING, "Hello.")
        self.now_ns = 0
        self.engine = SessionEngine(session, brain, random.Random(7), 0, options)
        self.events: list[Json] = []
        self.spoken: list[bytes] = []
        """All frames sent so far; silence where nothing was said."""
        self.ended = ""
        self._take(self.engine.open())

    def send(self, **event: Any) -> list[Json]:
        """A client event; returns the server's immediate answers."""
        return self.send_text(json.dumps(event))

    def send_text(self, text: str) -> list[Json]:
        return self._take(self.engine.client_event(text, self.now_ns))

    def hear(self, pcm: bytes, frames: int = 1) -> list[Json]:
        """Let the session hear ``frames`` times ``pcm``, one per slot."""
        events = []
        for _ in range(frames):
            events += self._take(self.engine.audio(pcm, self.now_ns))
            events += self.wait(1)
        return events

    def wait(self, slots: int) -> list[Json]:
        """Let time pass without any input."""
        events = []
        for _ in range(slots):
            pcm, actions = self.engine.slot(self.now_ns)
            self.spoken.append(pcm or SILENCE)
            events += self._take(actions)
            self.now_ns += FRAME_NS
        return events

    def kinds(self, events: list[Json] | None = None) -> list[str]:
        """Types in order, repeated deltas once."""
        kinds: list[str] = []
        for event in self.events if events is None else events:
            if not (event["type"].endswith(".delta") and kinds and kinds[-1] == event["type"]):
                kinds.append(event["type"])
        return kinds

    def last(self, kind: str) -> Json:
        return next(event for event in reversed(self.events) if event["type"] == kind)

    def all(self, kind: str) -> list[Json]:
        return [event for event in self.events if event["type"] == kind]

    def _take(self, actions: list[Any]) -> list[Json]:
        taken = []
        for action in actions:
            if isinstance(action, EndCall):
                self.ended = action.reason
                continue
            assert isinstance(action, SendEvent)
            event = json.loads(json.dumps(action.event))
            check(event)
            taken.append(event)
        self.events += taken
        return taken
