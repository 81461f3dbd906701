"""Tool calls of which not everything has been told, put together from several events. Sans-I/O.

Part of the reducer. A call that came without its ``response.output_item.done`` is complete when its
response is completed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixer_core.runtime.errors import UnreadableError
from mixer_core.runtime.foreign_data import read_json

from ..facts import CallNameless, ToolCalled
from .bounds import MAX_FIELD_CHARS
from .event_fields import Once, text_of

Called = ToolCalled | CallNameless
_CUT = ("incomplete", "cancelled", "failed")
"""Statuses of an item that was cut off."""
MAX_DRAFTS = 32
"""Calls that may be incomplete at once; of more the oldest is forgotten."""


@dataclass(slots=True)
class _Draft:
    response: str = ""
    call: str = ""
    name: str = ""
    arguments: str = ""
    is_whole: bool = False
    """Its arguments are complete."""
    pieces: str = ""
    """Its arguments as far as they came in deltas."""

    @property
    def can_be_made(self) -> bool:
        """Whether its response's end makes it complete."""
        if not self.is_whole and not self.arguments and _is_json(self.pieces):
            self.arguments, self.is_whole = self.pieces, True
        return self.is_whole


class CallDrafts:
    """The calls of one session that are not complete, by item."""

    def __init__(self) -> None:
        self._drafts: dict[str, _Draft] = {}
        self._settled = Once()
        """Items that are complete, or were cut off."""
        self._completed = Once()
        """Responses that are completed."""
        self._ours = Once()
        """Items that we made: history."""

    def ours(self, item: str) -> None:
        """We make this item ourselves: its echo is no call of the model."""
        self._ours.first(item)

    def is_ours(self, item: str) -> bool:
        """Whether we made this item ourselves."""
        return item in self._ours

    def added(self, item: Mapping[str, Any], response: str) -> None:
        """A response makes this item."""
        if text_of(item, "type") == "function_call":
            self._draft(text_of(item, "id"), item, response)

    def arguments_delta(self, event: Mapping[str, Any]) -> None:
        """More of the arguments of a call."""
        draft = self._draft(text_of(event, "item_id"), event, text_of(event, "response_id"))
        if draft is not None:
            room = MAX_FIELD_CHARS - len(draft.pieces)
            draft.pieces += text_of(event, "delta")[:room]

    def arguments_done(self, event: Mapping[str, Any]) -> list[Called]:
        """The arguments of a call are complete; returns it if its response is completed already."""
        item, response = text_of(event, "item_id"), text_of(event, "response_id")
        draft = self._draft(item, event, response)
        if draft is None:
            return []
        draft.is_whole = True
        return self._take(item) if draft.response in self._completed else []

    def item_done(self, item: Mapping[str, Any]) -> None:
        """An item of the conversation is complete; of a call of ours this is only an echo."""
        identity = text_of(item, "id")
        if text_of(item, "type") != "function_call" or identity in self._ours:
            return
        if text_of(item, "status") in _CUT:
            self._drafts.pop(identity, None)
            self._settled.first(identity)
            return
        draft = self._draft(identity, item, "")
        if draft is not None and text_of(item, "status") in ("completed", ""):
            draft.is_whole = True

    def finished(self, item: Mapping[str, Any], response: str, complete: bool) -> Called | None:
        """A response has finished this call, ``complete`` or cut off; returns it if it is whole."""
        identity = text_of(item, "id")
        if text_of(item, "status") not in ("completed", "", *_CUT):
            return None  # Not over, or in a way that nobody here knows: the response's end says it.
        draft = self._drafts.pop(identity, None) or _Draft()
        is_first = not identity or self._settled.first(identity)
        call, name = text_of(item, "call_id") or draft.call, text_of(item, "name") or draft.name
        if not complete or not is_first:
            return None
        if not call:
            is_news = identity or self._settled.first(("no id", response, name))
            return CallNameless(identity, name) if is_news else None
        arguments = text_of(item, "arguments") or draft.arguments
        return ToolCalled(response or draft.response, identity, call, name, arguments)

    def over(self, response: str, complete: bool) -> list[Called]:
        """A response is over: its calls that are whole, where it was completed."""
        if complete:
            self._completed.first(response)
        items = [
            item
            for item, draft in self._drafts.items()
            if draft.response == response or (draft.is_whole and not draft.response)
        ]
        calls: list[Called] = []
        for item in items:
            if complete and self._drafts[item].can_be_made:
                calls += self._take(item, response)
            elif not complete:
                del self._drafts[item]
        return calls

    def _draft(self, item: str, fields: Mapping[str, Any], response: str) -> _Draft | None:
        """What is known of a call, with more of it; None where it is settled."""
        if not item or item in self._settled:
            return None
        draft = self._drafts.setdefault(item, _Draft())
        draft.response = response or draft.response
        draft.call = text_of(fields, "call_id") or draft.call
        draft.name = text_of(fields, "name") or draft.name
        draft.arguments = text_of(fields, "arguments") or draft.arguments
        if len(self._drafts) > MAX_DRAFTS:
            del self._drafts[next(iter(self._drafts))]
        return draft

    def _take(self, item: str, response: str = "") -> list[Called]:
        draft = self._drafts.pop(item)
        self._settled.first(item)
        if not draft.call:
            return [CallNameless(item, draft.name)]
        called = draft.response or response
        return [ToolCalled(called, item, draft.call, draft.name, draft.arguments)]


def _is_json(text: str) -> bool:
    try:
        read_json(text)
    except UnreadableError:
        return False
    return True
