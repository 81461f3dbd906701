"""What the browsers of a room are told about its connection, and who is there to be told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from ..mixer_client import MixerClient
from .lifecycle import Report

LATE_STATE_S = 0.4
"""After a change of the roster the state is sent once more, for a browser that is just joining."""


class Notices:
    """Knows the roster; repeats the state for those who join; keeps errors for the first one."""

    def __init__(
        self,
        line: MixerClient,
        state: Callable[[], Mapping[str, Any]],
        on_audience: Callable[[], None],
    ) -> None:
        """``state``: the EVENT that shows it. ``on_audience``: newcomers hear what is sent."""
        self._line = line
        self._state = state
        self._on_audience = on_audience
        self._joining: asyncio.TimerHandle | None = None
        self._reports: list[Report] = []
        """Errors that nobody was there to hear yet."""
        self.people: dict[str, str] = {}
        """Names by participant."""

    def close(self) -> None:
        """Nobody is told anything any more."""
        if self._joining is not None:
            self._joining.cancel()

    @property
    def has_audience(self) -> bool:
        """Somebody is in the room and hears what is sent."""
        return bool(self.people) and self._joining is None

    def roster(self, event: Mapping[str, Any]) -> bool:
        """The mixer's ``participants`` event; returns whether somebody joined."""
        listed = event.get("participants")
        entries = listed if isinstance(listed, list) else []
        before = self.people
        self.people = {
            str(entry.get("participant")): str(entry.get("name", ""))
            for entry in entries
            if isinstance(entry, dict)
        }
        return bool(self.people.keys() - before.keys())

    def joined(self) -> None:
        """Tell the newcomers now, and once more when their subscription is there."""
        self.state()
        if self._joining is not None:
            self._joining.cancel()
        loop = asyncio.get_running_loop()
        self._joining = loop.call_later(LATE_STATE_S, self._settled)

    def state(self) -> None:
        """Tell everybody what the state is."""
        self._line.event(self._state())

    def report(self, report: Report) -> None:
        """Tell the room about an error, as soon as there is anybody."""
        self._reports.append(report)
        self._tell_reports()

    def _settled(self) -> None:
        self._joining = None
        self.state()
        self._tell_reports()
        self._on_audience()

    def _tell_reports(self) -> None:
        if self.has_audience:
            for report in self._reports:
                content = {"type": "error", "code": report.code, "message": report.message}
                self._line.event(content)
            self._reports.clear()
