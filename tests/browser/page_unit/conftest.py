"""The page's own modules, loaded by a real Chromium from a plain file server."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CHROMIUM, FLAGS, require

WEB_DIR = Path(__file__).parents[3] / "signaling" / "web"

Run = Callable[..., Any]


class _Files(SimpleHTTPRequestHandler):
    """Silent, and sure of what a module's type is."""

    extensions_map = {  # noqa: RUF012 - the base class declares it so
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
    }

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def file_server() -> Iterator[str]:
    """Base URL of a server of signaling/web on a free port."""
    handler = functools.partial(_Files, directory=str(WEB_DIR))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def run(file_server: str) -> Iterator[Run]:
    """``run("audio/jitter.js", body, argument)`` returns what the body of an async function returns
    that sees the module as ``m`` and the argument as ``a``, on a page of its own origin.
    """
    require(CHROMIUM, "Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(f"{file_server}/icon.svg")

        def call(module: str, body: str, argument: Any = None) -> Any:
            script = (
                "async ([url, a]) => { const m = await import(url); "
                f"return await (async () => {{ {body} }})(); }}"
            )
            return page.evaluate(script, [f"{file_server}/{module}", argument])

        yield call
        browser.close()
