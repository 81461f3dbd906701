"""A connection by WebSocket, for networks without UDP: audio as events, replies played here.

The server sends a reply faster than it is spoken, and does not know what was heard of it. The
player here does: in the server's place it generates ``output_audio_buffer.started``, ``stopped``
and ``cleared``, and like the server over WebRTC it clears its output when somebody speaks over the
reply. The server does not truncate what was cut off; ``playback`` does.
"""

from __future__ import annotations

import asyncio
import binascii
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.foreign_text import one_line
from mixer_core.runtime.metrics import Histogram

from ..media.audio_append import AppendEvent, AudioAppend
from ..media.reply_player import Cut, Play, PlayerAction, ReplyPlayer, Started
from ..media.uplink import MAX_LEAD_MS, STARVE_MS
from ..media.uplink_pacer import UplinkPacer
from ..realtime.bounds import MAX_ID_BYTES, is_longer
from ..realtime.dialect import Dialect
from ..realtime.event_fields import event_of, map_of, text_of
from ..realtime.upstream import Upstream
from ..settings import OpenaiLinkSettings
from .event_socket import EventSocket
from .inflow import Inflow
from .interface import Callbacks, TransportKind
from .interruption import Interruption

MAX_SHOWN_CHARS = 64
"""Longest type of an event in the log."""


