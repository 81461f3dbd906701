"""Drives one session in virtual time; OpenAI's own types check every event."""

from __future__ import annotations

import json
import random
from array import array
from typing import Any

from mixer_core.bus.pcm import FRAME_NS, SILENCE
from openai_link.simulator.brains.echo import EchoBrain
from openai_link.simulator.brains.sounds import tone
from openai_link.simulator.engine import session_config
from openai_link.simulator.engine.brain import Brain
from openai_link.simulator.engine.options import EngineOptions
from openai_link.simulator.engine.server_events import EndCall, SendEvent
from openai_link.simulator.engine.session_engine import SessionEngine
from tests.conformance.oracle import check
from tests.openai_link.simulator.automaton import Automaton

Json = dict[str, Any]

LOUD = tone(20, 300.0)
GREETING = tone(400, 500.0)
REGULAR = EngineOptions(
    omit_rate_limits="never", null_previous_in_done="never", padded_arguments="never"
)
"""A service without random variations."""
_PATIENCE_SLOTS = 6_000
REPLY_ORDER = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
"""The events of a spoken reply after ``response.created``, without those of its playback."""


def without_playback(kinds: list[str]) -> list[str]:
    """Order without the output buffer's events; deltas on both sides of one count once."""
    rest = [kind for kind in kinds if not kind.startswith("output_audio_buffer")]
    return [k for i, k in enumerate(rest) if i == 0 or k != rest[i - 1]]


def constant(length_ms: int, value: int = 1) -> bytes:
    """PCM16 in which every sample has one value."""
    return array("h", [value] * 24 * length_ms).tobytes()


def text_item(text: str) -> Json:
    """A typed message of the user."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


class Session:
    """Runs an engine slot by slot; every event is checked and kept."""

    def __init__(
        self,
        wanted: Json | None = None,
        brain: Brain | None = None,
        options: EngineOptions = REGULAR,
        seed: int = 7,
    ) -> None:
        session = session_config.create_session(
            "sess_1", 99, {"type": "realtime", **(wanted or {})}
        )
        brain = brain or EchoBrain(GREETING, "Hello.")
        self.now_ns = 0
        self.engine = SessionEngine(session, brain, random.Random(seed), 0, options)
        self.events: list[Json] = []
        self.automaton = Automaton(options.transport)
        self.spoken: list[bytes] = []
        """All frames sent so far; silence where nothing was said."""
        self.ended = ""
        self._take(self.engine.open())

    def send(self, **event: Any) -> list[Json]:
        """A client event; returns the server's immediate answers."""
        return self.send_text(json.dumps(event))

    def send_text(self, text: str) -> list[Json]:
        return self._take(self.engine.client_event(text, self.now_ns))

    def write(self, text: str) -> list[Json]:
        """Add a typed message."""
        return self.send(type="conversation.item.create", item=text_item(text))

    def give_output(self, call_id: str, output: str) -> list[Json]:
        """Add the output of a function call."""
        item = {"type": "function_call_output", "call_id": call_id, "output": output}
        return self.send(type="conversation.item.create", item=item)

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

    def until(self, kind: str, count: int = 1) -> None:
        """Hear silence until an event has come ``count`` times."""
        for _ in range(_PATIENCE_SLOTS):
            if len(self.all(kind)) >= count:
                return
            self.hear(SILENCE)
        raise AssertionError(f"{kind} has not come {count} times: {self.kinds()}")

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
            self.automaton.take(event)
            taken.append(event)
        self.events += taken
        return taken
