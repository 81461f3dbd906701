"""All calls of one simulator: opens them, finds them, ends them."""

from __future__ import annotations

import asyncio
import random
import time
import wave
from functools import cache
from importlib import resources
from typing import Any

from mixer_core.bus import logs
from openai_link.simulator import session_config
from openai_link.simulator.brains import Brain, EchoTest, Tone
from openai_link.simulator.call import Call
from openai_link.simulator.config import SimulatorConfig
from openai_link.simulator.engine import SessionEngine
from openai_link.simulator.ids import IdMint
from openai_link.simulator.refusals import Refusal
from openai_link.simulator.responses import EngineOptions
from openai_link.simulator.tokens import KeyRing

Json = dict[str, Any]

GREETING_TEXT = "This is the mixminus simulator. Say something, and I will repeat it."

log = logs.get("simulator")


@cache
def greeting_pcm() -> bytes:
    """Return the packaged greeting: PCM16, 24 kHz mono."""
    asset = resources.files("openai_link.simulator").joinpath("assets/greeting.wav")
    with asset.open("rb") as file, wave.open(file, "rb") as recording:
        return recording.readframes(recording.getnframes())


def make_brain(config: SimulatorConfig) -> Brain:
    """Return the brain that ``config`` names."""
    if config.brain == "tone":
        return Tone(config.tone_ms)
    return EchoTest(greeting_pcm(), GREETING_TEXT, config.greeting)


class Switchboard:
    """The calls and the keys."""

    def __init__(self, config: SimulatorConfig, seed: int | None = None) -> None:
        """``seed`` makes ids and everything else that is random repeatable."""
        self.config = config
        self._random = random.Random(seed)
        self._mint = IdMint(self._random)
        self._brain = make_brain(config)
        self.keys = KeyRing(config.api_key, self._mint)
        self.calls: dict[str, Call] = {}
        self.calls_total = 0

    def session_id(self, call_id: str) -> str:
        """Return the session id that belongs to a call id."""
        return "sess_" + call_id.removeprefix("rtc_")

    def preview_session(self, wanted: Json) -> Json:
        """Return the effective session for a client secret. Raises Refusal for a bad key."""
        session = session_config.create_session(self._mint.make("sess"), 0, wanted)
        return session_config.echo(session)

    async def place_call(self, offer: str, wanted: Json) -> tuple[str, str]:
        """Answer an offer; returns the call id and the SDP answer.

        Raises Refusal: a bad session, a bad offer, or ``rate_limit_exceeded`` when full.
        """
        if len(self.calls) >= self.config.max_calls:
            raise Refusal(
                "rate_limit_exceeded",
                f"The simulator holds {self.config.max_calls} calls already.",
                kind="requests",
            )
        call_id = f"rtc_u{self._random.randrange(3)}_{self._mint.letters(29)}"
        expires_at_s = int(time.time() + self.config.session_limit_s)
        session = session_config.create_session(self.session_id(call_id), expires_at_s, wanted)
        options = EngineOptions(
            self.config.think_ms, self.config.generation_speed, self.config.session_limit_s
        )
        engine = SessionEngine(
            session,
            self._brain,
            random.Random(self._random.randrange(1 << 32)),
            time.monotonic_ns(),
            options,
        )
        call = Call(call_id, engine, self.config, self._on_end)
        self.calls[call_id] = call
        self.calls_total += 1
        answer = await call.answer(offer)
        log.info("< call %s, %s brain: a simulated answer, no OpenAI", call_id, self.config.brain)
        return call_id, answer

    async def hang_up(self, call_id: str) -> bool:
        """End a call; False when there is none with this id."""
        call = self.calls.get(call_id)
        if call is None:
            return False
        await call.end("hang-up")
        return True

    async def close(self) -> None:
        """End all calls."""
        await asyncio.gather(*(call.end("shutdown") for call in list(self.calls.values())))

    def _on_end(self, call: Call, reason: str) -> None:
        self.calls.pop(call.id, None)
