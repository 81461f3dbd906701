"""Which responses are open, whatever event shows that one began or is over. Sans-I/O.

Part of the reducer. A response has begun when ``response.created`` says so, or any other event of
it comes; where one is expected, an item that only a response makes shows it, too. It is over when
``response.done`` says so, or

- another response of the conversation begins: there is one at a time;
- ``rate_limits.updated`` comes and each of its items is done;
- the server refuses to cancel it, because nothing is active;
- each of its items is done and nothing has come of it for ``SETTLED_NS``;
- the server has complained since it began, about no event of ours, and nothing has come of it for
  ``SETTLED_NS``: it has failed, and people were told why.

An end that was only inferred is told as ``ResponseEnded.inferred``. The true one may still come:
it is told too, because it says what the response cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..facts import Fact, ResponseEnded, ResponseStarted
from .client_events import TAG
from .event_fields import Once, map_of, text_of
from .reduce_items import Handler, ItemBook
from .refusal_body import MAX_CODE, read_value

MAX_RESPONSES = 16
"""Responses that may be open at once; of more the oldest is taken to be over."""
MAX_OF_RESPONSE = 128
"""Items of one response that are told apart; of more the oldest counts as complete."""
NAMELESS = "of_"
"""Begins what we call a response that only an item of it shows, before the server names it."""
STRAY = f"{NAMELESS}sound_"
"""Begins what we call a reply of which nothing but its sound comes: no response is known by it."""
SETTLED_NS = 3_000_000_000
"""A response whose items are all done is over when nothing has come of it for so long."""

_ENDS = ("response.created", "response.done")
_ITEM_ENDS = frozenset(
    {
        "conversation.item.done",
        "response.content_part.done",
        "response.function_call_arguments.done",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.output_item.done",
        "response.output_text.done",
    }
)
"""What shows that an item is complete, unless more of it comes."""
_SERVER_TOOLS = frozenset({"mcp_call", "mcp_list_tools"})


@dataclass(slots=True)
class _Open:
    """A response that is being generated."""

    sign_ns: int
    """When anything last came of it."""
    growing: dict[str, str] = field(default_factory=dict)
    """Items that are not complete, with their types (empty: not known)."""
    closed: dict[str, None] = field(default_factory=dict)
    """Items that are complete for good."""
    has_items: bool = False
    has_failed: bool = False
    """The server has complained since it began, about no event of ours."""

    @property
    def is_settled(self) -> bool:
        """Everything that is known of it is complete, or nothing more can be expected."""
        return self.has_failed or (self.has_items and not self.growing)


class ResponseBook:
    """The responses of one session. ``handlers`` is the table of the event types it knows."""

    def __init__(self, items: ItemBook) -> None:
        self._items = items
        self._open: dict[str, _Open] = {}
        self._asides = Once(MAX_RESPONSES)
        self._begun, self._over, self._inferred = Once(), Once(), Once()
        self._newest = ""
        self.is_expected = False
        """A response was asked for, or is owed to a turn."""
        self._cancels: dict[str, tuple[str, ...]] = {}
        """What was open when a ``response.cancel`` was sent, by its event id."""
        self.handlers: dict[str, Handler] = {
            "response.created": self._created,
            "response.done": self._done,
            "rate_limits.updated": self._rate_limits,
        }

    @property
    def is_any_open(self) -> bool:
        """A response of the conversation is being generated."""
        return bool(self._open)

    @property
    def newest(self) -> str:
        """The response of the conversation that began last; empty: there was none."""
        return self._newest

    def is_open(self, response: str) -> bool:
        """Whether a response is being generated."""
        return response in self._open

    @property
    def sign_ns(self) -> int | None:
        """When anything last came of an open response; None where none is open."""
        return max((entry.sign_ns for entry in self._open.values()), default=None)

    @property
    def runs_server_tool(self) -> bool:
        """An open response waits for a tool that the server itself runs."""
        return any(
            kind in _SERVER_TOOLS
            for entry in self._open.values()
            for kind in entry.growing.values()
        )

    def clear(self) -> None:
        """The session is over."""
        self._open.clear()

    def sent(self, event: Mapping[str, Any]) -> None:
        """Remember what a ``response.cancel`` of ours is about, and that an answer is asked for."""
        if text_of(event, "type") == "response.create":
            self.is_expected = True
        if text_of(event, "type") == "response.cancel":
            self._cancels[text_of(event, "event_id")] = tuple(self._open)
            if len(self._cancels) > MAX_RESPONSES:
                del self._cancels[next(iter(self._cancels))]

    def see(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """What any event shows of the responses; call it before the event's own handler."""
        kind = text_of(event, "type")
        if kind in _ENDS:
            return []
        facts: list[Fact] = []
        response = text_of(event, "response_id")
        if response:
            facts = self._shown(response, kind, now_ns)
        elif kind.startswith("conversation.item.") and self.is_expected and not self._open:
            facts = self._nameless(map_of(event, "item"), now_ns)
        self._note(event, kind, self._open.get(response), now_ns)
        return facts

    def nothing_active(self, event_id: str) -> list[Fact]:
        """The server refused the cancel ``event_id`` (empty: it does not say): all is over."""
        known = self._cancels.pop(event_id, None)
        open_then = tuple(self._open) if known is None and not event_id else known or ()
        return [fact for response in open_then for fact in self._infer_end(response)]

    def failed(self) -> None:
        """The server complains, about no event of ours."""
        for entry in self._open.values():
            entry.has_failed = True

    def still_active(self, response: str, now_ns: int) -> list[Fact]:
        """The server says that this response is being generated."""
        return self._shown(response, "", now_ns) if response else []

    def tick(self, now_ns: int) -> list[Fact]:
        """Responses of which nothing more came."""
        due = [
            response
            for response, entry in self._open.items()
            if entry.is_settled and now_ns >= entry.sign_ns + SETTLED_NS
        ]
        return [fact for response in due for fact in self._infer_end(response)]

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        waiting = [entry.sign_ns for entry in self._open.values() if entry.is_settled]
        return min(waiting) + SETTLED_NS if waiting else None

    # -- beginnings -------------------------------------------------------------------------------

    def _created(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        response = map_of(event, "response")
        identity = text_of(response, "id")
        if identity in self._over or identity in self._begun or not identity:
            return []
        if _is_aside(response):
            self._begun.first(identity)
            self._asides.first(identity)
            return []
        return self._begin(identity, text_of(map_of(response, "metadata"), TAG), False, now_ns)

    def _begin(self, response: str, tag: str, inferred: bool, now_ns: int) -> list[Fact]:
        self._begun.first(response)
        facts = [fact for other in list(self._open) for fact in self._infer_end(other)]
        self._open[response] = _Open(now_ns)
        self._newest, self.is_expected = response, False
        return [*facts, ResponseStarted(response, tag, inferred)]

    def _shown(self, response: str, kind: str, now_ns: int) -> list[Fact]:
        """An event of a response came: it has begun, and may be going on."""
        if response in self._over or response in self._asides or response.startswith(STRAY):
            return []
        is_played = kind.startswith("output_audio_buffer.")
        if response not in self._begun:
            facts = self._begin(response, "", True, now_ns)
            self._open[response].has_items = is_played and kind != "output_audio_buffer.started"
            return facts
        if response in self._inferred and response == self._newest and not is_played:
            self._open.setdefault(response, _Open(now_ns))
        return []

    def _nameless(self, item: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """An item that only a response makes, and no response is known."""
        identity = text_of(item, "id")
        if not self._items.is_made_by_model(item) or f"{NAMELESS}{identity}" in self._begun:
            return []
        facts = self._begin(f"{NAMELESS}{identity}", "", True, now_ns)
        self._open[f"{NAMELESS}{identity}"].growing[identity] = text_of(item, "type")
        return facts

    def _note(self, event: Mapping[str, Any], kind: str, entry: _Open | None, now_ns: int) -> None:
        """Keep account of the items of an open response."""
        item_map = map_of(event, "item")
        item = text_of(event, "item_id") or text_of(item_map, "id")
        if entry is None:  # Some events of an item do not say to which response it belongs.
            owners = [known for known in self._open.values() if item in known.growing]
            if not owners:
                return
            entry = owners[0]
        entry.sign_ns = now_ns
        if kind.startswith("output_audio_buffer.") or not item:
            return
        if kind in _ITEM_ENDS:
            entry.has_items = True
            entry.growing.pop(item, None)
            if kind == "response.output_item.done":
                entry.closed[item] = None
        elif item not in entry.closed:
            entry.growing.setdefault(item, text_of(item_map, "type"))
        for book in (entry.growing, entry.closed):
            if len(book) > MAX_OF_RESPONSE:
                del book[next(iter(book))]

    # -- ends -------------------------------------------------------------------------------------

    def _done(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        given = map_of(event, "response")
        response, identity = {**given, "status": _status(given)}, text_of(given, "id")
        if not identity:  # It can only be about the open one, but that one's own end may follow.
            return self._nameless_end(response)
        if text_of(response, "status") == "in_progress":
            return self._shown(identity, "", now_ns)
        if not self._over.first(identity):
            return []
        known = self._open.pop(identity, None) is not None
        aside = identity in self._asides or (_is_aside(response) and not known)
        facts: list[Fact] = []
        if not aside and identity not in self._begun and not self._open:
            self._newest = identity
            tag = text_of(map_of(response, "metadata"), TAG)
            facts.append(ResponseStarted(identity, tag, inferred=not tag))
        self._begun.first(identity)
        facts += self._items.response_done(response, identity, aside)
        return [*facts, _ended(response, identity, aside)]

    def _nameless_end(self, response: Mapping[str, Any]) -> list[Fact]:
        facts: list[Fact] = []
        for identity in list(self._open):
            del self._open[identity]
            self._inferred.first(identity)
            facts += self._items.response_done(response, identity, False)
            facts.append(replace(_ended(response, identity, False), inferred=True))
        return facts

    def _infer_end(self, response: str) -> list[Fact]:
        entry = self._open.pop(response, None)
        if entry is None:
            return []
        is_whole = entry.has_items and not entry.growing
        status = "cancelled" if entry.has_failed and not is_whole else "completed"
        facts = self._items.response_over(response, status == "completed")
        if not self._inferred.first(response):  # It went on after all, and people know its end.
            return facts
        return [*facts, ResponseEnded(response, status, inferred=True)]

    def _rate_limits(self, event: Mapping[str, Any], now_ns: int) -> list[Fact]:
        """It follows the end of a response; some servers send it at the beginning too."""
        settled = [response for response, entry in self._open.items() if entry.is_settled]
        return [fact for response in settled for fact in self._infer_end(response)]


def _status(response: Mapping[str, Any]) -> str:
    """However it is spelt."""
    status = text_of(response, "status").strip().lower()
    return "cancelled" if status == "canceled" else status


def _ended(response: Mapping[str, Any], identity: str, aside: bool) -> ResponseEnded:
    code, message = _why(response)
    return ResponseEnded(
        identity,
        text_of(response, "status")[:MAX_CODE],
        code[:MAX_CODE],
        message,
        map_of(response, "usage") or None,
        not aside,
    )


_REASONS = ("max_output_tokens", "content_filter")


def _why(response: Mapping[str, Any]) -> tuple[str, str]:
    """Code and words of an end that is not as wanted, wherever the server puts them."""
    details = map_of(response, "status_details")
    reason = text_of(details, "reason") or text_of(map_of(response, "incomplete_details"), "reason")
    plain = text_of(response, "status_details") or text_of(response, "incomplete_details")
    if plain in _REASONS:
        return plain, ""
    for error in (details.get("error"), response.get("error"), _plain(response)):
        said, given = read_value(error), error if isinstance(error, Mapping) else {}
        code = text_of(given, "code") or text_of(given, "type") or said.code
        if code or said.words:
            return code or reason, said.words
    return reason, ""


def _plain(response: Mapping[str, Any]) -> Any:
    """An error that stands in ``status_details`` itself."""
    given = response.get("status_details")
    if not isinstance(given, Mapping):
        return given
    return {key: value for key, value in given.items() if key not in ("type", "reason", "error")}


def _is_aside(response: Mapping[str, Any]) -> bool:
    """Whether the response is outside the conversation and may run beside another."""
    return "conversation_id" in response and response["conversation_id"] is None
