"""One conference room for ``bench tick``: ``python -m benchmarks.rig.tick_room``, by JSON lines.

Each talker sends over a socket of its own, on its own 20 ms grid with jitter, as browsers do
through their workers; each and the link receive their own mix.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from array import array
from pathlib import Path
from typing import Any

import uvloop

from mixer_core.bus import frames
from mixer_core.bus.audio_client import AudioPush, AudioSub
from mixer_core.bus.events import StreamInfo
from mixer_core.bus.frames import Frame, Kind
from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime.units import MS_NS, S_NS

from . import signals
from .commands import serve

LINK = 1
JITTER_NS = 3 * MS_NS
"""A frame leaves up to this much after its time in the grid."""
START_DELAY_NS = 100 * MS_NS
"""From opening the sockets to the first frame."""
START_S = 0.2
"""Between two STARTs of a stream."""


class Talker:
    """One stream that speaks all the time."""

    def __init__(self, room: Room, stream: int, first_ns: int, missing: float) -> None:
        self._room, self._stream = room, stream
        self._socket = AudioPush(room.loop, room.directory)
        self._voice = signals.speech(stream % 6)
        self._due_ns = first_ns
        self._missing = missing
        self._seq = 0
        self._random = random.Random(stream)
        self.sent = self.dropped = 0
        self._info = StreamInfo(
            "browser", "bench", f"p-{stream:08x}", f"talker {stream}", mode="conference"
        )
        self.start()
        self._arm()

    def start(self) -> None:
        """Announce the stream, again and again."""
        start = Frame(Kind.START, self._stream, payload=self._info.encode())
        self._socket.send(frames.encode(start))
        self._room.loop.call_later(START_S, self.start)

    def _arm(self) -> None:
        late_ns = self._random.randrange(JITTER_NS)
        delay_s = max(0, self._due_ns + late_ns - time.monotonic_ns()) / S_NS
        self._room.loop.call_later(delay_s, self._speak)

    def _speak(self) -> None:
        if self._random.random() >= self._missing:
            self._send(self._voice[self._seq % len(self._voice)])
        self._seq += 1
        self._due_ns += FRAME_NS
        self._arm()

    def _send(self, pcm: bytes) -> None:
        stamp_ns = time.monotonic_ns()
        message = frames.encode_audio(self._stream, 0, self._seq, 0, stamp_ns, pcm)
        taken = self._socket.send(message)
        self.sent += taken
        self.dropped += not taken


class Room:
    """The talkers, the link that only listens, and their subscriptions."""

    def __init__(self, directory: str, talkers: int, missing: float) -> None:
        self.directory = Path(directory)
        self.loop = asyncio.get_running_loop()
        self._latency_ns = {"link": array("q"), "talkers": array("q")}
        for stream in range(LINK, LINK + 1 + talkers):
            AudioSub(self.loop, self.directory, frames.topic(stream), self._hear)
        self._push = AudioPush(self.loop, self.directory)
        self._keep_link()
        for stream in range(6):
            signals.speech(stream)
        first_ns = time.monotonic_ns() + START_DELAY_NS
        self._talkers = [
            Talker(self, LINK + 1 + i, first_ns + FRAME_NS * i // max(1, talkers), missing)
            for i in range(talkers)
        ]

    def look(self) -> dict[str, Any]:
        """Latencies since the last look, from a frame's stamp to its arrival in a mix."""
        seen = {name: values.tolist() for name, values in self._latency_ns.items()}
        for values in self._latency_ns.values():
            del values[:]
        sent = sum(talker.sent for talker in self._talkers)
        dropped = sum(talker.dropped for talker in self._talkers)
        return {"latency_ns": seen, "sent": sent, "dropped": dropped}

    def _keep_link(self) -> None:
        info = StreamInfo("link", "bench", mode="conference")
        self._push.send(frames.encode(Frame(Kind.START, LINK, payload=info.encode())))
        self.loop.call_later(START_S, self._keep_link)

    def _hear(self, message: bytes) -> None:
        now_ns = time.monotonic_ns()
        stream, _, kind, _, _, _, stamp_ns = frames.HEADER.unpack_from(message)
        if kind == Kind.AUDIO:
            self._latency_ns["link" if stream == LINK else "talkers"].append(now_ns - stamp_ns)


class Commands:
    """What the benchmark may ask for."""

    async def do_open(self, directory: str, talkers: int, missing: float) -> None:
        """Open the room. ``missing``: share of the talkers' frames that are never sent."""
        self._room = Room(directory, talkers, missing)
        gc.collect()
        gc.freeze()

    async def do_look(self) -> dict[str, Any]:
        """See ``Room.look``."""
        return self._room.look()


async def main() -> None:
    """Serve until standard input ends."""
    await serve(Commands())


if __name__ == "__main__":
    uvloop.run(main())
