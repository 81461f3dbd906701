"""Unknown releases are refused, before anything of them is imported."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from mixer_core.patches import aiohttp, aioice, aiortc, pyav, pyopenssl, releases
from mixer_core.runtime.errors import StartupError

ROOT = Path(__file__).parents[3]


def test_the_installed_releases_are_the_known_ones() -> None:
    releases.check_releases()


@pytest.mark.parametrize(
    ("package", "written_for"),
    [
        ("aiortc", aiortc.WRITTEN_FOR),
        ("aioice", aioice.WRITTEN_FOR),
        ("aiohttp", aiohttp.WRITTEN_FOR),
        ("av", pyav.WRITTEN_FOR),
        ("pyopenssl", pyopenssl.WRITTEN_FOR),
    ],
)
def test_the_code_was_written_for_the_releases_that_are_constrained(
    package: str, written_for: str
) -> None:
    pins = dict(
        line.lower().split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    )
    assert pins[package].startswith(f"{written_for}.")


@pytest.mark.parametrize("installed", ["1.17.0", "1.160.0", "2.0"])
def test_another_release_is_refused_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, installed: str
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda package: installed)
    with pytest.raises(StartupError, match=r"pip install 'aiortc==1\.16\.\*'"):
        releases.check_releases()


@pytest.mark.processes
def test_the_check_imports_none_of_the_libraries() -> None:
    code = (
        "import sys; from mixer_core.patches.releases import check_releases; check_releases();"
        "sys.exit(bool({'aiortc', 'aioice', 'av', 'numpy'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
