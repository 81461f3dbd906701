"""One response at a time: the only place that asks the model to answer. Sans-I/O.

The service refuses a ``response.create`` while a response of the conversation is active, and voice
activity detection starts responses by itself. Requests wait for the end of the active one; a
request that lost the race is repeated. A request is tagged, in the response's metadata, so that its
response can be told from one that the server started by itself.

Nothing that a server leaves out keeps the place of the request under way for good:

- its response shows itself by any event, even where ``response.created`` is missing (inferred);
- a refusal that does not name its event is that of the request under way;
- a response that began since the request was sent and is over, while the server has neither
  refused the request nor begun another one within ``GRACE_NS``, was its answer: the server does not
  return metadata.

A request that is taken wrongly to be settled is refused, and then repeated, if it was too early.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.units import MS_NS, S_NS

from ..realtime.client_events import ClientEvents
from ..realtime.reduce_responses import NAMELESS

MAX_WAITING = 8
"""Requests that may wait; more are dropped, because the next answer covers them."""
MAX_TRIES = 6
"""How often one request is sent."""
RETRY_NS = 500 * MS_NS
"""Before a refused request is sent again although no response is known to be active; doubled."""
GRACE_NS = 1 * S_NS
"""After a response that may have been the answer, the server may take so long to say otherwise."""
ALREADY_ACTIVE = "conversation_already_has_active_response"
_OF_OTHERS = frozenset(
    {
        "response_cancel_not_active",
        "item_retrieve_invalid_item_id",
        "item_delete_invalid_item_id",
        "item_truncate_invalid_item_id",
    }
)
"""Refusals that are never those of a request."""


@dataclass(slots=True)
class _Request:
    overrides: Mapping[str, Any] | None
    covers_turn: bool = False
    """It stands in for a response that the server should have begun by itself."""
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
        self.is_doomed = False
        """Nobody waits for the answer to the request in flight any more."""
        self._retry_ns: int | None = None
        """When a refused request is sent again."""
        self._settled_ns: int | None = None
        """When the request under way counts as answered by a response without our tag."""
        self.active: str | None = None
        """Id of the response of the conversation that is being generated."""
        self.given_up = 0
        """Requests that were refused too often."""

    @property
    def busy(self) -> bool:
        """A response is active or asked for."""
        return self.active is not None or self._in_flight is not None

    @property
    def is_empty(self) -> bool:
        """Nothing is active, asked for, or waits to be asked for."""
        return not self.busy and not self._waiting

    @property
    def in_flight(self) -> str | None:
        """Id of the request that the server has neither answered nor refused."""
        return self._in_flight

    def request(
        self, overrides: Mapping[str, Any] | None = None, covers_turn: bool = False
    ) -> list[dict[str, Any]]:
        """Ask for an answer. Two plain requests that wait are one."""
        plain = overrides is None and any(r.overrides is None for r in self._waiting)
        if not plain and len(self._waiting) < MAX_WAITING:
            self._waiting.append(_Request(overrides, covers_turn))
        return self._next()

    def created(self, response: str, tag: str = "", inferred: bool = False) -> list[dict[str, Any]]:
        """A response began: by ``tag`` ours, or one that the server started by itself.

        ``inferred``: only a later event showed it; whether it is ours is not known.
        """
        self.active = response
        if self._in_flight is None or not (inferred or self._is_ours(tag)):
            return []
        was_doomed = self._free()
        return [self.cancel(response)] if was_doomed else []

    def ended(self, response: str, now_ns: int = 0) -> list[dict[str, Any]]:
        """A response is over."""
        if self.active is not None and response != self.active:
            return []
        self.active = None
        if self._in_flight is not None and self._strangers:
            self._settled_ns = now_ns + GRACE_NS
        return self._next()

    def refused(self, event_id: str, code: str, now_ns: int = 0) -> list[dict[str, Any]]:
        """The server refused a client event; it matters here if it was a request of ours.

        A refusal without an id is that of the request under way.
        """
        if not event_id:
            event_id = "" if code in _OF_OTHERS else self._in_flight or ""
        request = self._sent.pop(event_id, None)
        if request is None:
            return []
        was_doomed = self._in_flight == event_id and self._free()
        if code == ALREADY_ACTIVE and not (was_doomed or request.covers_turn):
            return self._again(request, now_ns)
        return self._next()

    def interrupt(self) -> list[dict[str, Any]]:
        """Drop what waits, and stop what is active and what comes of a request in flight."""
        self._waiting.clear()
        self.is_doomed = self._in_flight is not None
        return [] if self.active is None else [self.cancel(self.active)]

    def cancel(self, response: str) -> dict[str, Any]:
        """Stop a response; the server does not know those by name that it has not named."""
        return self._events.cancel_response("" if response.startswith(NAMELESS) else response)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits for a time."""
        return earliest(self._retry_ns if self._waiting else None, self._settled_ns)

    def tick(self, now_ns: int) -> list[dict[str, Any]]:
        """The time-out was reached: a request is repeated, or counts as answered."""
        if self._settled_ns is not None and now_ns >= self._settled_ns:
            self._server_echoes = False
            self._free()
        elif self._retry_ns is None or now_ns < self._retry_ns:
            return []
        self._retry_ns = None
        return self._next()

    def _again(self, request: _Request, now_ns: int) -> list[dict[str, Any]]:
        """Repeat a request once the active response has ended, or after a while."""
        if request.tries >= MAX_TRIES:
            self.given_up += 1
            return self._next()
        self._waiting.appendleft(request)
        self._retry_ns = now_ns + (RETRY_NS << (request.tries - 1))
        return []

    def _free(self) -> bool:
        """The request under way is settled; returns whether it was doomed."""
        was_doomed, self.is_doomed = self.is_doomed, False
        self._in_flight = self._settled_ns = None
        return was_doomed

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
        self._strangers, self._retry_ns = 0, None
        self._sent[self._in_flight] = request
        if len(self._sent) > MAX_WAITING:
            del self._sent[next(iter(self._sent))]
        return [event]
