"""What a room's engine asks its shell to do: one dataclass each, carried out in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mixer_core.journal.records import Record

from ..media.downlink_gate import DownlinkFrame
from ..tools.actions import CancelTool, RunTool
from ..transport.interface import TransportKind
from .lifecycle_actions import Exit, StateChanged
from .turn_traces import TurnTrace

Event = Mapping[str, Any]
Level = Literal["debug", "info", "warning"]


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Connect to the server; report what becomes of it under ``session``."""

    session: int
    """Number of the session in this room, from 1."""
    kind: TransportKind
    description: Event
    """The Realtime session object."""


@dataclass(frozen=True, slots=True)
class CloseSession:
    """Hang up and forget the session; nothing is reported for it any more."""

    session: int


@dataclass(frozen=True, slots=True)
class SendEvent:
    """Send a client event to the server."""

    session: int
    event: Event


@dataclass(frozen=True, slots=True)
class ClearOutput:
    """Stop playing what the server has sent (``Transport.clear_output``)."""

    session: int
    event: Event
    """``output_audio_buffer.clear``."""


@dataclass(frozen=True, slots=True)
class StartUplink:
    """Let the server hear the room from now on."""

    session: int


@dataclass(frozen=True, slots=True)
class MuteUplink:
    """The room is no longer heard: follow its last frame with a silent one."""

    session: int


@dataclass(frozen=True, slots=True)
class SendFrame:
    """Send 20 ms of the reply to the mixer."""

    frame: DownlinkFrame


@dataclass(frozen=True, slots=True)
class BeginEpoch:
    """Flush: audio of earlier epochs is void everywhere."""

    epoch: int


@dataclass(frozen=True, slots=True)
class TellBrowsers:
    """Send an EVENT to the browsers, or to one of them."""

    event: Event
    addressee: int = 0
    """Stream id of the one browser; 0: all."""


@dataclass(frozen=True, slots=True)
class WriteJournal:
    """Put records into the journal."""

    records: tuple[Record, ...]
    ticket: int | None = None
    """Report it with ``journal_written`` once the records are safe; None: nobody waits."""


@dataclass(frozen=True, slots=True)
class RememberTransport:
    """Tell the rooms that open later how the server is reached."""

    until_ns: int
    """Until when WebSocket is preferred (monotonic); 0: it is not."""
    allowed_ns: int = 0
    """The server wants no attempt before (monotonic); 0: it has not said so."""


@dataclass(frozen=True, slots=True)
class AnswerUpload:
    """Say what became of a picture that somebody uploaded."""

    upload: str
    status: int
    """HTTP status: 202 where the server is told of it."""
    title: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class BeginRecording:
    """Keep each voice of the room in a file."""

    by: str
    """Name of who asked for it."""


@dataclass(frozen=True, slots=True)
class EndRecording:
    """Keep nothing more."""

    reason: str


@dataclass(frozen=True, slots=True)
class PlayTone:
    """Let everybody hear that the room is recorded, or no longer."""

    rises: bool


@dataclass(frozen=True, slots=True)
class HearVoices:
    """Have each voice of the room by itself from now on, or no longer (``own_words``)."""

    is_wanted: bool


@dataclass(frozen=True, slots=True)
class OpenVoice:
    """Connect a session that writes down one participant."""

    who: str


@dataclass(frozen=True, slots=True)
class SendVoice:
    """Send it a client event."""

    who: str
    event: Event


@dataclass(frozen=True, slots=True)
class CloseVoice:
    """End it."""

    who: str


@dataclass(frozen=True, slots=True)
class Log:
    """Write one line of the log."""

    level: Level
    text: str
    kind: str = ""
    """Of what others can cause at any rate: so few lines a minute; the rest is counted."""


@dataclass(frozen=True, slots=True)
class RoomYielded:
    """No session is left here: the room may go on at another machine, once all is written."""

    owed: bool
    """People wait for an answer."""


@dataclass(frozen=True, slots=True)
class ExportTrace:
    """A turn is over: what it took."""

    trace: TurnTrace


Action = (
    OpenSession
    | CloseSession
    | SendEvent
    | ClearOutput
    | StartUplink
    | MuteUplink
    | SendFrame
    | BeginEpoch
    | TellBrowsers
    | WriteJournal
    | RunTool
    | CancelTool
    | RememberTransport
    | StateChanged
    | AnswerUpload
    | BeginRecording
    | HearVoices
    | OpenVoice
    | SendVoice
    | CloseVoice
    | EndRecording
    | PlayTone
    | RoomYielded
    | Log
    | ExportTrace
    | Exit
)
