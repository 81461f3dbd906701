"""Recordings whose process died: whoever looks next closes them, from what their files say.

A recording that goes on is held (``recordings.hold``), and the kernel lets go of it the moment its
process ends. So one that has no end and that nobody holds was left.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..runtime.units import MS_NS
from . import recordings
from .flac_frames import HEAD_BYTES, TAIL_BYTES, count_field, last_frame
from .recordings import CONTENTS, MIX, Cannot, Contents, ignore

REASON = "the room's process ended"
_RATE_KHZ = 24


def close_left(state_dir: Path, room: str, cannot: Cannot = ignore) -> list[str]:
    """Close what a room's earlier processes have left: the ids of each. Raises OSError.

    Files end with their last whole frame, and say how long they are. One that cannot be closed
    stays as it is, and ``cannot`` is told.
    """
    return [folder.name for folder, _ in _left(state_dir, room, cannot)]


def close_all(state_dir: Path, cannot: Cannot = ignore) -> list[str]:
    """As ``close_left`` for all rooms: ``room/id`` of each. Raises OSError."""
    root = state_dir / recordings.FOLDER
    rooms = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    known = [room for room in rooms if recordings.is_room(room)]
    closed: list[str] = []
    for room in known:
        try:
            closed += [f"{room}/{ident}" for ident in close_left(state_dir, room, cannot)]
        except OSError as error:
            cannot(room, error)
    return closed


def take_untold(state_dir: Path, room: str) -> list[Contents]:
    """Those of a room that were left and whose end nobody was told yet. Raises OSError.

    It closes them first. Each is told once, and again only where that cannot be noted.
    """
    close_left(state_dir, room)
    untold = []
    for folder, contents in recordings.readable(state_dir, room):
        if not contents.told:
            with contextlib.suppress(OSError):
                recordings.write(folder, replace(contents, told=True))
            untold.append(contents)
    return untold


def _left(state_dir: Path, room: str, cannot: Cannot) -> Iterator[tuple[Path, Contents]]:
    for folder, seen in recordings.readable(state_dir, room):
        if seen.ended_ms is not None:
            continue
        try:
            ended = _ended(folder)
        except (BlockingIOError, FileNotFoundError, ValueError):
            continue
        except OSError as error:
            cannot(f"{room}/{folder.name}", error)
            continue
        if ended is not None:
            yield folder, ended


def _ended(folder: Path) -> Contents | None:
    """Close a recording; None: its writer has done so meanwhile. Raises OSError, ValueError."""
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, recordings.hold(folder))
        contents = recordings.read(folder)
        if contents.ended_ms is not None:
            return None
        ended = replace(contents, ended_ms=_close(folder, contents), reason=REASON)
        recordings.write(folder, replace(ended, told=False))
        return ended


def _close(folder: Path, contents: Contents) -> int:
    """Finish the files; returns the end of the mix, Unix time in ms."""
    ended_ms = (folder / CONTENTS).stat().st_mtime_ns // MS_NS
    for file in sorted(folder.glob("*.flac")):
        samples = _finish(file)
        if file.name == MIX:
            ended_ms = contents.began_ms + samples // _RATE_KHZ
    return ended_ms


def _finish(file: Path) -> int:
    """Cut off what is no whole frame, and put the number of samples into the head; returns it."""
    descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        head = os.pread(descriptor, HEAD_BYTES, 0)
        if len(head) < HEAD_BYTES:
            return 0
        begin = max(HEAD_BYTES, size - TAIL_BYTES)
        whole, samples = last_frame(head, os.pread(descriptor, TAIL_BYTES, begin))
        if whole or begin == HEAD_BYTES:  # Else nothing is known of it, and it stays.
            os.ftruncate(descriptor, begin + whole)
            at, field = count_field(head, samples)
            os.pwrite(descriptor, field, at)
            os.fsync(descriptor)
        return samples
    finally:
        os.close(descriptor)
