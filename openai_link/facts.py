"""What server events mean to the rest of the link: a few facts, one dataclass each. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Assistant = Literal["idle", "listening", "thinking", "speaking"]
"""What the assistant is doing, as people are told."""


@dataclass(frozen=True, slots=True)
class Caption:
    """The text of one item so far."""

    speaker: str
    """``assistant``, ``user`` (somebody in the room), or a participant's id."""
    item: str
    """Id of the conversation item; later captions of it replace earlier ones."""
    text: str
    final: bool
    """Nothing follows for this item."""
    is_cut: bool = False
    """There are more words than are kept."""


@dataclass(frozen=True, slots=True)
class SessionConfirmed:
    """The server has our session."""

    session: str
    """Its id, or empty."""
    updated: bool
    """It was an answer to an update, not the first word."""
    expires_at_s: int = 0
    """Unix time at which the server will end it; 0 where it does not say."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The session object as the server sent it."""
    asked: Mapping[str, Any] = field(default_factory=dict)
    """What it is an answer to; empty: it was sent before the server knew what we ask for."""
    answers_tools: bool = True
    """No other update of ours is on its way: the tools are the answer to what was asked."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody in the room began to speak."""

    item: str
    """Id of the user item that will hold it."""
    audio_start_ms: int = 0
    """Start on the server's clock of received audio, padding included."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The turn of somebody in the room is over."""

    item: str
    audio_end_ms: int = 0


@dataclass(frozen=True, slots=True)
class TurnCommitted:
    """The audio of a turn has become an item of the conversation."""

    item: str


@dataclass(frozen=True, slots=True)
class ItemAdded:
    """An item has its place in the conversation; its content may still grow."""

    item: str
    previous: str
    """Id of the item before it; empty for the first, or where the server does not say."""
    content: Mapping[str, Any]
    """The item as the server sent it."""


@dataclass(frozen=True, slots=True)
class ItemVoiced:
    """An item of a response has sound (not only text)."""

    response: str
    item: str


@dataclass(frozen=True, slots=True)
class ItemDone:
    """An item is complete."""

    item: str
    content: Mapping[str, Any]
    """The item as the server sent it, with ``status`` completed or incomplete."""


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    """An item is no longer part of the conversation."""

    item: str


@dataclass(frozen=True, slots=True)
class ItemTruncated:
    """The assistant's item ends earlier than it was made."""

    item: str
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class Transcribed:
    """What somebody said, in writing; comes at any time after the speech."""

    item: str
    text: str
    """Empty where nothing was understood, or the transcription failed."""
    usage: Mapping[str, Any] | None = None
    """Billed apart from responses: ``type`` tokens or duration."""
    failure: str = ""
    """Why it failed, or empty."""


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model wants a function to run: complete and not cancelled, once per ``call``."""

    response: str
    item: str
    call: str
    """``call_id``."""
    name: str
    arguments: str
    """JSON text; may be malformed."""


@dataclass(frozen=True, slots=True)
class CallNameless:
    """The model wants a function to run, and its server gave the call no id: nobody can answer."""

    item: str
    name: str
    """Of the function; may be empty."""


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """The model began a response of the conversation."""

    response: str
    tag: str = ""
    """Id of the event that asked for it; empty where the server began by itself."""
    inferred: bool = False
    """A later event of it shows that it began; what asked for it is not known."""


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """A response is complete, cancelled, failed or incomplete."""

    response: str
    status: str
    code: str = ""
    """Error code of a failed one, or the reason of one that is incomplete or cancelled."""
    message: str = ""
    usage: Mapping[str, Any] | None = None
    """Tokens as the server counted them; None where it did not say."""
    in_conversation: bool = True
    """False for one that was made beside the conversation."""
    items: tuple[str, ...] = field(default=(), compare=False)
    """The messages in it, in order."""
    is_written: bool = field(default=False, compare=False)
    """It has words and no sound."""
    is_empty: bool = field(default=False, compare=False)
    """It is completed, and the server says that nothing is in it."""
    has_other: bool = field(default=False, compare=False)
    """Something else than messages is in it, such as a call."""
    inferred: bool = False
    """Later events show that it is over; its own end, with the cost, may follow yet."""


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first sound of a response is on its way."""

    response: str


@dataclass(frozen=True, slots=True)
class PlaybackEnded:
    """A response has been played out, or was cut off."""

    response: str
    cleared: bool
    """It was cut off."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """A response is over that should have been heard, and no sound of it came."""

    response: str
    items: tuple[str, ...]
    """The messages in it, in order."""
    was_stopped: bool = False
    """Nobody wanted to hear it any more."""


@dataclass(frozen=True, slots=True)
class AssistantChanged:
    """What the assistant does has changed."""

    assistant: Assistant


@dataclass(frozen=True, slots=True)
class ServerToolEnded:
    """The server has run a tool of its own, or has failed to: it may have to be asked to go on."""

    item: str
    """The tool call."""


@dataclass(frozen=True, slots=True)
class ServerToolsMissing:
    """The server could not learn which tools another server has, that it was to use."""

    item: str
    server: str
    """Its label, or empty."""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The server sends more than is kept; told once for each ``what``."""

    what: str
    """What was cut or left out, in words."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """The server complains; the session lives on unless ``fatal``."""

    code: str
    message: str
    event_id: str
    """Id of the client event that caused it, or empty."""
    cause: str
    """Type of that event, or empty."""
    benign: bool
    fatal: bool
    param: str = ""
    """The field that it is about, such as ``session.tools[3].parameters``, or empty."""


Fact = (
    SessionConfirmed
    | SpeechStarted
    | SpeechStopped
    | TurnCommitted
    | ItemAdded
    | ItemVoiced
    | ItemDone
    | ItemDeleted
    | ItemTruncated
    | Transcribed
    | ToolCalled
    | CallNameless
    | ResponseStarted
    | ResponseEnded
    | PlaybackStarted
    | PlaybackEnded
    | Unheard
    | AssistantChanged
    | ServerToolEnded
    | ServerToolsMissing
    | Exceeded
    | ServerError
    | Caption
)
