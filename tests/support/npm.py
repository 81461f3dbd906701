"""Packages of npm that tests need: installed once for each ``package.json``, in a cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def npm(*arguments: str, cwd: Path) -> None:
    """Run npm; its error output is the reason of a failure."""
    done = subprocess.run(
        ["npm", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        pytest.fail(f"npm {arguments[0]} failed: {done.stderr.strip()[-500:]}")


def digest(*files: Path) -> str:
    """Of what is in them, short."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


@contextmanager
def installed(sources: Path, name: str) -> Iterator[Path]:
    """A folder with ``node_modules`` of what ``package.json`` lists; nobody else uses it meanwhile.

    Args:
        sources: where ``package.json`` is.
        name: of the folder in the cache.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "mixminus" / f"{name}-{digest(sources / 'package.json')}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            shutil.copy(sources / "package.json", folder / "package.json")
            npm("install", "--no-package-lock", "--no-audit", "--no-fund", cwd=folder)
            (folder / "installed").touch()
        yield folder
