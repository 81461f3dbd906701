"""Looks at directories, disk and journal."""

from __future__ import annotations

import math
import os
from pathlib import Path

from mixer_core.journal import reading
from mixer_core.journal.file import FILE_NAME
from mixer_core.runtime import given_up
from mixer_core.runtime.errors import JournalError

from .facts import Storage

MIB = 1 << 20


def look(runtime_dir: Path, state_dir: Path) -> Storage:
    """Nothing is made or changed."""
    trouble = filter(None, (_writable(path) for path in (runtime_dir, state_dir)))
    free_mib, free_inodes = _free(state_dir)
    journal = _journal(state_dir / FILE_NAME)
    return Storage(tuple(trouble), free_mib, free_inodes, journal, given_up.read(runtime_dir))


def _existing(path: Path) -> Path:
    return next(found for found in (path, *path.parents) if found.exists())


def _writable(path: Path) -> str:
    """Why a directory cannot be used, or made; empty: it can."""
    try:
        found = _existing(path)
        if not found.is_dir():
            return f"{found} is no directory"
        if not os.access(found, os.W_OK | os.X_OK):
            return f"{found} cannot be written by this user"
        if found == path and path.stat().st_uid != os.getuid():
            return f"{path} belongs to another user"
    except OSError as error:
        return f"{path}: {error.strerror}"
    return ""


def _free(path: Path) -> tuple[float, int]:
    """MiB and inodes that this user may still fill; any, where that cannot be seen."""
    try:
        found = os.statvfs(_existing(path))
    except OSError:  # The directory is told of as one that cannot be used.
        return math.inf, 1 << 31
    inodes = found.f_favail if found.f_files else 1 << 31  # Some file systems count none.
    return found.f_bavail * found.f_frsize / MIB, inodes


def _journal(path: Path) -> str:
    try:
        if path.exists():
            reading.check(path)
    except OSError:  # The same.
        return ""
    except JournalError as error:
        return str(error)
    return ""
