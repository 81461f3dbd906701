"""What is in the files of a folder that others use."""

from __future__ import annotations

import contextlib
from pathlib import Path


def contents(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    """Files by name; those that go while they are looked for are not there."""
    found: dict[str, bytes] = {}
    for path in folder.glob(pattern):
        with contextlib.suppress(FileNotFoundError):
            found[path.name] = path.read_bytes()
    return found
