"""Whoever objects to a recording is heard, whatever is lost on the way to the link. Sans-I/O.

The message goes over the mixer, which may be restarting. The link says its state at each change and
every 3 s: as long as it still records, the objection is said again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .protocol.browser_messages import Record

AGAIN = Record(False)


class Objection:
    """Of one participant."""

    def __init__(self) -> None:
        self._stands = False

    def said(self, message: Record) -> None:
        """The participant wants a recording, or objects."""
        self._stands = not message.on

    def follow(self, event: Mapping[str, Any]) -> Record | None:
        """What to say again after an EVENT of the room, if anything."""
        recording = event.get("recording")
        if not self._stands or event["type"] != "state" or not isinstance(recording, Mapping):
            return None
        self._stands = recording.get("phase") != "off"
        return AGAIN if self._stands else None
