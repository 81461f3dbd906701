"""When a session that is being opened counts as confirmed. Sans-I/O.

Where the session went with the call (WebRTC, as a rule), ``session.created`` confirms it. Where it
did not, ``session.created`` is the first word; the session is sent as an update, which
``session.updated`` confirms. Servers leave out either event:

- a server that says nothing within ``FIRST_WORD_NS`` is spoken to (``Knock``);
- any event that only a session brings confirms it, and so does ``CONFIRM_NS`` without a refusal
  after our last word, once the server has said anything at all.

A server that never says a word is not confirmed; the connection's own limit ends it.
"""

from __future__ import annotations

from typing import Literal

from mixer_core.runtime.units import MS_NS

from ..transport.interface import TransportKind

FIRST_WORD_NS = 1_500 * MS_NS
"""Longest time from the connection to the server's first word."""
CONFIRM_NS = 2_500 * MS_NS
"""An update that is not refused by then was taken."""

_PRELUDE = frozenset({"session.created", "conversation.created", "error", "rate_limits.updated"})
"""Events that say nothing of an update, because they come before it or by themselves."""

Step = Literal["knock", "confirm"]
"""knock: speak to the server. confirm: the session counts as confirmed."""


class Confirmation:
    """Of one session, until it is confirmed."""

    def __init__(self, kind: TransportKind) -> None:
        self.needs_update = kind == "websocket"
        """The session object did not go with the call: it follows by an update."""
        self._up_ns: int | None = None
        self._asked_ns: int | None = None
        """When the update, or what we said in place of it, was sent."""
        self._heard = False
        self.update = ""
        """Event id of the update; empty before it is sent."""

    @property
    def missing(self) -> str:
        """The event that is waited for; empty: there is no connection yet."""
        if self._up_ns is None:
            return ""
        asked = self.needs_update and self._heard
        return "session.updated" if asked else "session.created"

    def up(self, now_ns: int) -> None:
        """Media can flow."""
        self._up_ns = self._up_ns or now_ns

    def asked(self, now_ns: int, update: str = "") -> None:
        """The session (``update``: its event), or anything else that has an answer, was sent."""
        self._asked_ns = now_ns
        self.update = update or self.update

    def received(self, kind: str) -> Step | None:
        """An event of this type has come."""
        self._heard = True
        if self.needs_update and not self.update:
            return None
        return None if kind in _PRELUDE else "confirm"

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing waits."""
        if self._asked_ns is not None:
            return self._asked_ns + CONFIRM_NS if self._heard else None
        return None if self._up_ns is None else self._up_ns + FIRST_WORD_NS

    def tick(self, now_ns: int) -> Step | None:
        """The time-out was reached, perhaps."""
        timeout_ns = self.next_timeout_ns()
        if timeout_ns is None or now_ns < timeout_ns:
            return None
        return "knock" if self._asked_ns is None else "confirm"
