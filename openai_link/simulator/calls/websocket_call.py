"""A session over one WebSocket: audio in events both ways; the client plays it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import Callable
from pathlib import Path

from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime import logs
from mixer_core.runtime.units import S_NS

from ..engine.session_engine import SessionEngine
from ..faults.fault_box import FaultBox
from ..faults.timers import FaultTimers
from ..media.recorder import Recorder
from ..settings import SimulatorSettings
from .event_hub import EventHub
from .event_socket import EventSocket

_GOING_AWAY = 1001


class WebsocketCall:
    """Ends with its WebSocket."""

    transport = "websocket"

    def __init__(
        self,
        call_id: str,
        engine: SessionEngine,
        config: SimulatorSettings,
        faults: FaultBox,
        on_end: Callable[[WebsocketCall, str], None],
    ) -> None:
        """``on_end`` is called once, with the reason, when the session ends."""
        self.id = call_id
        self.started_s = time.time()
        self.log = logs.get("simulator", call_id)
        self.state = "connecting"
        self._on_end = on_end
        self._socket: EventSocket | None = None
        self._timers = FaultTimers(faults, self._close_channel, self._kill)
        self.hub = EventHub(engine, faults, self.log, self._end_soon, self._timers.replying)
        self._clock: asyncio.TimerHandle | None = None
        self._reason = "the client closed the WebSocket"
        self._recorder: Recorder | None = None
        if config.record_dir:
            self._recorder = Recorder(Path(config.record_dir) / f"{call_id}.wav")

    async def serve(self, socket: EventSocket) -> None:
        """Run the session on ``socket`` until it ends."""
        self._socket = socket
        self.state = "connected"
        self.log.info("= connected to a client (simulator, not OpenAI)")
        try:
            self.hub.open(socket)
            self._timers.connected()
            self._timers.opened()
            self._tick()
            await socket.run(self._on_text)
        finally:
            self._finish()

    async def end(self, reason: str) -> None:
        """Close the WebSocket. Idempotent."""
        self._end_soon(reason)

    def _end_soon(self, reason: str) -> None:
        if self._socket is not None and self.state == "connected":
            self.state, self._reason = "closing", reason
            self._socket.close_soon(_GOING_AWAY, reason)

    def _finish(self) -> None:
        self.state = "closed"
        self._timers.stop()
        if self._clock is not None:
            self._clock.cancel()
        if self._recorder is not None:
            self._recorder.close()
        self.log.info("= over: %s", self._reason)
        self._on_end(self, self._reason)

    def _kill(self) -> None:
        self._reason = "killed"
        if self._socket is not None:
            self._socket.abort()

    def _close_channel(self) -> None:
        self._end_soon("closed as a fault")

    def _on_text(self, text: str) -> None:
        if self._recorder is not None:
            self._recorder.write(_appended(text))
        self.hub.client_event(text)

    def _tick(self) -> None:
        """Advance the engine by one slot."""
        self._clock = asyncio.get_running_loop().call_later(FRAME_NS / S_NS, self._tick)
        _, actions = self.hub.engine.slot(time.monotonic_ns())
        if actions:
            self.hub.perform(actions)


def _appended(text: str) -> bytes:
    """Return the PCM16 that an event appends to the input; empty for every other event."""
    if '"input_audio_buffer.append"' not in text:
        return b""
    try:
        return base64.b64decode(json.loads(text)["audio"], validate=True)
    except (binascii.Error, KeyError, TypeError, ValueError):
        return b""  # The engine refuses it.
