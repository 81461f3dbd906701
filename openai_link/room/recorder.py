"""The room's recording, as the shell has it: the tone, the voices, and who writes them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from mixer_core.bus.frames import Frame
from mixer_core.bus.pcm import FRAME_BYTES
from mixer_core.journal import left_recordings
from mixer_core.journal.recordings import Contents
from mixer_core.runtime.units import MS_NS

from ..recording.tone import Tone
from ..recording.writer import RecordingWriter
from .engine import RoomEngine
from .mixer_client import MixerClient

ASSISTANT = "Assistant"


class Recorder:
    """Of one room."""

    def __init__(
        self,
        room: str,
        state_dir: Path,
        free_mib: int,
        engine: RoomEngine,
        mixer: MixerClient,
        failed: Callable[[str], None],
        left_out: Callable[[str], None],
        log: logging.LoggerAdapter[logging.Logger],
    ) -> None:
        """Record nothing yet; both are called on the loop.

        ``failed``: with a sentence: the recording cannot go on. ``left_out``: with the name of
        somebody for whose voice it has no room.
        """
        self._room, self._state_dir, self._free_mib = room, state_dir, free_mib
        self._engine, self._mixer = engine, mixer
        self._failed, self._left_out, self._log = failed, left_out, log
        self._loop = asyncio.get_running_loop()
        self._writer: RecordingWriter | None = None
        self._contents: Contents | None = None
        """Of the newest recording, as it began."""
        self._over: list[RecordingWriter] = []
        """Those whose threads finish their files."""
        self._tone = Tone()

    def begin(self, by: str) -> None:
        """Keep each voice in a file; where that is not possible, ``failed`` is called soon."""
        contents = Contents(self._room, time.time_ns() // MS_NS, by)
        self._contents = contents
        self._writer = RecordingWriter(
            self._state_dir,
            contents,
            time.monotonic_ns(),
            self._free_mib,
            self._log,
            lambda words: self._loop.call_soon_threadsafe(self._cannot, contents, words),
            self._lacks,
        )
        self._mixer.record("files", True)

    def end(self, reason: str) -> None:
        """Keep nothing more."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        self._mixer.record("files", False)
        writer.end(reason, time.monotonic_ns())
        self._over = [one for one in self._over if one.is_alive] + [writer]

    async def left(self, oldest_ms: int) -> str:
        """Why the recording of the room's last process ended, if that died; empty: it did not.

        ``oldest_ms``: Unix time; what ended before is closed, but no news.
        """
        try:
            found = await asyncio.to_thread(
                left_recordings.take_untold, self._state_dir, self._room
            )
        except OSError as error:
            self._log.warning("! recordings that were left cannot be closed: %s", error)
            return ""
        is_news = any((one.ended_ms or 0) >= oldest_ms for one in found)
        return left_recordings.REASON if is_news else ""

    def track(self, frame: Frame) -> None:
        """20 ms of one voice."""
        if self._writer is None:
            return
        participant = frame.payload[FRAME_BYTES:].decode(errors="replace")
        if self._engine.keeps(participant, time.monotonic_ns()):
            name = self._engine.name_of(participant) if participant else ASSISTANT
            pcm = frame.payload[:FRAME_BYTES]
            self._writer.put(participant, name, frame.seq, frame.stamp_ns, pcm)

    def close(self) -> None:
        """Wait for the files, some seconds at most; not on the loop."""
        for writer in self._over:
            writer.join()

    # -- the tone ---------------------------------------------------------------------------------

    def sound(self, rises: bool) -> None:
        """Let everybody hear it."""
        self._tone.begin(rises, time.monotonic_ns())

    def voice(self, pcm: bytes, now_ns: int) -> bytes:
        """A frame of the assistant, with what sounds of the tone."""
        return self._tone.mixed(pcm, now_ns)

    def tick(self, now_ns: int) -> None:
        """Send what is due of the tone."""
        due = self._tone.due(now_ns)
        if due is not None:
            self._mixer.audio(*due, now_ns)

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``."""
        return self._tone.next_timeout_ns()

    def _cannot(self, contents: Contents, words: str) -> None:
        """A recording cannot go on; one that is over already ends no other."""
        if self._writer is not None and contents is self._contents:
            self._failed(words)

    def _lacks(self, name: str) -> None:
        self._loop.call_soon_threadsafe(self._left_out, name)
