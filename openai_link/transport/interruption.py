"""Whether speech stops the reply that is played here, by what the session says. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..realtime.confirmed import turns_of
from ..realtime.event_fields import map_of, text_of


class Interruption:
    """Of one session: its updates and the server's confirmations pass by here."""

    def __init__(self) -> None:
        self.is_on = True
        """Speech stops the reply."""
        self._is_detected = True
        """The server was not told to leave the turns to a button."""

    def sent(self, event: Mapping[str, Any]) -> None:
        """A client event goes out, in the shape of GA."""
        if text_of(event, "type") != "session.update":
            return
        heard = map_of(map_of(map_of(event, "session"), "audio"), "input")
        if "turn_detection" in heard:
            self._is_detected = heard["turn_detection"] is not None
            self.is_on = True  # As servers do where the update does not say.
            self._take(event)

    def received(self, event: Mapping[str, Any]) -> None:
        """An event of the server has come, in the shape of GA."""
        if text_of(event, "type") == "session.updated":
            self._take(event)

    def _take(self, event: Mapping[str, Any]) -> None:
        _, interrupts = turns_of(map_of(event, "session"))
        if not self._is_detected:
            self.is_on = False
        elif interrupts is not None:
            self.is_on = interrupts
