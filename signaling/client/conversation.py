"""What the gateway's messages say: who is there, what was said, how the assistant is. Sans-I/O."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

ASSISTANT = "assistant"
_MOST_LINES = 200
_MOST_PEOPLE = 1_000


@dataclass(frozen=True, slots=True)
class Caption:
    """One line of the conversation."""

    item: str
    """The same for every later text of the line: the later one counts."""
    speaker: str
    """``assistant``, or a participant's id."""
    name: str
    """The speaker's."""
    text: str
    final: bool
    """It is whole; before that, words are still added."""
    interrupted: bool = False
    """People did not hear more of it."""
    position: int | None = None
    """Its place in the conversation: lines stand in the order of it. None: not told."""
    previous: str = ""
    """Item before it in the conversation; empty: it is the first, or that was not told."""

    @property
    def is_assistant(self) -> bool:
        """Whether the assistant has said it."""
        return self.speaker == ASSISTANT


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in the room."""

    participant: str
    """Id."""
    name: str
    muted: bool
    role: str
    """``listen``, ``speak`` or ``admin``."""
    you: bool
    """It is this client."""
    place: str = ""
    """Where the device is, with others; empty: in a place of its own."""
    plays: bool = True
    """It is sent sound."""
    hears: str = ""
    """Whom its microphone hears from another device: a participant, or ``assistant``."""


class Conversation:
    """The state of a room as this client was told."""

    def __init__(self) -> None:
        self.room = ""
        self.participant = ""
        """This client's id; empty before ``welcome``."""
        self.name = ""
        self.role = ""
        self.people: tuple[Participant, ...] = ()
        self.assistant = ""
        """``idle``, ``listening``, ``thinking`` or ``speaking``; empty: not told yet."""
        self.upstream = ""
        """``connecting``, ``ready``, ``reconnecting`` or ``failed``; empty: not told yet."""
        self.detail = ""
        """Why the assistant is not there."""
        self._unread: OrderedDict[str, Caption] = OrderedDict()
        self.missed_lines = 0
        """Lines that nobody read in time."""

    def take(self, message: dict[str, Any]) -> None:
        """One message of the gateway; one of another shape says nothing."""
        match message:
            case {"type": "welcome"}:
                self.room = str(message.get("room", ""))
                self.participant = str(message.get("participant", ""))
                self.name = str(message.get("name", ""))
                self.role = str(message.get("role", ""))
                # Of a connection that was lost nothing counts for this one.
                self.assistant = self.upstream = self.detail = ""
            case {"type": "participants", "participants": [*entries]}:
                known = [entry for entry in entries[:_MOST_PEOPLE] if isinstance(entry, dict)]
                self.people = tuple(map(_participant, known))
            case {"type": "state"}:
                self.assistant = str(message.get("assistant", self.assistant))
                self.upstream = str(message.get("upstream", self.upstream))
                self.detail = str(message.get("detail", ""))
            case {"type": "caption"}:
                self._caption(message)

    def next_line(self, interim: bool) -> Caption | None:
        """The next line that was not read yet, and is whole unless ``interim``; None: not yet."""
        while self._unread:
            _, line = self._unread.popitem(last=False)
            if line.final or interim:
                return line
        return None

    def _caption(self, message: dict[str, Any]) -> None:
        speaker = str(message.get("speaker", ASSISTANT))
        names = {person.participant: person.name for person in self.people}
        unnamed = "Assistant" if speaker == ASSISTANT else "Room"
        line = Caption(
            str(message.get("item", "")),
            speaker,
            str(message.get("name") or names.get(speaker, unnamed)),
            str(message.get("text", "")),
            message.get("final") is True,
            message.get("interrupted") is True,
            *_place(message),
        )
        unread = self._unread.get(line.item)
        if unread is not None and unread.final and not line.final:
            return
        self._unread[line.item] = line  # What is not read yet keeps its place.
        if len(self._unread) > _MOST_LINES:
            self._unread.popitem(last=False)
            self.missed_lines += 1


def history(content: object) -> list[Caption]:
    """The lines of ``GET /rooms/{room}/conversation``, in order; another shape has none."""
    items = content.get("items") if isinstance(content, dict) else None
    known = items if isinstance(items, list) else []
    entries = [entry for entry in known if isinstance(entry, dict)]
    lines: list[Caption] = []
    for entry in entries:
        if entry.get("kind") != "message" or not entry.get("text"):
            continue
        is_assistant = entry.get("role") == ASSISTANT
        line = Caption(
            str(entry.get("item", "")),
            ASSISTANT if is_assistant else str(entry.get("participant", "")),
            str(entry.get("name") or ("Assistant" if is_assistant else "Room")),
            str(entry["text"]),
            entry.get("final") is True,
            "heard_ms" in entry,
            _place(entry)[0],
            lines[-1].item if lines else "",
        )
        lines.append(line)
    return lines


def _place(message: dict[str, Any]) -> tuple[int | None, str]:
    position = message.get("position")
    return position if isinstance(position, int) else None, str(message.get("previous", ""))


def _participant(entry: dict[str, Any]) -> Participant:
    return Participant(
        str(entry.get("participant", "")),
        str(entry.get("name", "")),
        entry.get("muted") is True,
        str(entry.get("role", "")),
        entry.get("you") is True,
        str(entry.get("place", "")),
        entry.get("plays") is not False,
        str(entry.get("hears", "")),
    )
