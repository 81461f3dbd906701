"""The Realtime server of the benchmarks: the simulator, with its RTP timed.

``python -m benchmarks.rig.upstream STYLE``, driven by JSON lines. Two things are added to the
simulator: marks in what it says, stamped as they go to the socket, and recognised in what it hears,
stamped as their packets arrive; and a network that can be made bad. The gateway and the baseline
use the same server, so that one ruler serves both.

Styles: ``talk`` speaks all the time, whatever it hears; ``answer`` takes turns as the simulator
does, with replies of ``--reply-ms``; ``hush`` never says anything.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from typing import Any

import uvloop
from aiohttp import web

import openai_link.simulator.calls.webrtc_call as webrtc_call
from mixer_core.bus.pcm import FRAME_MS
from mixer_core.runtime import logs
from openai_link.media.packet_track import PacketTrack
from openai_link.media.rtp_audio import ReceivedFrame
from openai_link.media.rtp_numbers import FRAME_TICKS
from openai_link.simulator.brains.tone import ToneBrain
from openai_link.simulator.calls.switchboard import Switchboard
from openai_link.simulator.engine.brain import Reply
from openai_link.simulator.http.routes import make_app
from openai_link.simulator.media.call_media import CallMedia
from openai_link.simulator.settings import SimulatorSettings

from . import datagrams, signals
from .commands import serve
from .impairment import ImpairedNetwork

MAX_SESSIONS = 64
CLOSE_S = 2.0


class Notes:
    """What all sessions of this process sent and heard since the last look."""

    def __init__(self) -> None:
        self.sent_marks: list[tuple[str, int, int]] = []
        """Session, number, time at which it went to the socket (ns)."""
        self.heard_marks: list[tuple[str, int, int]] = []
        """Session, number modulo 8, arrival (ns)."""
        self.concealed = 0
        """Frames heard that conceal a loss."""
        self.skipped_slots = 0
        """Frames not sent because this process was late."""


class MarkedTrack(PacketTrack):
    """Notes when packets with marks go to the socket."""

    def __init__(self, notes: Notes, session: str) -> None:
        super().__init__()
        self._notes, self._session = notes, session
        self._marks: dict[int, int] = {}

    def mark(self, timestamp: int, number: int) -> None:
        """The packet with this timestamp will be a mark."""
        self._marks[timestamp] = number

    def _write(self, payload: bytes, timestamp: int, marker: bool) -> bool:
        number = self._marks.pop(timestamp, None)
        if number is not None:
            self._notes.sent_marks.append((self._session, number, time.monotonic_ns()))
        return super()._write(payload, timestamp, marker)


class TimedMedia(CallMedia):
    """A session's media with marks."""

    notes = Notes()
    style = "answer"
    _sessions = 0

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        TimedMedia._sessions += 1
        self._session = str(TimedMedia._sessions)
        self._marked = MarkedTrack(self.notes, self._session)
        self.track: PacketTrack = self._marked
        self._hears = self._engine
        self._position = 0
        self._last_mark = 0
        self._engine = self  # type: ignore[assignment]  # slot and audio pass through here

    def slot(self, now_ns: int) -> tuple[bytes | None, list[Any]]:
        """The engine's next frame, or endless speech, or the mark that is due."""
        pcm, actions = self._hears.slot(now_ns)
        if self.style == "talk":
            voice = signals.speech(5)
            pcm = voice[self._position % len(voice)]
        self._position += 1
        number = signals.mark_number(now_ns)
        if pcm is None or number == self._last_mark:
            return pcm, actions
        self._last_mark = number
        self._marked.mark((self._slot - 1) * FRAME_TICKS, number)
        return signals.mark_frame(number % len(signals.MARKS_HZ)), actions

    def audio(self, pcm: bytes, now_ns: int) -> list[Any]:
        """Hear one frame, if this server answers."""
        return self._hears.audio(pcm, now_ns) if self.style == "answer" else []

    def _hear(self, frames: list[ReceivedFrame], now_ns: int) -> None:
        notes = self.notes
        for frame in frames:
            notes.concealed += frame.concealed
            kind = signals.find_mark(frame.pcm)
            if kind >= 0:
                notes.heard_marks.append((self._session, kind, frame.stamp_ns))
        super()._hear(frames, now_ns)


class SpeechBrain(ToneBrain):
    """Answers every turn with speech."""

    def __init__(self, length_ms: int) -> None:
        super().__init__(length_ms)
        voice = signals.speech(5)
        count = length_ms // FRAME_MS
        pcm = b"".join(voice[i % len(voice)] for i in range(count))
        self._reply = Reply("[simulator] A benchmark's reply.", pcm)


class Upstream(ImpairedNetwork):
    """The server and its commands."""

    def __init__(self, reply_ms: int) -> None:
        super().__init__()
        self._switchboard = Switchboard(SimulatorSettings(max_calls=MAX_SESSIONS))
        self._switchboard._brain = SpeechBrain(reply_ms)

    async def start(self) -> int:
        """Listen on a free port of the loopback; returns it."""
        runner = web.AppRunner(make_app(self._switchboard), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    async def close(self) -> None:
        """End all sessions."""
        await asyncio.wait_for(self._switchboard.close(), CLOSE_S)

    async def do_port(self) -> int:
        """Start; returns the port."""
        port = await self.start()
        gc.collect()
        gc.freeze()
        return port

    async def do_style(self, style: str) -> None:
        """All sessions behave like this from now on."""
        TimedMedia.style = style

    async def do_sessions(self) -> list[str]:
        """The names of the sessions that are up, as they stand with the marks."""
        return [call.media._session for call in self._calls()]

    def _calls(self) -> list[Any]:
        """Calls with RTP: a gateway that finds no way for it takes a WebSocket."""
        return [call for call in self._switchboard.calls.values() if hasattr(call, "media")]

    async def do_look(self) -> dict[str, Any]:
        """What was seen since the last look."""
        notes, TimedMedia.notes = TimedMedia.notes, Notes()
        for call in self._calls():
            media = call.media
            media._marked._notes = TimedMedia.notes
            notes.skipped_slots += media.skipped_slots
            media.skipped_slots = 0
        return vars(notes)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("style", choices=("talk", "answer", "hush"))
    parser.add_argument("--reply-ms", type=int, default=3_000)
    given = parser.parse_args()
    logs.setup("warning")
    TimedMedia.style = given.style
    vars(webrtc_call)["CallMedia"] = TimedMedia
    datagrams.use_loopback()

    async def run() -> None:
        gc.disable()
        server = Upstream(given.reply_ms)
        await serve(server)
        await server.close()

    uvloop.run(run())


if __name__ == "__main__":
    main()
