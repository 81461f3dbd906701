"""The browser of the page's tests, and OpenAI's browser SDK, bundled once per version."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.conftest import browsers as browsers
from tests.browser.conftest import open_browser as open_browser
from tests.browser.conftest import require
from tests.browser.conftest import silence as silence

SOURCES = Path(__file__).parent / "agents_sdk"
NODE_SOURCES = Path(__file__).parent / "openai_node"


def _cache_dir(name: str, key: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "mixminus" / f"{name}-{key}"


def _npm(*arguments: str, cwd: Path) -> None:
    """Run npm; its error output is the reason of a failure."""
    done = subprocess.run(
        ["npm", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        pytest.fail(f"npm {arguments[0]} failed: {done.stderr.strip()[-500:]}")


def _digest(*names: str, folder: Path = SOURCES) -> str:
    content = b"".join((folder / name).read_bytes() for name in names)
    return hashlib.sha256(content).hexdigest()[:12]


def _install(sources: Path, folder: Path) -> None:
    """What ``package.json`` lists, once; the caller holds the folder's lock."""
    if not (folder / "installed").exists():
        shutil.copy(sources / "package.json", folder / "package.json")
        _npm("install", "--no-package-lock", "--no-audit", "--no-fund", cwd=folder)
        (folder / "installed").touch()


@pytest.fixture(scope="session")
def sdk_page() -> Path:
    """A directory with a page that runs ``@openai/agents-realtime`` in its pinned version."""
    require(shutil.which("npm"), "npm is not installed")
    folder = _cache_dir("agents-sdk", _digest("package.json"))
    site = folder / f"site-{_digest('client.mjs', 'index.html')}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(SOURCES, folder)
        if not (site / "index.html").exists():
            shutil.copy(SOURCES / "client.mjs", folder / "client.mjs")
            flags = ("--bundle", "--format=iife", "--platform=browser", "--log-level=error")
            outfile = f"--outfile={site.name}/bundle.js"
            _npm("exec", "--", "esbuild", "client.mjs", *flags, outfile, cwd=folder)
            shutil.copy(SOURCES / "index.html", site / "index.html")
    return site


@pytest.fixture(scope="session")
def node_client() -> Path:
    """A program for Node that uses the package ``openai`` in its pinned version."""
    require(shutil.which("npm") and shutil.which("node"), "npm is not installed")
    folder = _cache_dir("openai-node", _digest("package.json", folder=NODE_SOURCES))
    program = folder / f"client-{_digest('client.mjs', folder=NODE_SOURCES)}.mjs"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(NODE_SOURCES, folder)
        shutil.copy(NODE_SOURCES / "client.mjs", program)
    return program
