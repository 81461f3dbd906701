"""When a room is recorded, and whose voice is kept. Sans-I/O.

It is off until an admin asks for it in a room whose rules allow it. Then everybody is told, sees
and hears it, and it begins ``LEAD_NS`` later, unless somebody objects. Who comes in while it runs
is told in the same way, and nothing of them is kept before that time is over. One who objects,
whoever it is, ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mixer_core.runtime.units import S_NS

LEAD_NS = 5 * S_NS
"""From being told until what one says is kept: long enough to object."""
MAX_NAME = 80

Phase = Literal["off", "soon", "on"]


@dataclass(frozen=True, slots=True)
class Begin:
    """Keep what is said from now on."""

    by: str
    """Name of who asked for it."""


@dataclass(frozen=True, slots=True)
class End:
    """Keep nothing more."""

    words: str
    """Why, in a sentence for everybody."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Play a tone to everybody."""

    rises: bool
    """It begins, or runs; else it has ended."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The asker is told why not."""

    stream: int
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Left:
    """An earlier process has recorded the room, and left the recording."""

    words: str
    """Why it ended, in a sentence for everybody."""


Deed = Begin | End | Sound | Refuse | Left


class Consent:
    """Of one room; methods return what is to be done. After each of them the state may be news."""

    def __init__(self, is_allowed: bool, most_ns: int = 4 * 3_600 * S_NS) -> None:
        """``is_allowed``: by the rules of the room; ``most_ns``: the longest recording."""
        self._is_allowed = is_allowed
        self._most_ns = most_ns
        self.phase: Phase = "off"
        self.words = ""
        """Who has asked for it, or why it has ended."""
        self._by = ""
        self._begins_ns = 0
        self._told_ns: dict[str, int] = {}
        """People in the room, and since when they know."""

    @property
    def view(self) -> dict[str, str]:
        """For everybody."""
        return {"phase": self.phase, "words": self.words}

    def keeps(self, participant: str, now_ns: int) -> bool:
        """Whether what a participant says is kept; the assistant (empty) is nobody."""
        if self.phase != "on":
            return False
        told_ns = self._told_ns.get(participant)
        return not participant or (told_ns is not None and now_ns - told_ns >= LEAD_NS)

    def asked(self, event: Mapping[str, Any], now_ns: int) -> list[Deed]:
        """A ``record`` message: somebody wants it, or objects. Workers have looked at the role."""
        name = str(event.get("name") or "somebody")[:MAX_NAME]
        if event.get("on") is not True:
            return self.end(f"{name} has ended the recording")
        if not self._is_allowed:
            stream = event.get("stream")
            words = "recording is not allowed in this room: who runs the gateway can allow it"
            return [Refuse(stream if isinstance(stream, int) else 0, "not_recorded", words)]
        if self.phase != "off":
            return []
        self.phase, self._by, self._begins_ns = "soon", name, now_ns + LEAD_NS
        self.words = f"{name} wants to record this room"
        self._told_ns = dict.fromkeys(self._told_ns, now_ns)
        return [Sound(rises=True)]

    def roster(self, people: Iterable[str], now_ns: int) -> list[Deed]:
        """Exactly these participants are in the room."""
        present = set(people)
        newcomers = present - self._told_ns.keys()
        self._told_ns = {p: self._told_ns.get(p, now_ns) for p in present}
        if self.phase == "off":
            return []
        if not present:
            return self.end("everybody has left")
        return [Sound(rises=True)] if newcomers else []

    def tick(self, now_ns: int) -> list[Deed]:
        """Nobody has objected in time, perhaps; or it is long enough."""
        if self.phase == "on" and now_ns >= self._begins_ns + self._most_ns:
            return self.end("it has reached its longest time")
        if self.phase != "soon" or now_ns < self._begins_ns:
            return []
        self.phase = "on"
        self.words = f"{self._by} records this room"
        return [Begin(self._by)]

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``."""
        match self.phase:
            case "soon":
                return self._begins_ns
            case "on":
                return self._begins_ns + self._most_ns
        return None

    def rules(self, is_allowed: bool) -> list[Deed]:
        """The rules of the room allow it from now on, or no longer."""
        self._is_allowed = is_allowed
        return [] if is_allowed else self.end("it is no longer allowed in this room")

    def end(self, words: str) -> list[Deed]:
        """It is over. ``words``: why, a sentence; so also where it cannot go on."""
        if self.phase == "off":
            return []
        self.phase, self.words = "off", words
        return [End(words), Sound(rises=False)]

    def left(self, words: str) -> list[Deed]:
        """The recording of an earlier process has ended with it. ``words``: so, a sentence."""
        if self.phase != "off":
            return [Left(words)]
        self.words = words
        return [Left(words), Sound(rises=False)]
