"""The corpus of each border: a text file with one input a line, so that a change can be read.

    note: b'…'

``found`` in the note: the input showed a fault, which is mended; the rest reach other branches.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
FOUND = "found"


def path_of(border: str) -> Path:
    """The file of a border."""
    return FOLDER / f"{border}.txt"


def read(border: str) -> list[tuple[str, bytes]]:
    """Note and input, in the file's order."""
    path = path_of(border)
    if not path.exists():
        return []
    entries = (line.partition(": ") for line in path.read_text("ascii").splitlines() if line)
    return [(note, ast.literal_eval(literal)) for note, _, literal in entries]


def write(border: str, entries: Iterable[tuple[str, bytes]]) -> None:
    """Replace the file."""
    lines = [f"{note}: {data!r}\n" for note, data in entries]
    path_of(border).write_text("".join(lines), "ascii")
