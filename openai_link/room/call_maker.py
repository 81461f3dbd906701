"""Makes a room's calls, one way or the other, each with all that it needs."""

from __future__ import annotations

import secrets

from ..realtime.session_object import ClientEvents, Upstream, session_object
from ..transcript.seeding import Seeding
from ..transport.factory import make_transport, open_http
from ..transport.interface import Callbacks, Transport, TransportKind
from .conversation import Conversation
from .room import Room
from .watching import Surroundings, Watcher


class CallMaker:
    """Knows the server; numbers the calls, so that ids are unique in the room."""

    def __init__(self, upstream: Upstream, surroundings: Surroundings, room: Room) -> None:
        self._upstream = upstream
        self._surroundings = surroundings
        self._room = room
        self._http = open_http(upstream, surroundings.settings)
        self._mark = secrets.token_hex(3)
        """The conversation may go on that another process began, with ids of its own."""
        self._made = 0

    async def close(self) -> None:
        """Nothing is asked of the server any more."""
        await self._http.close()

    def make(self, kind: TransportKind, watcher: Watcher) -> Conversation:
        """A call that is not connected yet."""
        self._made += 1
        events = ClientEvents(f"mm{self._mark}{self._made}")
        seeding = Seeding(events, self._room.compose)

        def transport(callbacks: Callbacks) -> Transport:
            return self._transport(kind, callbacks)

        return Conversation(self._surroundings, watcher, events, transport, seeding)

    async def connect(self, conversation: Conversation) -> None:
        """Call the server, with the tools that there are by now. Raises UpstreamError."""
        tools = self._room.tools
        await tools.opened()
        await conversation.connect(session_object(self._surroundings.settings, tools.definitions()))

    def _transport(self, kind: TransportKind, callbacks: Callbacks) -> Transport:
        settings, log = self._surroundings.settings, self._surroundings.log
        latency = self._surroundings.metrics.histogram("uplink_latency_ms")
        return make_transport(kind, self._upstream, settings, self._http, latency, log, callbacks)
