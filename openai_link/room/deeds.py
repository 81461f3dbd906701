"""What a room's engine wants done is done here: sockets, journal, tools, log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mixer_core.bus.control import PictureAnswer

from ..tools.actions import CancelTool, RunTool
from ..tools.runner import ToolRunner
from ..transcript.journal import Journal
from ..transport import selection_memory
from ..transport.selection_memory import Learnt
from ..transport.ways import Ways
from .actions import (
    Action,
    AnswerUpload,
    BeginEpoch,
    BeginRecording,
    ClearOutput,
    CloseSession,
    CloseVoice,
    EndRecording,
    ExportTrace,
    HearVoices,
    Log,
    MuteUplink,
    OpenSession,
    OpenVoice,
    PlayTone,
    RememberTransport,
    RoomYielded,
    SendEvent,
    SendFrame,
    SendVoice,
    StartUplink,
    TellBrowsers,
    WriteJournal,
)
from .caption_pace import CaptionPace
from .lifecycle_actions import Exit, StateChanged
from .mixer_client import MixerClient
from .recorder import Recorder
from .trace_export import TraceExport
from .transports import RoomTransports
from .voice_sockets import VoiceSockets

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doers:
    """Who does it."""

    transports: RoomTransports
    mixer: MixerClient
    captions: CaptionPace
    journal: Journal
    tools: ToolRunner
    traces: TraceExport
    recorder: Recorder
    voices: VoiceSockets
    log: logging.LoggerAdapter[logging.Logger]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tellers:
    """Who is told."""

    open_session: Callable[[OpenSession], None]
    """Make the session's transport and connect it."""
    journal_written: Callable[[int], None]
    """Records with that ticket are safe, or never will be."""
    picture_answered: Callable[[PictureAnswer], object]
    """What became of a picture, for signaling."""
    state_changed: Callable[[], None]
    room_yielded: Callable[[bool], None]
    """No session is left; whether people wait for an answer."""
    room_over: Callable[[], None]


class Deeds:
    """Of one room."""

    def __init__(
        self, doers: Doers, tellers: Tellers, runtime_dir: Path, base_url: str, ways: Ways
    ) -> None:
        """Prepare.

        Args:
            doers: who does it.
            tellers: who is told.
            runtime_dir: where other rooms find what this one has learnt.
            base_url: of the server about which it was learnt.
            ways: how the server takes calls, as far as it is known.
        """
        self._to = doers
        self._tell = tellers
        self._runtime_dir = runtime_dir
        self._base_url = base_url
        self._ways = ways

    def do(self, actions: list[Action]) -> None:
        """Carry them out, in order."""
        to = self._to
        for action in actions:
            match action:
                case SendEvent() | ClearOutput() | StartUplink() | MuteUplink():
                    to.transports.do(action)
                case TellBrowsers(event, addressee):
                    if to.captions.admits(action, time.monotonic_ns()):
                        to.mixer.event(event, addressee)
                case SendVoice(who, event):
                    to.voices.send(who, event)
                case SendFrame(frame):
                    to.mixer.audio(frame.pcm, frame.flags, frame.stamp_ns)
                case BeginEpoch(epoch):
                    to.mixer.flush(epoch)
                case WriteJournal(records, ticket):
                    then = None if ticket is None else partial(self._tell.journal_written, ticket)
                    to.journal.write(records, then)
                case Log(level, text):
                    to.log.log(_LEVELS[level], "%s", text)
                case _:
                    self._do_rarely(action)

    def _do_rarely(self, action: Action) -> None:
        match action:
            case OpenSession():
                self._tell.open_session(action)
            case CloseSession(session):
                self._to.transports.close(session)
            case RunTool(call, name, arguments, _, who):
                self._to.tools.run(call, name, arguments, who)
            case CancelTool(call):
                self._to.tools.cancel(call)
            case RememberTransport(until_ns, allowed_ns):
                learnt = Learnt(self._base_url, until_ns, self._ways.known, allowed_ns)
                selection_memory.remember(self._runtime_dir, learnt)
            case AnswerUpload(upload, status, title, detail):
                self._tell.picture_answered(PictureAnswer(upload, status, title, detail))
            case BeginRecording(by):
                self._to.recorder.begin(by)
            case EndRecording(reason):
                self._to.recorder.end(reason)
            case HearVoices(is_wanted):
                self._to.mixer.record("words", is_wanted)
            case OpenVoice(who):
                self._to.voices.open(who)
            case CloseVoice(who):
                self._to.voices.close(who)
            case PlayTone(rises):
                self._to.recorder.sound(rises)
            case StateChanged():
                self._tell.state_changed()
            case RoomYielded(owed):
                self._tell.room_yielded(owed)
            case ExportTrace(trace):
                self._to.traces.send(trace)
            case Exit():
                self._tell.room_over()
