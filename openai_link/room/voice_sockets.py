"""The sockets of the sessions that write down one person each (``own_words``)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import aiohttp

from mixer_core.runtime.errors import UpstreamError

from ..realtime.event_fields import event_of
from ..realtime.upstream import Upstream
from ..transport.event_socket import EventSocket
from ..transport.inflow import Inflow

BATCH_MS = 100
"""Sound in one event, for the socket's account of what waits."""


class VoiceSockets:
    """Of one room; callbacks run on the event loop."""

    def __init__(
        self,
        upstream: Upstream,
        http: aiohttp.ClientSession,
        start: Callable[[Coroutine[Any, Any, None]], object],
        on_open: Callable[[str], None],
        on_event: Callable[[str, Mapping[str, Any]], None],
        on_lost: Callable[[str, str], None],
    ) -> None:
        """Prepare; the callbacks are given the participant.

        Args:
            upstream: the server.
            http: makes the connections.
            start: runs work in a task.
            on_open: a session is connected.
            on_event: one event of its server.
            on_lost: it is over, and why.
        """
        self._upstream, self._http, self._start = upstream, http, start
        self._on_open, self._on_event, self._on_lost = on_open, on_event, on_lost
        self._sockets: dict[str, EventSocket] = {}

    def open(self, who: str) -> None:
        """Connect a session for somebody, in place of another one."""
        self.close(who)
        inflow = Inflow()
        socket = EventSocket(
            self._http,
            partial(self._text, who, inflow),
            lambda _: None,
            lambda error: self._end(who, socket, str(error)),
        )
        self._sockets[who] = socket
        self._start(self._connect(who, socket))

    def send(self, who: str, event: Mapping[str, Any]) -> None:
        """Send a client event."""
        socket = self._sockets.get(who)
        if socket is not None:
            has_sound = event.get("type") == "input_audio_buffer.append"
            socket.send(json.dumps(event), BATCH_MS if has_sound else 0)

    def close(self, who: str) -> None:
        """Nothing more of somebody's session counts."""
        socket = self._sockets.pop(who, None)
        if socket is not None:
            self._start(socket.close())

    def lose_all(self, words: str) -> None:
        """End them all, and say why."""
        for who, socket in list(self._sockets.items()):
            self._end(who, socket, words)

    async def close_all(self) -> None:
        """End them all."""
        sockets, self._sockets = list(self._sockets.values()), {}
        await asyncio.gather(*(socket.close() for socket in sockets))

    async def _connect(self, who: str, socket: EventSocket) -> None:
        try:
            await socket.open(self._upstream.transcription_url, self._upstream.headers())
        except UpstreamError as error:
            self._end(who, socket, str(error))
            return
        if self._sockets.get(who) is socket:
            self._on_open(who)

    def _text(self, who: str, inflow: Inflow, text: str) -> None:
        if who not in self._sockets:
            return
        refusal = inflow.refusal(len(text), time.monotonic_ns())
        if refusal is not None:
            self._end(who, self._sockets[who], str(refusal))
            return
        event = event_of(text)
        if event is not None:
            self._on_event(who, event)

    def _end(self, who: str, socket: EventSocket, words: str) -> None:
        if self._sockets.get(who) is socket:
            self._on_lost(who, words)
            self.close(who)
