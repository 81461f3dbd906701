"""Imports of the benchmarks point one way, and what their documentation names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from benchmarks.cli import BENCHMARKS

ROOT = Path(__file__).parents[2]
LAYERS = ("report", "rig", "peers", "suites")
"""Each may import those before it, and nothing after it."""
MODULES = sorted((ROOT / "benchmarks").rglob("*.py"))


def layers_imported(path: Path) -> set[str]:
    package = path.relative_to(ROOT).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            names = [*base, *(node.module or "").split("."), node.names[0].name]
        elif isinstance(node, ast.Import):
            names = node.names[0].name.split(".")
        else:
            continue
        if names[0] == "benchmarks":
            found.add([name for name in names if name][1])
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_those_below(layer: str) -> None:
    for path in MODULES:
        if path.parent.name == layer:
            assert layers_imported(path) <= set(LAYERS[: LAYERS.index(layer) + 1]), path


def test_every_benchmark_has_a_module_and_a_line_in_the_readme() -> None:
    readme = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for name in BENCHMARKS:
        module = ROOT / "benchmarks" / "suites" / f"{name.replace('-', '_')}.py"
        assert "def run(options: Options, findings: Findings) -> None:" in module.read_text(), name
        assert f"| `{name}` |" in readme, name


def test_modules_that_are_named_as_programs_exist() -> None:
    named = set()
    for path in MODULES:
        named |= set(re.findall(r"benchmarks(?:\.\w+)+", path.read_text(encoding="utf-8")))
    assert named
    for name in named - {"benchmarks.suites"}:
        assert (ROOT / name.replace(".", "/")).with_suffix(".py").exists(), name
