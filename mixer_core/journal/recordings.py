"""The directory of recordings: what there is, what each has, and what is too old.

``recordings/<room>/<id>/`` below the state directory, mode 0700: one FLAC file for each voice, the
sum of all in ``mix.flac``, and ``recording.json``. Links write it and hold its directory
(``flock(2)``) while it goes on; signaling reads, and deletes what nobody holds.
"""

from __future__ import annotations

import calendar
import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from ..runtime.files import make_private_directory, read_file, replace_file
from ..runtime.room_rules import ROOM_NAME
from .retention import EARLIEST_MS, Look, is_stale, oldest_ms

FOLDER, CONTENTS, MIX = "recordings", "recording.json", "mix.flac"
LOOK = ".look"
"""In the directory of all of them: the last look at the clock. No room is called so."""
MAX_LOOK_BYTES = 200
MAX_CONTENTS_BYTES = 1 << 20
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_FILE = re.compile(r"[a-z0-9-]{1,80}\.flac")

_Name = Annotated[str, msgspec.Meta(max_length=300)]
Cannot = Callable[[str, OSError], object]
"""Told of what cannot be looked after, a recording as a rule (``room/id``); the others are."""


def ignore(name: str, error: OSError) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class TrackFile:
    """One voice."""

    file: _Name
    participant: _Name
    """Id, as in the journal; empty: the assistant."""
    name: _Name
    start_ms: float
    """Of its first sample, since the recording began."""


@dataclass(frozen=True, slots=True)
class Contents:
    """A recording, as ``recording.json`` says."""

    room: _Name
    began_ms: int
    """Unix time of the first sample of the mix: the clock of the journal."""
    by: _Name
    """Who asked for it."""
    tracks: tuple[TrackFile, ...] = ()
    ended_ms: int | None = None
    """None: it goes on, or its process has just died (``left_recordings``)."""
    reason: _Name = ""
    """Why it ended."""
    told: bool = True
    """False: nobody has told the people of the room that it ended."""
    left_out: tuple[_Name, ...] = ()
    """Names of people whose voice is not in it, since it has as many voices as it may."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One of a room's recordings."""

    id: str
    contents: Contents
    files: dict[str, int]
    """With their sizes in bytes."""


def folder_of(state_dir: Path, room: str) -> Path:
    """Of a room's recordings. Raises ValueError for what is no name of a room."""
    if not is_room(room):
        raise ValueError(f"no room is called {room[:64]!r}")
    return state_dir / FOLDER / room


def is_room(name: str) -> bool:
    """Whether a room can be called so."""
    return ROOM_NAME.fullmatch(name) is not None


def make(state_dir: Path, room: str, began_ms: int, mark: str) -> Path:
    """A directory for a new one. ``mark``: six random hexadecimal digits. Raises OSError."""
    began = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(began_ms / 1000))
    parent = folder_of(state_dir, room)
    make_private_directory(parent)
    path = parent / f"{began}-{mark}"
    path.mkdir(mode=0o700)
    return path


