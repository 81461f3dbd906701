"""What the turn policy is told about the session, and what it asks the shell to do. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixer_core.bus.frames import U32

from ..pictures import Picture


@dataclass(frozen=True, slots=True)
class TurnRules:
    """How the session takes turns."""

    push_to_talk: bool = False
    """Nobody but a button ends a turn (``turn_detection`` is null)."""
    create_response: bool = True
    """The server answers each turn by itself."""
    interrupt_response: bool = True
    """The server stops when somebody speaks over it."""
    speaks: bool = True
    """Answers have sound."""

    @property
    def answers_turns(self) -> bool:
        """Each spoken turn is answered, be it that we ask for it."""
        return self.create_response or self.push_to_talk

    @staticmethod
    def of(session: Mapping[str, Any]) -> TurnRules:
        """The rules that a session object makes."""
        speaks = "text" not in session.get("output_modalities", ("audio",))
        heard = session.get("audio", {}).get("input", {})
        detection = heard.get("turn_detection", {})
        if detection is None:
            return TurnRules(True, False, False, speaks)
        create = bool(detection.get("create_response", True))
        interrupt = bool(detection.get("interrupt_response", True))
        return TurnRules(False, create, interrupt, speaks)


@dataclass(frozen=True, slots=True)
class Send:
    """Send this client event upstream."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClearOutput:
    """Stop playing what the server has sent; over WebRTC the server does it."""

    event: dict[str, Any]
    """The client event for it."""


@dataclass(frozen=True, slots=True)
class Flush:
    """A new epoch: silence the old reply everywhere, and close the gate."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """Audio from now on belongs to a reply of the current epoch."""


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The reply has been played out; only its tail may still arrive."""


@dataclass(frozen=True, slots=True)
class MicrophoneGate:
    """Whether the model hears the room; while it is shut it hears silence, not nothing."""

    open: bool
    is_pressed: bool = True
    """Where it is open: somebody holds the button."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Send this EVENT to the browsers, or to one of them."""

    event: dict[str, Any]
    addressee: int = 0
    """Stream id of the one browser; 0 for all."""


@dataclass(frozen=True, slots=True)
class TypedText(Tell):
    """Somebody typed this, or showed it: a ``Tell`` of its final caption, which may wait for the
    journal."""

    item: str = ""
    """Id of the client event and of the item that it makes."""
    participant: str = ""
    name: str = ""
    text: str = ""
    """The words of the item, as the server repeats them."""
    picture: Picture | None = None
    """What is shown with it; None: it is only words."""


@dataclass(frozen=True, slots=True)
class AskedByHand:
    """Somebody asked for an answer, by the button, with a picture that the server has taken, or
    with a turn that is for the assistant; it is told now, or after the turn."""


@dataclass(frozen=True, slots=True)
class AnswerWithdrawn:
    """Nobody waits for an answer to the turns that are over."""


TurnAction = (
    Send
    | ClearOutput
    | Flush
    | ReplyStarted
    | ReplyEnded
    | MicrophoneGate
    | AskedByHand
    | AnswerWithdrawn
    | Tell
)


def problem(event: Mapping[str, Any], code: str, message: str) -> Tell:
    """Tell the browser that sent ``event`` what was wrong with it."""
    return Tell({"type": "error", "code": code, "message": message}, sender_of(event))


def sender_of(event: Mapping[str, Any]) -> int:
    """Stream id of the browser that sent an EVENT; 0 where it does not say."""
    stream = event.get("stream", 0)
    return stream if isinstance(stream, int) and 0 <= stream <= U32 else 0
