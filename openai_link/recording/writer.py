"""Writes a recording, in a thread of its own: frames come in, files grow once a second.

The event loop only puts frames into a queue. Encoding and the disk are the thread's, from the
directory on: it takes what is older than ``LATE_NS``, since frames wait in jitter buffers, and
flushes the files, so that a power loss costs about two seconds.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_core.journal import recordings
from mixer_core.journal.recordings import Contents, TrackFile
from mixer_core.runtime.units import S_NS

if TYPE_CHECKING:
    from .flac import FlacFile

ROUND_S, LATE_NS = 1.0, S_NS
MAX_QUEUED = 50 * 16 * 10
"""Frames: ten seconds of sixteen voices; of more the newest are lost, and counted."""
MAX_TRACKS = 64
"""Voices of one recording; who is heard later is left out, of the mix too."""
MAX_LEFT_OUT = 256
"""People who are named for that."""
MIB = 1 << 20
CLOSE_S = 5.0

Entry = tuple[str, str, int, int, bytes]
"""Participant, name, number of the slot, stamp, samples."""


class RecordingWriter:
    """Of one recording."""

    def __init__(
        self,
        state_dir: Path,
        contents: Contents,
        began_ns: int,
        free_mib: int,
        log: logging.LoggerAdapter[logging.Logger],
        failed: Callable[[str], object],
        left_out: Callable[[str], object] = lambda name: None,
    ) -> None:
        """Begin; ``failed`` is called where the directory cannot be made, or has no room.

        Args:
            state_dir: of the gateway.
            contents: room, beginning, and who asked for it.
            began_ns: the same beginning (monotonic).
            free_mib: what has to stay free on the disk.
            log: of the room.
            failed: called in the thread, once, with a sentence: it cannot begin, or go on.
            left_out: called in the thread, once for each person, with the name: it has no room for
                their voice.
        """
        self._log, self._failed, self._free_mib = log, failed, free_mib
        self._tell_left_out = left_out
        self._began_ns = began_ns
        self._state_dir, self._contents = state_dir, contents
        self._is_whole = True
        """All that was taken is in the files."""
        self._files: dict[str, FlacFile] = {}
        self._left_out: set[str] = set()
        self._queue: queue.SimpleQueue[Entry] = queue.SimpleQueue()
        self.lost = 0
        """Frames that are in no file."""
        self._ended = threading.Event()
        self._reason = ""
        self._ended_ns = 0
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def put(self, participant: str, name: str, seq: int, stamp_ns: int, pcm: bytes) -> None:
        """20 ms of a voice that is kept; ``participant`` empty: the assistant."""
        if self._queue.qsize() >= MAX_QUEUED:
            self.lost += 1
            return
        self._queue.put((participant, name, seq, stamp_ns, pcm))

    def end(self, reason: str, now_ns: int) -> None:
        """Keep nothing more; the thread finishes the files."""
        if not self._ended.is_set():
            self._reason, self._ended_ns = reason, now_ns
            self._ended.set()

    @property
    def is_alive(self) -> bool:
        """The files are not finished yet."""
        return self._thread.is_alive()

    def join(self, timeout_s: float = CLOSE_S) -> None:
        """Wait until the files are finished; in another thread than the event loop's."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._make()
        except Exception as error:
            self._cannot(error)
            return
        try:
            while not self._ended.wait(ROUND_S):
                self._round(time.monotonic_ns() - LATE_NS)
                self._check_room()
        except Exception as error:  # A full disk, or whatever else: the room goes on without.
            self._cannot(error)
        self._finish()

    def _make(self) -> None:
        """The directory, with its first files; nothing is left of it where that fails.

        numpy is imported here, in the thread: a room that is not recorded does without.
        """
        from .flac import FlacFile
        from .tracks import Tracks

        self._tracks, self._new_file = Tracks(self._began_ns), FlacFile
        contents, mark = self._contents, secrets.token_hex(3)
        self.folder = recordings.make(self._state_dir, contents.room, contents.began_ms, mark)
        with contextlib.ExitStack() as undo:
            undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self._held = recordings.hold(self.folder)
            undo.callback(os.close, self._held)
            self._check_room()
            recordings.write(self.folder, contents)
            self._mix = self._new_file(self.folder / recordings.MIX)
            undo.pop_all()

    def _cannot(self, error: Exception) -> None:
        self.end("it could not be written", time.monotonic_ns())
        words = getattr(error, "strerror", None) or repr(error)
        self._log.warning("! the recording ends: %s", words)
        self._failed(f"it cannot be written: {words}")

    def _round(self, until_ns: int) -> None:
        """Write everything up to a time."""
        while True:
            try:
                participant, name, seq, stamp_ns, pcm = self._queue.get_nowait()
            except queue.Empty:
                break
            if participant not in self._tracks.tracks and not self._add(participant, name):
                self.lost += 1
                continue
            self._tracks.put(participant, not participant, seq, stamp_ns, pcm)
        blocks, mix = self._tracks.take(self._tracks.position_of(until_ns))
        self._is_whole = False
        for participant, block in blocks.items():
            self._files[participant].write(block)
        self._mix.write(mix)
        self._is_whole = True
        for file in (*self._files.values(), self._mix):
            file.sync()

    def _add(self, participant: str, name: str) -> bool:
        """A file for a new voice."""
        if participant in self._files:
            return True
        if len(self._files) >= MAX_TRACKS:
            self._leave_out(participant, name)
            return False
        number = len(self._files) + 1
        file = f"{number:02d}-{'person' if participant else 'assistant'}.flac"
        self._files[participant] = self._new_file(self.folder / file)
        start_ms = self._tracks.taken / 24
        track = TrackFile(file, participant, name, start_ms)
        self._contents = replace(self._contents, tracks=(*self._contents.tracks, track))
        recordings.write(self.folder, self._contents)
        return True

    def _leave_out(self, participant: str, name: str) -> None:
        """There is no file for a voice: it is noted and told, once."""
        if participant in self._left_out or len(self._left_out) >= MAX_LEFT_OUT:
            return
        self._left_out.add(participant)
        names = dict.fromkeys((*self._contents.left_out, name))
        self._contents = replace(self._contents, left_out=tuple(names))
        recordings.write(self.folder, self._contents)
        self._tell_left_out(name)

    def _check_room(self) -> None:
        disk = os.statvfs(self.folder)
        free = disk.f_bavail * disk.f_frsize // MIB
        if free < self._free_mib:
            raise OSError(28, f"only {free} MiB are free, and {self._free_mib} have to stay free")

    def _finish(self) -> None:
        try:
            if self._is_whole:  # Else what follows would not fit to what is there.
                self._round(self._ended_ns)
        except Exception as error:
            self._log.warning("! the end of the recording is missing: %r", error)
        for file in (*self._files.values(), self._mix):
            try:
                file.close()
            except OSError as error:
                self._log.warning("! a file of the recording is not complete: %s", error.strerror)
        ended_ms = self._contents.began_ms + (self._ended_ns - self._began_ns) // 1_000_000
        try:
            done = replace(self._contents, ended_ms=ended_ms, reason=self._reason)
            recordings.write(self.folder, done)
        except OSError as error:
            self._log.warning("! the end of the recording is not noted: %s", error.strerror)
        self.lost += self._tracks.late
        if self.lost:
            self._log.warning("! %d frames of 20 ms are not in the recording", self.lost)
        os.close(self._held)
        self._log.info("= recorded in %s", self.folder)