def hold(folder: Path) -> int:
    """Hold a recording: a descriptor; closing it, or the end of the process, lets go of it.

    Raises:
        OSError: it cannot be held; BlockingIOError: another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write(folder: Path, contents: Contents) -> None:
    """Say what a recording has. Raises OSError."""
    replace_file(folder / CONTENTS, msgspec.json.encode(contents))


def read(folder: Path) -> Contents:
    """What a recording has. Raises OSError; ValueError: it is damaged."""
    try:
        content = read_file(folder / CONTENTS, MAX_CONTENTS_BYTES)
        return msgspec.json.decode(content, type=Contents)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{folder / CONTENTS} is damaged: {error}") from error


def readable(state_dir: Path, room: str) -> Iterator[tuple[Path, Contents]]:
    """The recordings of a room whose contents can be read, oldest first. Raises OSError."""
    for folder in sorted(_folders(folder_of(state_dir, room))):
        try:
            contents = read(folder)
        except (OSError, ValueError):
            continue
        yield folder, contents


def listed(state_dir: Path, room: str) -> list[Listed]:
    """The recordings of a room, newest first; one whose contents are lost has its files still."""
    found = []
    for folder in sorted(_folders(folder_of(state_dir, room)), reverse=True):
        try:
            contents = read(folder)
        except (OSError, ValueError):
            began_ms = _began_ms(folder.name)
            contents = Contents(room, began_ms, by="", ended_ms=began_ms, reason="damaged")
        files: dict[str, int] = {}
        for file in sorted(folder.glob("*.flac")):
            with contextlib.suppress(OSError):
                files[file.name] = file.stat().st_size
        found.append(Listed(folder.name, contents, files))
    return found


def file_of(state_dir: Path, room: str, ident: str, file: str) -> Path | None:
    """The path of a file of a recording; None: there can be none of that name."""
    if not _ID.fullmatch(ident) or not _FILE.fullmatch(file):
        return None
    path = folder_of(state_dir, room) / ident / file
    return path if path.is_file() and not path.is_symlink() else None


def delete(state_dir: Path, room: str, ident: str) -> bool:
    """Delete a recording; False: there is none with that id.

    Raises:
        OSError: it cannot be deleted; BlockingIOError: it goes on.
    """
    folder = folder_of(state_dir, room) / ident
    if not _ID.fullmatch(ident) or not folder.is_dir():
        return False
    try:
        _remove(folder)
    except FileNotFoundError:  # Somebody else was faster.
        return False
    return True


def delete_old(state_dir: Path, keep_ms: int, now: Look, cannot: Cannot = ignore) -> list[str]:
    """Delete what began longer ago than that by two looks at the clock (``retention``).

    Nothing is deleted that goes on, or whose time cannot be right. Returns ``room/id`` of each.
    ``now`` is noted last: a disk that was full has room for it then. ``cannot`` is told of that,
    too, by the name of its file. Raises OSError.
    """
    root = state_dir / FOLDER
    if not root.is_dir():
        return []
    before = _look(root / LOOK)
    oldest = oldest_ms(before, now, keep_ms)
    gone = [] if oldest is None else _delete_before(root, oldest, cannot)
    if oldest is not None or is_stale(before, now):
        try:
            replace_file(root / LOOK, now.as_text().encode())
        except OSError as error:
            cannot(LOOK, error)
    return gone


def _delete_before(root: Path, oldest: int, cannot: Cannot) -> list[str]:
    """Delete what began before a Unix time. Raises OSError."""
    gone: list[str] = []
    for folder in _all(root, cannot):
        if not EARLIEST_MS <= _began_ms(folder.name) < oldest:
            continue
        name = f"{folder.parent.name}/{folder.name}"
        try:
            _remove(folder)
        except (BlockingIOError, FileNotFoundError):
            continue
        except OSError as error:
            cannot(name, error)
            continue
        gone.append(name)
    return gone


def _all(root: Path, cannot: Cannot) -> Iterator[Path]:
    """The recordings of all rooms. Raises OSError."""
    for room in sorted(root.iterdir()):
        try:
            found = _folders(room)
        except OSError as error:
            cannot(room.name, error)
            continue
        yield from found


def _look(path: Path) -> Look | None:
    """The last look at the clock; None: there is none that can be read."""
    try:
        return Look.from_text(read_file(path, MAX_LOOK_BYTES).decode("ascii", "replace"))
    except OSError:
        return None


def _remove(folder: Path) -> None:
    """Raises OSError; BlockingIOError: it goes on."""
    descriptor = hold(folder)
    try:
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return [path for path in parent.iterdir() if _ID.fullmatch(path.name) and path.is_dir()]


def _began_ms(ident: str) -> int:
    """Of an id, which has its time."""
    with contextlib.suppress(ValueError):
        return calendar.timegm(time.strptime(ident[:16], "%Y%m%dT%H%M%SZ")) * 1000
    return 0
