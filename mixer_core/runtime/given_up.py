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

NAME = "given_up.json"
MAX_BYTES = 16_384


def tell(runtime_dir: Path, failed: Mapping[str, str]) -> None:
    """Write what is not there yet. ``failed``: by program, why it is not started.

    Raises OSError.
    """
    path = runtime_dir / NAME
    if not failed:
        path.unlink(missing_ok=True)
        return
    if read(runtime_dir) == failed:
        return
    fresh = path.with_suffix(".json~")
    fresh.write_text(json.dumps(dict(failed)), encoding="utf-8")
    os.replace(fresh, path)


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