class WebsocketTransport:
    """One session over a WebSocket; see ``interface.Transport``."""

    kind: TransportKind = "websocket"
    call_id = ""
    knows_session = False

    def __init__(
        self,
        upstream: Upstream,
        settings: OpenaiLinkSettings,
        http: aiohttp.ClientSession,
        latency: Histogram,
        log: logging.LoggerAdapter[logging.Logger],
        callbacks: Callbacks,
    ) -> None:
        """``latency`` observes the time from a frame's stamp until it is handed to the network."""
        self._upstream = upstream
        self._interruption = Interruption()
        self._latency = latency
        self._log = log
        self._callbacks = callbacks
        self._dialect = Dialect(settings.dialect)
        self._socket = EventSocket(http, self._text, self._sent, self._ended)
        self._inflow = Inflow()
        pacer = UplinkPacer(STARVE_MS, MAX_LEAD_MS, settings.sparse_after_ms)
        self._append = AudioAppend(pacer)
        self._player = ReplyPlayer()
        self._cuts: list[Cut] = []
        """Replies that were cut off, before ``cleared`` has been reported."""
        self._generated = 0
        self._unsent = 0
        self._closed = False
        self.bad_events = 0

    @property
    def simulated(self) -> bool:
        """The server is a simulator."""
        return self._upstream.simulated or self._socket.simulated

    @property
    def last_received_ns(self) -> int:
        """When the newest message came (monotonic)."""
        return self._socket.last_received_ns

    async def connect(self, session: Mapping[str, Any]) -> None:
        """Open the WebSocket; ``session`` must be sent as an update afterwards.

        Raises:
            UpstreamError: refused or unreachable.
        """
        await self._socket.open(self._upstream.websocket_url, self._upstream.headers())
        if not self._closed:
            self._callbacks.on_answered()
            self._callbacks.on_up()

    def send(self, event: Mapping[str, Any]) -> bool:
        """Send a client event; False if the connection is not open."""
        self._log.debug("> %s %s", event.get("type"), event.get("event_id"))
        self._interruption.sent(event)
        told = self._dialect.client(event)
        return self._socket.send(json.dumps(told, ensure_ascii=False))

    def clear_output(self, event: Mapping[str, Any]) -> None:
        """The reply is played here: cut it off. ``cleared`` follows; the server is not told."""
        self._cuts += self._player.stop()
        asyncio.get_running_loop().call_soon(self._report_cuts)

    async def close(self) -> None:
        """Close the WebSocket, which ends the session."""
        self._closed = True
        await self._socket.close()

    def start(self, now_ns: int) -> None:
        """Start sending audio."""
        self._send_audio(self._append.start(now_ns))

    def frame(self, pcm: bytes, stamp_ns: int, pause: bool, now_ns: int) -> None:
        """20 ms of the room."""
        self._send_audio(self._append.frame(pcm, pause, now_ns), stamp_ns)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``."""
        return earliest(self._append.pacer.next_timeout_ns(), self._player.next_timeout_ns())

    def tick(self, now_ns: int) -> None:
        """The timeout has been reached."""
        if self._closed:
            return
        self._report_cuts()
        self._send_audio(self._append.tick(now_ns))
        self._play(self._player.tick(now_ns), now_ns)

    def counters(self) -> dict[str, int]:
        """Counters so far."""
        return {
            **self._append.pacer.counters.totals(),
            "uplink_unsent_packets_total": self._unsent,
            "downlink_dropped_bytes_total": self._player.dropped_bytes,
            "server_bad_events_total": self.bad_events,
        }

    def backlog_ms(self, now_ns: int) -> tuple[int, int]:
        """Audio that waits for the network. A reply waits for its time, not for the network."""
        return self._socket.waiting_audio_ms, 0

    def _send_audio(self, events: list[AppendEvent], stamp_ns: int = 0) -> None:
        for event in events:
            stamp = stamp_ns if event.is_room else 0
            if not self._socket.send(event.text, event.audio_ms, stamp):
                self._unsent += 1

    def _sent(self, stamp_ns: int) -> None:
        """A frame has been handed to the network."""
        self._latency.observe_ns(time.monotonic_ns() - stamp_ns)

    def _text(self, text: str) -> None:
        """One server event."""
        if self._closed:
            return
        refusal = self._inflow.refusal(len(text), time.monotonic_ns())
        event = event_of(text) if refusal is None else None
        if event is not None:
            refusal = self._dialect.refusal(event)
        if refusal is not None:
            self._ended(refusal)
            self._closed = True
            return
        if event is None:
            self._bad("a message that is no event")
            return
        try:
            for understood in self._dialect.server(event):
                self._event(understood)
        except Exception as error:  # It would end the reader, and with it the session.
            more = self._inflow.mistakes.line(type(error).__name__, time.monotonic_ns())
            if more is not None:
                kind = one_line(text_of(event, "type"), MAX_SHOWN_CHARS)
                self._log.exception("! the event %s could not be handled%s", kind, more)

    def _bad(self, what: str) -> None:
        self.bad_events += 1
        more = self._inflow.mistakes.line(what, time.monotonic_ns())
        if more is not None:
            self._log.warning("! < %s%s", what, more)

    def _event(self, event: Mapping[str, Any]) -> None:
        now_ns = time.monotonic_ns()
        self._report_cuts()
        kind = event.get("type")
        if kind == "response.output_audio.delta":
            self._audio(event, now_ns)
            return
        response = text_of(map_of(event, "response"), "id")
        self._interruption.received(event)
        if kind == "response.created" and not is_longer(response, MAX_ID_BYTES):
            self._player.begun(response)
        self._callbacks.on_event(event)
        match kind:
            case "response.output_audio.done":
                self._player.item_done(text_of(event, "item_id"), now_ns)
            case "response.done":
                self._player.response_done(response, now_ns)
            case "input_audio_buffer.speech_started" if self._interruption.is_on:
                self._cuts += self._player.clear()
                self._report_cuts()
        self._play(self._player.tick(now_ns), now_ns)
        self._callbacks.on_change()

    def _audio(self, event: Mapping[str, Any], now_ns: int) -> None:
        item, response = text_of(event, "item_id"), text_of(event, "response_id")
        try:
            pcm = binascii.a2b_base64(event["delta"])
        except (KeyError, TypeError, ValueError):
            self._bad("sound that cannot be read")
            return
        if is_longer(item, MAX_ID_BYTES) or is_longer(response, MAX_ID_BYTES):
            self._bad("sound of an item with a long id")
            return
        self._callbacks.on_delivered(item, len(pcm) // 2)
        self._player.push(response, item, pcm, now_ns)
        self._play(self._player.tick(now_ns), now_ns)
        self._callbacks.on_change()

    def _play(self, actions: list[PlayerAction], now_ns: int) -> None:
        for action in actions:
            if isinstance(action, Play):
                self._callbacks.on_audio(action.pcm, now_ns, now_ns, False)
            else:
                started = isinstance(action, Started)
                self._generate("started" if started else "stopped", action.response)

    def _report_cuts(self) -> None:
        cuts, self._cuts = self._cuts, []
        for cut in cuts:
            if cut.was_heard and not self._closed:
                self._generate("cleared", cut.response)

    def _generate(self, what: str, response: str) -> None:
        """Report in the server's place what it reports over WebRTC."""
        self._generated += 1
        self._callbacks.on_event(
            {
                "type": f"output_audio_buffer.{what}",
                "event_id": f"event_{self._generated:016x}",
                "response_id": response,
            }
        )

    def _ended(self, error: UpstreamError) -> None:
        if not self._closed:
            self._callbacks.on_lost(error)
