"""What the room's people are told by the engine itself: the state, problems, a greeting. Sans-I/O.

``Notices`` knows who can hear it, and keeps what nobody could.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .actions import TellBrowsers
from .parts import RoomConfig, RoomParts
from .rule_changes import RuleChanges
from .signals import Outcome

_SHOWN: dict[str, str] = {"idle": "connecting", "closed": "reconnecting"}
"""States that browsers know by another name: a link that ends is followed by another one."""


class Audience:
    """Of one room; methods return what follows, in order."""

    def __init__(self, config: RoomConfig, parts: RoomParts, rules: RuleChanges) -> None:
        self._is_simulated = config.upstream.simulated
        self._parts = parts
        self._rules = rules
        self._greets = config.settings.greet

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nobody has just joined."""
        return self._parts.notices.next_timeout_ns()

    def tick(self, now_ns: int) -> list[Outcome]:
        """Newcomers hear what is sent: a question may be open, errors may have waited."""
        notices = self._parts.notices
        if not notices.tick(now_ns):
            return []
        outcomes: list[Outcome] = [self.state()]
        outcomes += [TellBrowsers(event) for event in notices.waiting()]
        outcomes += self._parts.tools.ask_again(now_ns)
        return outcomes + self.greet(now_ns)

    def roster(self, event: Mapping[str, Any], now_ns: int) -> tuple[Mapping[str, str], bool]:
        """Take the mixer's ``participants`` event.

        Returns the names by participant, and whether somebody joined.
        """
        joined = self._parts.notices.roster(event, now_ns)
        return self._parts.notices.people, joined

    def problem(self, code: str, message: str) -> list[Outcome]:
        """Something is wrong: everybody hears of it, once there is somebody."""
        return [TellBrowsers(event) for event in self._parts.notices.report(code, message)]

    def greet(self, now_ns: int) -> list[Outcome]:
        """Say hello in a fresh room, once somebody can hear it."""
        talking = self._parts.sessions.talking
        if not (self._greets and self._parts.notices.has_audience and talking is not None):
            return []
        self._greets = False
        return [] if self._parts.record.is_resumed else talking.greet(now_ns)

    def begun(self) -> None:
        """Somebody has begun the conversation: nobody is greeted any more."""
        self._greets = False

    def state(self) -> TellBrowsers:
        """What the assistant is doing, and how its connection is."""
        connection, sessions = self._parts.connection, self._parts.sessions
        active = sessions.active
        known = active is not None and active.simulated
        event = {
            "type": "state",
            "assistant": sessions.assistant,
            "upstream": _SHOWN.get(connection.state, connection.state),
            "simulated": known or self._is_simulated,
            "detail": connection.detail,
            "images": sessions.pictures.may_be_shown,
            "recording": self._parts.recording.view,
            **self._told_rules(),
        }
        return TellBrowsers(event | ({"code": connection.code} if connection.code else {}))

    def _told_rules(self) -> dict[str, Any]:
        """What everybody may know of the room's rules."""
        rules = self._rules.rules
        return {
            "persona": rules.persona,
            "address": self._parts.address.rule,
            "transcript": rules.transcript,
            "recording_allowed": rules.recording,
        }
