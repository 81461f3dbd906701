"""All sessions of a simulator: opens, finds and ends them."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from typing import Any, Literal

from mixer_core.runtime import logs

from ..brains.factory import make_brain
from ..engine import refusals, session_config, strict_checks
from ..engine.ids import IdMint
from ..engine.options import EngineOptions
from ..engine.refusals import Refusal
from ..engine.session_engine import SessionEngine
from ..faults import plan as fault_names
from ..faults.fault_box import FaultBox
from ..settings import SimulatorSettings
from .keys import KeyRing
from .report import rtp_report, session_report
from .webrtc_call import WebrtcCall
from .websocket_call import WebsocketCall

Json = dict[str, Any]

Transport = Literal["webrtc", "websocket"]

_REMEMBERED_CALLS = 200
_REMEMBERED_ITEMS = 2_000
"""Of all sessions that have ended together, but for the newest one; an item takes about 2 kB."""

log = logs.get("simulator")


class Switchboard:
    """Holds the sessions, the keys and the faults."""

    def __init__(self, config: SimulatorSettings, seed: int | None = None) -> None:
        """``seed`` makes ids and random choices repeatable.

        Raises FaultError for an invalid fault, ScriptError for an invalid script.
        """
        self.config = config
        self._random = random.Random(seed)
        self.mint = IdMint(self._random)
        self._brain = make_brain(config)
        self.keys = KeyRing(config.api_key.strip(), self.mint)
        self.faults = FaultBox(fault_names.parse(config.faults))
        self.calls: dict[str, WebrtcCall | WebsocketCall] = {}
        self.calls_total = 0
        self.ended: deque[Json] = deque(maxlen=_REMEMBERED_CALLS)
        """Reports of the latest sessions that have ended."""

    def preview_session(self, wanted: Json) -> Json:
        """Return the effective session of a client secret. Raises Refusal for an invalid key."""
        session = session_config.create_session(self.mint.make("sess"), 0, wanted)
        self._check(wanted)
        return session_config.echo(session)

    async def place_call(self, offer: str, wanted: Json) -> tuple[str, str]:
        """Answer an offer; returns the call id and the SDP answer.

        Raises Refusal for an invalid session or offer, when full, or because of a fault.
        """
        await self._apply_faults()
        self._check_capacity()
        call_id = f"rtc_u{self._random.randrange(3)}_{self.mint.letters(29)}"
        engine = self._engine(call_id, wanted, "webrtc")
        call = WebrtcCall(call_id, engine, self.config, self.faults, self._on_end)
        self._admit(call)
        answer = await call.answer(offer)
        log.info("< call %s, %s brain: a simulated answer, no OpenAI", call_id, self.config.brain)
        return call_id, answer

    def open_socket(self, wanted: Json) -> WebsocketCall:
        """Open a session for a WebSocket. Raises Refusal for an invalid session, or when full."""
        self._check_capacity()
        call_id = f"ws_{self.mint.letters(21)}"
        engine = self._engine(call_id, wanted, "websocket")
        call = WebsocketCall(call_id, engine, self.config, self.faults, self._on_end)
        self._admit(call)
        log.info("< socket %s, %s brain: simulated, no OpenAI", call_id, self.config.brain)
        return call

    def find(self, call_id: str) -> WebrtcCall | None:
        """Return the WebRTC call with this id, or None."""
        call = self.calls.get(call_id)
        return call if isinstance(call, WebrtcCall) else None

    async def hang_up(self, call_id: str) -> bool:
        """End a WebRTC call; returns False if there is none with this id."""
        call = self.find(call_id)
        if call is None:
            return False
        await call.end("hang-up")
        return True

    async def close(self) -> None:
        """End all sessions."""
        await asyncio.gather(*(call.end("shutdown") for call in list(self.calls.values())))

    def forget(self, call: WebrtcCall | WebsocketCall, reason: str) -> None:
        """Remove a session that has ended or failed to begin."""
        if self.calls.pop(call.id, None) is not None:
            self.ended.append({**self.report(call), "state": "ended", "reason": reason})
            while len(self.ended) > 1 and sum(map(_items, self.ended)) > _REMEMBERED_ITEMS:
                self.ended.popleft()

    def report(self, call: WebrtcCall | WebsocketCall) -> Json:
        """Return the report of a session."""
        report: Json = {"id": call.id, "transport": call.transport, "state": call.state}
        report |= {"started_at": call.started_s, "sidebands": len(call.hub.sidebands)}
        report |= {"events_in": call.hub.events_received, "events_out": call.hub.events_sent}
        report |= session_report(call.hub.engine)
        if isinstance(call, WebrtcCall):
            packets = call.media.packets
            counters, dropped = call.media.receiver.counters, call.media.packets_dropped
            report["rtp"] = rtp_report(counters, packets.expected, packets.received, dropped)
            report["rtp_sent"] = call.media.track.sent
        return report

    async def _apply_faults(self) -> None:
        """Delay or refuse an offer if there is such a fault."""
        faults = self.faults.faults
        if faults.answer_delay_ms:
            await asyncio.sleep(faults.answer_delay_ms / 1000)
        if faults.no_quota:
            raise refusals.no_quota()
        status = self.faults.next_refusal()
        if status is not None:
            raise refusals.with_status(status)

    def _check_capacity(self) -> None:
        if len(self.calls) >= self.config.max_calls:
            raise Refusal(
                "rate_limit_exceeded",
                f"The simulator holds {self.config.max_calls} calls already.",
                kind="requests",
            )

    def _check(self, wanted: Json) -> None:
        """Refuse a session that the service would refuse, unless lenient."""
        if not self.config.lenient:
            strict_checks.check_session(wanted)

    def _engine(self, call_id: str, wanted: Json, transport: Transport) -> SessionEngine:
        """Return the engine of a new session; its id derives from that of the call."""
        session_id = "sess_" + call_id.partition("_")[2]
        expires_at_s = int(time.time() + self.config.session_max_s)
        session = session_config.create_session(session_id, expires_at_s, wanted)
        self._check(wanted)
        return SessionEngine(
            session,
            self._brain,
            random.Random(self._random.randrange(1 << 32)),
            time.monotonic_ns(),
            EngineOptions(
                self.config.think_ms,
                self.config.generation_speed,
                self.config.session_max_s,
                transport,
                lenient=self.config.lenient,
                takes_images=self.config.images,
                answers_every_turn=self.faults.faults.answers_every_turn,
            ),
        )

    def _admit(self, call: WebrtcCall | WebsocketCall) -> None:
        self.calls[call.id] = call
        self.calls_total += 1

    def _on_end(self, call: WebrtcCall | WebsocketCall, reason: str) -> None:
        self.forget(call, reason)


def _items(report: Json) -> int:
    return len(report["items"])
