"""Programs that are no longer started, told by whoever supervises to signaling: a file.

The file lies in the runtime directory and is written anew where it is missing; without it, all is
well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from .errors import UnreadableError
from .foreign_data import read_json
from .logs import redact

NAME = "given_up.json"
MAX_BYTES = 16_384
MOST_PROGRAMS = 8
MOST_BYTES_EACH = 1_900
"""Of a program's words, written as JSON; with names and quotes, all of them fit."""


def tell(runtime_dir: Path, failed: Mapping[str, str]) -> None:
    """Write what is not there yet, without secrets. ``failed``: by program, why it is not started.

    Raises OSError.
    """
    path = runtime_dir / NAME
    if not failed:
        path.unlink(missing_ok=True)
        return
    told = {name: _short(redact(words)) for name, words in [*failed.items()][:MOST_PROGRAMS]}
    if read(runtime_dir) == told:
        return
    fresh = path.with_suffix(".json~")
    fresh.write_text(json.dumps(told), encoding="utf-8")
    os.replace(fresh, path)


def _short(words: str) -> str:
    """The beginning that fits. In JSON a character takes up to 12 bytes."""
    words = words[:MOST_BYTES_EACH]
    while len(json.dumps(words)) > MOST_BYTES_EACH:
        words = words[: len(words) * 9 // 10]
    return words


def read(runtime_dir: Path) -> dict[str, str]:
    """By program, why it is not started; empty where nothing can be read."""
    try:
        with (runtime_dir / NAME).open("rb") as file:
            content = read_json(file.read(MAX_BYTES))
    except (OSError, UnreadableError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {str(program): str(words) for program, words in content.items()}
