"""A stock aiortc track of PCM, as its documentation has it; only baselines use it."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import numpy as np
from aiortc import MediaStreamTrack
from av import AudioFrame

from mixer_core.bus.pcm import SAMPLE_RATE_HZ

MAX_QUEUED_FRAMES = 10


class PcmTrack(MediaStreamTrack):
    """24 kHz mono frames that are pushed into it."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(MAX_QUEUED_FRAMES)
        self._pts = 0

    def push(self, pcm: bytes) -> None:
        """Queue one frame (960 bytes); a full queue drops it."""
        if not self._queue.full():
            self._queue.put_nowait(pcm)

    async def recv(self) -> AudioFrame:
        """The next frame, for aiortc's sender."""
        samples = np.frombuffer(await self._queue.get(), dtype=np.int16).reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts, frame.time_base = self._pts, Fraction(1, SAMPLE_RATE_HZ)
        self._pts += frame.samples
        return frame
