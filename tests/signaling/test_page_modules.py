"""The page's modules: imports lead to files that are served, along the layers, without a cycle."""

from __future__ import annotations

import re
from pathlib import Path

from signaling.http.pages import WEB_DIR

LAYERS = {
    "audio": {"audio"},
    "state": {"state"},
    "session": {"session", "audio", "state"},
    "ui": {"ui", "client.js"},
    "client.js": {"session", "audio", "state"},
    "example.js": {"client.js"},
    "main.js": {"ui", "client.js"},
    "selftest.js": {"ui", "audio", "state"},
}
"""What the modules of a folder, or a module at the top, may import from: the page knows the client
and nothing behind it; the self-test tries the parts themselves."""
SELFTEST = "../audio/selftest/measures.js"
IMPORT = re.compile(r'^(?:import|export|\}) .*?from "(\.[^"]+)";$', re.MULTILINE)


def modules() -> dict[Path, list[Path]]:
    """Every module and what it imports; types in comments do not count."""
    return {
        path: [(path.parent / name).resolve() for name in IMPORT.findall(path.read_text())]
        for path in sorted(WEB_DIR.rglob("*.js"))
    }


def folder(path: Path) -> str:
    """The folder of a module, or its name where it stands at the top."""
    return path.relative_to(WEB_DIR).parts[0]


def test_imports_exist_and_follow_the_layers() -> None:
    found = modules()
    assert sum(map(len, found.values())) > 60
    for path, imported in found.items():
        for target in imported:
            assert target in found, (path, target)
            assert folder(target) in LAYERS[folder(path)], (path, target)


def test_types_of_the_page_come_from_the_client_too() -> None:
    for path in [WEB_DIR / "main.js", *(WEB_DIR / "ui").glob("*.js")]:
        found = set(re.findall(r'import\("([^"]+)"\)', path.read_text()))
        measures = {SELFTEST} if path.name.startswith("selftest") else set()
        assert found <= {"../client.js", "./client.js", *measures}, (path, found)


def test_there_is_no_cycle() -> None:
    waiting = modules()
    while waiting:
        free = [path for path, imported in waiting.items() if not set(imported) & waiting.keys()]
        assert free, f"a cycle among {[path.name for path in waiting]}"
        for path in free:
            del waiting[path]
