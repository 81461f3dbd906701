"""The browser of the page's tests, and OpenAI's browser SDK, bundled once per version."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.conftest import open_browser as open_browser
from tests.browser.conftest import require

SOURCES = Path(__file__).parent / "agents_sdk"


def _cache_dir(key: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "mixminus" / f"agents-sdk-{key}"


def _npm(*arguments: str, cwd: Path) -> None:
    """Run npm; its error output is the reason of a failure."""
    done = subprocess.run(
        ["npm", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        pytest.fail(f"npm {arguments[0]} failed: {done.stderr.strip()[-500:]}")


def _digest(*names: str) -> str:
    content = b"".join((SOURCES / name).read_bytes() for name in names)
    return hashlib.sha256(content).hexdigest()[:12]


@pytest.fixture(scope="session")
def sdk_page() -> Path:
    """A directory with a page that runs ``@openai/agents-realtime`` in its pinned version."""
    require(shutil.which("npm"), "npm is not installed")
    folder = _cache_dir(_digest("package.json"))
    site = folder / f"site-{_digest('client.mjs', 'index.html')}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            shutil.copy(SOURCES / "package.json", folder / "package.json")
            _npm("install", "--no-package-lock", "--no-audit", "--no-fund", cwd=folder)
            (folder / "installed").touch()
        if not (site / "index.html").exists():
            shutil.copy(SOURCES / "client.mjs", folder / "client.mjs")
            flags = ("--bundle", "--format=iife", "--platform=browser", "--log-level=error")
            outfile = f"--outfile={site.name}/bundle.js"
            _npm("exec", "--", "esbuild", "client.mjs", *flags, outfile, cwd=folder)
            shutil.copy(SOURCES / "index.html", site / "index.html")
    return site
