"""Ids of a room's servers: each names something in one session only. Sans-I/O.

Nothing promises that a server's ids are unique beyond a session: one that counts (``item_2``,
``resp_1``) begins again after each loss, and one that numbers the calls of each response says
``call_0`` again and again. Where an event comes in, an id that is taken is therefore replaced by
one of ours; where an event goes out, the server gets its own back. Everybody inside knows only ids
that are unique in the room.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..realtime.bounds import MAX_CALL_ID_BYTES, MAX_ID_BYTES, is_longer
from ..realtime.event_fields import REMEMBERED, forget_oldest, map_of, text_of
from .actions import ClearOutput, SendEvent
from .record import RoomRecord
from .sessions import RoomSessions

ROOT = "root"
"""Stands for the beginning of the conversation; the id of no item."""
MAX_OWNED = 2 * REMEMBERED
"""Ids of the room of which it is remembered whose they are."""
MAX_CALLS = 512
"""Calls of a session that are remembered: their ids may be long."""
_RESPONSE_ID = re.compile(r"resp_\w{1,64}")
_WORD = re.compile(r"\w+")
MAX_KEY_CHARS = 64
"""Longest id that is remembered as it is; of a longer one, a digest."""

Event = Mapping[str, Any]
Kind = Literal["item", "response", "call", "session"]
_IDS: tuple[tuple[str, Kind], ...] = (
    ("item_id", "item"),
    ("previous_item_id", "item"),
    ("response_id", "response"),
)


@dataclass(slots=True)
class _Names:
    """Of one session."""

    here: dict[tuple[Kind, str], str] = field(default_factory=dict)
    """The server's ids that are taken, to ours."""
    there: dict[Kind, dict[str, str]] = field(
        default_factory=lambda: {"item": {}, "response": {}, "call": {}, "session": {}}
    )
    """Ours to the server's."""
    calls: dict[tuple[str, str], str] = field(default_factory=dict)
    """Ids of calls in the room, by the server's ids of the item and the call."""
    called: dict[str, None] = field(default_factory=dict)
    """The server's ids of calls that were made or told."""

    def called_for(self, item: str, call: str, here: str) -> None:
        """The item is a call, or its output: with that id there, and here."""
        self.called[_key(call)] = None
        self.calls[_key(item), _key(call)] = here
        forget_oldest(self.called, MAX_CALLS)
        forget_oldest(self.calls, MAX_CALLS)


