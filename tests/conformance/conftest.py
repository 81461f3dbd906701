"""The browser of the page's tests, and OpenAI's browser SDK, bundled once per version."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.browser.conftest import browsers as browsers
from tests.browser.conftest import open_browser as open_browser
from tests.browser.conftest import require
from tests.browser.conftest import silence as silence
from tests.support.npm import digest, installed, npm

SOURCES = Path(__file__).parent / "agents_sdk"
NODE_SOURCES = Path(__file__).parent / "openai_node"


@pytest.fixture(scope="session")
def sdk_page() -> Path:
    """A directory with a page that runs ``@openai/agents-realtime`` in its pinned version."""
    require(shutil.which("npm"), "npm is not installed")
    with installed(SOURCES, "agents-sdk") as folder:
        site = folder / f"site-{digest(SOURCES / 'client.mjs', SOURCES / 'index.html')}"
        if not (site / "index.html").exists():
            shutil.copy(SOURCES / "client.mjs", folder / "client.mjs")
            flags = ("--bundle", "--format=iife", "--platform=browser", "--log-level=error")
            outfile = f"--outfile={site.name}/bundle.js"
            npm("exec", "--", "esbuild", "client.mjs", *flags, outfile, cwd=folder)
            shutil.copy(SOURCES / "index.html", site / "index.html")
    return site


@pytest.fixture(scope="session")
def node_client() -> Path:
    """A program for Node that uses the package ``openai`` in its pinned version."""
    require(shutil.which("npm") and shutil.which("node"), "npm is not installed")
    with installed(NODE_SOURCES, "openai-node") as folder:
        program = folder / f"client-{digest(NODE_SOURCES / 'client.mjs')}.mjs"
        shutil.copy(NODE_SOURCES / "client.mjs", program)
    return program
