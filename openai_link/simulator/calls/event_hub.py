"""Connects the engine of a session to all its event channels: the client's and sidebands."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from logging import Logger, LoggerAdapter
from typing import Any, Protocol

from ..engine.server_events import Action, SendEvent
from ..engine.session_engine import SessionEngine
from ..faults.event_faults import spoil
from ..faults.fault_box import FaultBox

Json = dict[str, Any]

_MAX_EARLY_EVENTS = 256
_LAST_WORDS_S = 0.1  # Time to deliver the last event before the end.
_HEARD = frozenset(
    ("output_audio_buffer.started", "response.output_audio.delta", "response.output_text.delta")
)


class EventSink(Protocol):
    """A channel for events: a data channel or a WebSocket."""

    def send(self, text: str) -> None:
        """Send one event; dropped if the channel is closed."""


class EventHub:
    """Passes client events to the engine, and its events to the client and all sidebands."""

    def __init__(
        self,
        engine: SessionEngine,
        faults: FaultBox,
        log: LoggerAdapter[Logger],
        on_end: Callable[[str], None],
        on_reply: Callable[[], None],
    ) -> None:
        """``on_end``: the engine ends the session, for a reason. ``on_reply``: a reply begins."""
        self.engine = engine
        self.events_received = 0
        self.events_sent = 0
        """Each event counts once, however many channels there are."""
        self.sidebands: list[EventSink] = []
        self._faults = faults
        self._log = log
        self._on_end = on_end
        self._on_reply = on_reply
        self._client: EventSink | None = None
        self._early: list[str] = []

    def open(self, client: EventSink) -> None:
        """The client's channel is open: send the first events, then those that it has missed."""
        self._client = client
        early, self._early = self._early, []
        sidebands, self.sidebands = self.sidebands, []  # They get no session.created.
        self.perform(self.engine.open())
        self.sidebands = sidebands
        for text in early:
            client.send(text)

    def client_event(self, text: str) -> None:
        """Handle one message of the client or a sideband."""
        self.events_received += 1
        self.perform(self.engine.client_event(text, time.monotonic_ns()))

    def perform(self, actions: list[Action]) -> None:
        """Perform actions of the engine."""
        loop = asyncio.get_running_loop()
        for action in actions:
            if not isinstance(action, SendEvent):
                loop.call_later(_LAST_WORDS_S, self._on_end, action.reason)
                continue
            for delay_ms, event in spoil(action.event, self._faults.faults):
                if delay_ms:
                    loop.call_later(delay_ms / 1000, self._send, event)
                else:
                    self._send(event)
            if action.event["type"] in _HEARD:
                self._on_reply()

    def _send(self, event: Json) -> None:
        self._note(event)
        text = json.dumps(event)
        if self._client is not None:
            self._client.send(text)
        elif len(self._early) < _MAX_EARLY_EVENTS:  # Audio may come before the channel.
            self._early.append(text)
        for sideband in list(self.sidebands):
            sideband.send(text)

    def _note(self, event: Json) -> None:
        self.events_sent += 1
        self._log.debug("> %s", event["type"])
        if event["type"] != "response.done":
            return
        for item in event["response"]["output"]:
            for part in item.get("content", []):
                self._log.info("> says: %s", part.get("transcript", "(text)"))
