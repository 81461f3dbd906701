"""The level of the log, changeable while programs run: a file in the runtime directory.

Every process looks at the file once a second (one stat, about 3 µs), so that one that starts later
finds the level, too. A level that was set ends by itself: who looks for a fault forgets to set it
back.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import msgspec

from . import logs
from .errors import UnreadableError
from .foreign_data import read_json

NAME = "log_level.json"
MAX_BYTES = 4_096
Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True, slots=True)
class Setting:
    """The content of the file."""

    level: Level
    until_s: float
    """Unix time at which it ends."""


def write(runtime_dir: Path, setting: Setting | None) -> None:
    """Set the level for all programs; None: back to that of the settings. Raises OSError."""
    path = runtime_dir / NAME
    if setting is None:
        path.unlink(missing_ok=True)
        return
    fresh = path.with_suffix(".json~")
    fresh.write_text(json.dumps(asdict(setting)), encoding="utf-8")
    os.replace(fresh, path)


def read(runtime_dir: Path) -> Setting | None:
    """What is set now; None: nothing, or nothing that can be read."""
    try:
        with (runtime_dir / NAME).open("rb") as file:
            return msgspec.convert(read_json(file.read(MAX_BYTES)), Setting)
    except (OSError, UnreadableError, msgspec.ValidationError):
        return None


class LevelFile:
    """One process's look at the file."""

    def __init__(self, runtime_dir: Path, usual: str) -> None:
        """``usual``: the level of the settings."""
        self._dir = runtime_dir
        self._usual = usual
        self._applied = usual
        self._stamp = 0
        self._setting: Setting | None = None

    def renew(self) -> str:
        """Look, and apply what has changed. Returns an empty text: nothing was mended."""
        try:
            stamp = os.stat(self._dir / NAME).st_mtime_ns
        except OSError:
            stamp = 0
        if stamp != self._stamp:
            self._stamp, self._setting = stamp, read(self._dir) if stamp else None
        setting = self._setting
        holds = setting is not None and time.time() < setting.until_s
        wanted = setting.level if setting is not None and holds else self._usual
        if wanted != self._applied:
            self._applied = wanted
            logs.set_level(wanted)
        return ""