class ServerIds:
    """Of one room."""

    def __init__(self, sessions: RoomSessions, record: RoomRecord, mark: str) -> None:
        """``mark``: makes ids unique: another process may have begun the conversation."""
        self._sessions, self._record, self._mark = sessions, record, mark
        self._owners: dict[tuple[Kind, str], int] = {}
        """The session that an id belongs to, of the newest ids."""
        self._names: dict[int, _Names] = {}
        self._made = 0

    def arrived(self, session: int, event: Event) -> Event:
        """An event of the server of a session (its number), as it counts in the room."""
        changed: dict[str, Any] = {}
        for key, kind in _IDS:
            name = text_of(event, key)
            if name and name != ROOT:
                _change(changed, key, name, self._here(session, kind, name))
        call, of_item = text_of(event, "call_id"), text_of(event, "item_id")
        if call:
            _change(changed, "call_id", call, self._call(session, of_item, call, True))
        item, response = map_of(event, "item"), map_of(event, "response")
        if item:
            _change(changed, "item", item, self._item(session, item))
        if response:
            _change(changed, "response", response, self._response(session, response))
        error = map_of(event, "error")
        if error and text_of(event, "type") == "error":
            _change(changed, "error", error, self._refusal(session, error))
        about = map_of(event, "session")
        name = text_of(about, "id")
        if name:
            here = self._here(session, "session", name)
            _change(changed, "session", about, about if here == name else {**about, "id": here})
        return {**event, **changed} if changed else event

    def item(self, session: int, item: str) -> str:
        """The id in the room of an item of that session."""
        return self._here(session, "item", item) if item else item

    def leaves(self, action: SendEvent | ClearOutput) -> SendEvent | ClearOutput:
        """A client event as its session's server is to get it."""
        names, event = self._of(action.session), action.event
        changed: dict[str, Any] = {}
        for key, kind in _IDS:
            name = text_of(event, key)
            _change(changed, key, name, names.there[kind].get(name, name))
        item = map_of(event, "item")
        if item:
            _change(changed, "item", item, self._created(action.session, names, item))
        return replace(action, event={**event, **changed}) if changed else action

    # -- details ----------------------------------------------------------------------------------

    def _created(self, session: int, names: _Names, item: Event) -> Event:
        """An item of ours: its id and its call are this session's from now on."""
        identity, changed = text_of(item, "id"), dict[str, Any]()
        self._own("item", identity, session)
        call, request = text_of(item, "call_id"), text_of(item, "approval_request_id")
        _change(changed, "approval_request_id", request, names.there["item"].get(request, request))
        if call:
            theirs = names.there["call"].get(call, call)
            _change(changed, "call_id", call, theirs)
            names.called_for(identity, theirs, call)
            self._own("call", theirs, session)
        return {**item, **changed} if changed else item

    def _item(self, session: int, item: Event) -> Event:
        changed: dict[str, Any] = {}
        identity, call = text_of(item, "id"), text_of(item, "call_id")
        request = text_of(item, "approval_request_id")
        if identity:
            _change(changed, "id", identity, self._here(session, "item", identity))
        if request:
            _change(changed, "approval_request_id", request, self._here(session, "item", request))
        if call:
            is_call = text_of(item, "type") == "function_call"
            _change(changed, "call_id", call, self._call(session, identity, call, is_call))
        return {**item, **changed} if changed else item

    def _response(self, session: int, response: Event) -> Event:
        changed: dict[str, Any] = {}
        identity, output = text_of(response, "id"), response.get("output")
        if identity:
            _change(changed, "id", identity, self._here(session, "response", identity))
        if isinstance(output, list):
            items = [self._item(session, i) if isinstance(i, Mapping) else i for i in output]
            if any(new is not old for new, old in zip(items, output, strict=True)):
                changed["output"] = items
        return {**response, **changed} if changed else response

    def _refusal(self, session: int, error: Event) -> Event:
        """A refusal may name a response in its words."""
        names = self._of(session)

        def here(found: re.Match[str]) -> str:
            word = found[0]
            if _RESPONSE_ID.fullmatch(word):
                return self._here(session, "response", word)
            return names.here.get(("response", _key(word)), word)

        words = text_of(error, "message")
        told = _WORD.sub(here, words)
        return error if told == words else {**error, "message": told}

    def _call(self, session: int, item: str, call: str, is_call: bool) -> str:
        """A call is known by its item, too: a server may number the calls of each response."""
        names = self._of(session)
        known = names.calls.get((_key(item), _key(call)))
        if known is not None or _is_too_long("call", call):
            return known or call
        is_again = is_call and bool(item) and _key(call) in names.called
        here = self._fresh(names, "call", call) if is_again else self._here(session, "call", call)
        if is_call and item:
            names.called_for(item, call, here)
        return here

    def _here(self, session: int, kind: Kind, name: str) -> str:
        if _is_too_long(kind, name):
            return name  # What it names is not there for anybody.
        names, key = self._of(session), (kind, _key(name))
        known, owner = names.here.get(key), self._owners.get(key)
        if known is not None:
            return known
        if owner is None and not self._is_recorded(kind, name):
            self._own(kind, name, session)
        elif owner != session:
            names.here[key] = self._fresh(names, kind, name)
            forget_oldest(names.here, REMEMBERED)
            return names.here[key]
        return name

    def _fresh(self, names: _Names, kind: Kind, name: str) -> str:
        self._made += 1
        here = f"mm{self._mark}x{self._made}"
        names.there[kind][here] = name
        forget_oldest(names.there[kind], MAX_CALLS if kind == "call" else REMEMBERED)
        return here

    def _own(self, kind: Kind, name: str, session: int) -> None:
        if name:
            self._owners[kind, _key(name)] = session
            forget_oldest(self._owners, MAX_OWNED)

    def _is_recorded(self, kind: Kind, name: str) -> bool:
        """Whether it is in a conversation that goes on, or of a session long ago."""
        if kind == "item":
            return self._record.find(name) is not None
        return kind == "call" and any(item.call == name for item in self._record.items())

    def _of(self, session: int) -> _Names:
        if session not in self._names:
            alive = self._sessions.numbers
            self._names = {number: n for number, n in self._names.items() if number in alive}
            self._names[session] = _Names()
        return self._names[session]


def _key(name: str) -> str:
    """What an id is remembered by."""
    if len(name) <= MAX_KEY_CHARS:
        return name
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=24).hexdigest()


def _is_too_long(kind: Kind, name: str) -> bool:
    return is_longer(name, MAX_CALL_ID_BYTES if kind == "call" else MAX_ID_BYTES)


def _change(changed: dict[str, Any], key: str, old: Any, new: Any) -> None:
    if new is not old and new != old:
        changed[key] = new
