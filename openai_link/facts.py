"""What server events mean to the rest of the link: a few facts, one dataclass each. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .captions import Caption

Assistant = Literal["idle", "listening", "thinking", "speaking"]
"""What the assistant is doing, as people are told."""


@dataclass(frozen=True, slots=True)
class SessionConfirmed:
    """The server has our session."""

    session: str
    """Its id, or empty."""
    updated: bool
    """It was an answer to an update, not the first word."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody in the room began to speak."""

    item: str
    """Id of the user item that will hold it."""


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """The model began a response of the conversation."""

    response: str
    tag: str = ""
    """Id of the event that asked for it; empty where the server began by itself."""


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """A response is complete, cancelled, failed or incomplete."""

    response: str
    status: str
    code: str = ""
    """Error code of a failed one."""
    message: str = ""


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
class AssistantChanged:
    """What the assistant does has changed."""

    assistant: Assistant


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


Fact = (
    SessionConfirmed
    | SpeechStarted
    | ResponseStarted
    | ResponseEnded
    | PlaybackStarted
    | PlaybackEnded
    | AssistantChanged
    | ServerError
    | Caption
)
