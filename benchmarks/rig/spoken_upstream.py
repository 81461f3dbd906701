"""A Realtime server that answers with spoken sentences, and notes what it says and hears.

``python -m benchmarks.rig.spoken_upstream``, by JSON lines. It is the simulator, with the voice of
eSpeak NG. Styles: ``answer`` takes turns; ``talk`` speaks all the time, whatever it hears.
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
from mixer_core.bus.pcm import FRAME_BYTES, FRAME_MS
from mixer_core.runtime import logs
from mixer_core.runtime.units import MS_NS
from openai_link.media.rtp_audio import ReceivedFrame
from openai_link.simulator.brains.sounds import TAG
from openai_link.simulator.calls.event_hub import EventHub
from openai_link.simulator.calls.switchboard import Switchboard
from openai_link.simulator.engine.brain import Reply, Turn, Unscripted
from openai_link.simulator.engine.voice_activity import level_db
from openai_link.simulator.http.routes import make_app
from openai_link.simulator.media.call_media import CallMedia
from openai_link.simulator.settings import SimulatorSettings

from . import datagrams
from .acoustics import to_pcm
from .commands import serve
from .spoken import in_frames, speech

VOICE = "en-us"
LEVEL_DBFS = -20.0
STILL_NS = 100 * MS_NS
"""A reply of which nothing was sent for so long is over."""
CLOSE_S = 2.0
NOTED = ("response.created", "input_audio_buffer.speech_started")


class Notes:
    """What was said and heard since the last look; times are monotonic, in ns."""

    style = "answer"
    sent_ns = 0
    """When the assistant was last heard on the wire."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, bool]] = []
        """Type of an event, when, and whether the assistant was speaking."""
        self.sent: list[tuple[int, float]] = []
        """When a frame was sent, and its level in dBFS."""
        self.heard: list[tuple[int, float]] = []
        """When a frame arrived, and its level in dBFS."""


class NotingHub(EventHub):
    """Notes replies and turns as they begin."""

    notes = Notes()

    def _note(self, event: dict[str, Any]) -> None:
        if event["type"] in NOTED:
            now_ns = time.monotonic_ns()
            speaks = now_ns - Notes.sent_ns < STILL_NS
            NotingHub.notes.events.append((event["type"], now_ns, speaks))
        super()._note(event)


class NotingMedia(CallMedia):
    """Notes sound, both ways."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._inner = self._engine
        self._engine = self  # type: ignore[assignment]  # slot and audio pass through here
        self._frames = spoken_frames()
        self._position = 0

    def slot(self, now_ns: int) -> tuple[bytes | None, list[Any]]:
        """The engine's next frame, or endless speech."""
        pcm, actions = self._inner.slot(now_ns)
        if Notes.style == "talk":
            pcm = self._frames[self._position % len(self._frames)]
            self._position += 1
        if pcm is not None:
            Notes.sent_ns = now_ns
            NotingHub.notes.sent.append((now_ns, round(level_db(pcm), 1)))
        return pcm, actions

    def audio(self, pcm: bytes, now_ns: int) -> list[Any]:
        """Hear one frame, if this server answers."""
        return self._inner.audio(pcm, now_ns) if Notes.style == "answer" else []

    def _hear(self, frames: list[ReceivedFrame], now_ns: int) -> None:
        for frame in frames:
            NotingHub.notes.heard.append((frame.stamp_ns, round(level_db(frame.pcm), 1)))
        super()._hear(frames, now_ns)


class SentenceBrain(Unscripted):
    """Answers every turn with the next seconds of the same text."""

    def __init__(self, length_ms: int) -> None:
        self._count = length_ms // FRAME_MS
        self._at = 0

    def reply(self, turn: Turn) -> Reply:
        """The next sentence."""
        frames = spoken_frames()
        said = [frames[(self._at + n) % len(frames)] for n in range(self._count)]
        self._at += self._count
        return Reply(f"{TAG} A sentence of a benchmark.", b"".join(said))


def spoken_frames() -> list[bytes]:
    """The voice of the assistant, 960 bytes each."""
    frames = [to_pcm(frame) for frame in in_frames(speech(VOICE, LEVEL_DBFS))]
    assert all(len(frame) == FRAME_BYTES for frame in frames)
    return frames


class SpokenUpstream:
    """The server and its commands."""

    def __init__(self, reply_ms: int) -> None:
        self._switchboard = Switchboard(SimulatorSettings())
        self._switchboard._brain = SentenceBrain(reply_ms)

    async def do_port(self) -> int:
        """Listen on a free port of the loopback; returns it."""
        runner = web.AppRunner(make_app(self._switchboard), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        gc.collect()
        gc.freeze()
        return int(runner.addresses[0][1])

    async def do_style(self, style: str) -> None:
        """From now on."""
        Notes.style = style

    async def do_look(self) -> dict[str, Any]:
        """What was seen since the last look, and for how long nothing has been said (ns)."""
        notes, NotingHub.notes = NotingHub.notes, Notes()
        return {**vars(notes), "still_ns": time.monotonic_ns() - Notes.sent_ns}

    async def close(self) -> None:
        """End all sessions."""
        await asyncio.wait_for(self._switchboard.close(), CLOSE_S)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--reply-ms", type=int, default=3_000)
    given = parser.parse_args()
    logs.setup("warning")
    vars(webrtc_call)["CallMedia"] = NotingMedia
    vars(webrtc_call)["EventHub"] = NotingHub
    datagrams.use_loopback()
    spoken_frames()

    async def run() -> None:
        gc.disable()
        server = SpokenUpstream(given.reply_ms)
        await serve(server)
        await server.close()

    uvloop.run(run())


if __name__ == "__main__":
    main()
