"""What a server was told of its session, less what it refused. Sans-I/O.

A server that refuses one field of an update takes none of it: what was in it is not set, and is not
remembered as if it were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..facts import ServerError
from ..tools.blame import Blame, blame

UPDATE = "session.update"
MAX_UPDATES = 64
"""Updates that may still be refused; older ones were taken."""

_PARTS = ("audio", "input", "output")

Definition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Update:
    changed: Mapping[str, Any]
    offered: tuple[Definition, ...]
    """Our tools in it, at the beginning of all."""


class ToldSession:
    """Of one session."""

    def __init__(self) -> None:
        self._base = _Update({}, ())
        """How it was opened, and the updates that can no longer be refused."""
        self._updates: dict[str, _Update] = {}
        """By event id, in order."""
        self.is_untold = False
        """The session was sent as an update, and refused: it is to be sent again, whole."""

    @property
    def description(self) -> Mapping[str, Any]:
        """The session object, as far as it was not refused."""
        whole = dict(self._base.changed)
        for update in self._updates.values():
            whole = _laid_over(whole, update.changed)
        return whole

    @property
    def tools(self) -> Sequence[Definition]:
        """Our tools, as far as they were not refused."""
        return self._newest().offered

    def opened(self, description: Mapping[str, Any], tools: Sequence[Definition]) -> None:
        """The session is opened with this; ``tools``: those of ours in it."""
        self._base, self._updates = _Update(description, tuple(tools)), {}
        self.is_untold = False

    def updated(
        self, event: Mapping[str, Any], changed: Mapping[str, Any], tools: Sequence[Definition]
    ) -> None:
        """The client event goes out, which changes this; ``tools``: those of ours in it."""
        self._updates[str(event["event_id"])] = _Update(changed, tuple(tools))
        if len(self._updates) > MAX_UPDATES:
            oldest = self._updates.pop(next(iter(self._updates)))
            whole = _laid_over(self._base.changed, oldest.changed)
            self._base = _Update(whole, oldest.offered)

    def refused(self, error: ServerError, is_opening: bool) -> Blame | None:
        """The server complains; the tools that are to blame, if it is for them.

        ``is_opening``: the session is not confirmed, and was sent as an update.
        """
        if error.event_id and error.cause != UPDATE:
            return None
        key = error.event_id
        if not key and self._updates and error.param.startswith("session.tool"):
            key = next(reversed(self._updates))
        update = self._updates.pop(key, None)
        if update is not None:
            return _blame(error.code, error.param, error.message, update, self._newest())
        if is_opening and (error.cause == UPDATE or not error.event_id):
            found = self.not_opened(error.code, error.param, error.message)
            self.is_untold = found is not None
            return found
        return None

    def not_opened(self, code: str, param: str, words: str) -> Blame | None:
        """The server refuses the session as it was opened; the tools that are to blame."""
        return _blame(code, param, words, self._base, _Update({}, ()))

    def _newest(self) -> _Update:
        """The last that was not refused."""
        return next(reversed(self._updates.values()), self._base)


def _laid_over(base: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """As a server takes an update: the parts of ``audio`` key by key, all else as a whole."""
    whole = dict(base)
    for key, value in changed.items():
        known = whole.get(key)
        is_part = key in _PARTS and isinstance(known, Mapping) and isinstance(value, Mapping)
        whole[key] = _laid_over(known, value) if is_part and known is not None else value
    return whole


def _blame(code: str, param: str, words: str, update: _Update, before: _Update) -> Blame | None:
    fresh = [str(tool["name"]) for tool in update.offered if tool not in before.offered]
    offered = [str(tool["name"]) for tool in update.offered]
    found = blame(code, param, words, offered, fresh if before.offered else ())
    return None if found is None else replace(found, sent=update.offered)
