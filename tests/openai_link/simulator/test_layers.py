"""Each folder of the simulator imports only the folders below it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SIMULATOR = Path(__file__).parents[3] / "openai_link" / "simulator"
BELOW: dict[str, set[str]] = {
    "engine": set(),
    "faults": set(),
    "brains": {"engine", "settings"},
    "media": {"engine", "faults", "settings"},
    "calls": {"engine", "faults", "brains", "media", "settings"},
    "http": {"engine", "faults", "calls"},
}


def imported(path: Path) -> set[str]:
    """Parts of the simulator that a module of one of its folders imports."""
    package = ("openai_link", "simulator", path.parent.name)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            names = (*base, *(node.module or "").split("."))
            if names[:2] == package[:2] and len(names) > 2:
                found.add(names[2])
    return found


def test_every_folder_has_its_rule() -> None:
    folders = {path.parent.name for path in SIMULATOR.glob("*/__init__.py")}
    assert folders == BELOW.keys()


@pytest.mark.parametrize("folder", BELOW)
def test_a_folder_imports_only_what_is_below(folder: str) -> None:
    for path in (SIMULATOR / folder).glob("*.py"):
        assert imported(path) - {folder} <= BELOW[folder], path
