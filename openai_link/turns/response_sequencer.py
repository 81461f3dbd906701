"""One response at a time: the only place that asks the model to answer. Sans-I/O.

The service refuses a ``response.create`` while a response of the conversation is active, and voice
activity detection starts responses by itself. Requests wait for the end of the active one; a
request that lost the race is repeated. A request is tagged, in the response's metadata, so that its
response can be told from one that the server started by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..realtime.client_events import ClientEvents

MAX_WAITING = 8
"""Requests that may wait; more are dropped, because the next answer covers them."""
MAX_TRIES = 3
"""How often one request is sent."""
ALREADY_ACTIVE = "conversation_already_has_active_response"


@dataclass(slots=True)
class _Request:
    overrides: Mapping[str, Any] | None
    tries: int = 0


class ResponseSequencer:
    """Decides when ``response.create`` goes out; methods return the events to send now."""

    def __init__(self, events: ClientEvents) -> None:
        self._events = events
        self._waiting: deque[_Request] = deque()
        self._sent: dict[str, _Request] = {}
        self._in_flight: str | None = None
        self._strangers = 0
        """Responses without our tag that began while a request was in flight."""
        self._server_echoes = True
        """The server returns metadata, as OpenAI does; noticed when it does not."""
        self._doomed = False
        self.active: str | None = None
        """Id of the response of the conversation that is being generated."""

    @property
    def busy(self) -> bool:
        """A response is active or asked for."""
        return self.active is not None or self._in_flight is not None

    def request(self, overrides: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Ask for an answer. Two plain requests that wait are one."""
        plain = overrides is None and any(r.overrides is None for r in self._waiting)
        if not plain and len(self._waiting) < MAX_WAITING:
            self._waiting.append(_Request(overrides))
        return self._next()

    def created(self, response: str, tag: str = "") -> list[dict[str, Any]]:
        """A response began: by ``tag`` ours, or one that the server started by itself."""
        self.active = response
        if self._in_flight is None or not self._is_ours(tag):
            return []
        self._in_flight = None
        if not self._doomed:
            return []
        self._doomed = False
        return [self._events.cancel_response(response)]

    def ended(self, response: str) -> list[dict[str, Any]]:
        """A response is over."""
        if response != self.active:
            return []
        self.active = None
        return self._next()

    def refused(self, event_id: str, code: str) -> list[dict[str, Any]]:
        """The server refused a client event; it matters here if it was a request of ours.

        A refusal without an id is that of the request under way, or, where there is none, that
        of the server itself: it wanted to answer a turn and could not. Then we ask for it.
        """
        if not event_id and code == ALREADY_ACTIVE:
            if self._in_flight is None:
                return self.request()
            event_id = self._in_flight
        request = self._sent.pop(event_id, None)
        if request is None:
            return []
        if self._in_flight == event_id:
            self._in_flight = None
            self._doomed = False
        if code == ALREADY_ACTIVE and request.tries < MAX_TRIES:
            self._waiting.appendleft(request)
            if self.active is None:
                return []  # The active one announces itself; its end lets this request go.
        return self._next()

    def interrupt(self) -> list[dict[str, Any]]:
        """Drop what waits and stop what is active."""
        self._waiting.clear()
        if self.active is not None:
            return [self._events.cancel_response(self.active)]
        self._doomed = self._in_flight is not None
        return []

    def _is_ours(self, tag: str) -> bool:
        if tag == self._in_flight or not self._server_echoes:
            return True
        self._strangers += 1
        if self._strangers > 1:  # It cannot have overlooked a request for two whole responses.
            self._server_echoes = False
        return not self._server_echoes

    def _next(self) -> list[dict[str, Any]]:
        if self.busy or not self._waiting:
            return []
        request = self._waiting.popleft()
        request.tries += 1
        event = self._events.create_response(request.overrides)
        self._in_flight = event["event_id"]
        self._strangers = 0
        self._sent[self._in_flight] = request
        if len(self._sent) > MAX_WAITING:
            del self._sent[next(iter(self._sent))]
        return [event]
