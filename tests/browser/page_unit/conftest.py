"""The page's own modules, loaded by a real Chromium from a plain file server."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from signaling.http.pages import WEB_DIR
from tests.browser.conftest import CHROMIUM, FLAGS, require

Run = Callable[..., Any]
BLANK = "icon.svg"
"""A document of the same origin that runs nothing."""


class _Files(SimpleHTTPRequestHandler):
    """Silent, and sure of what a module's type is."""

    extensions_map = {  # noqa: RUF012 - the base class declares it so
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
    }

    def translate_path(self, path: str) -> str:
        """The page's own document says ``web/``, as the gateway does."""
        return super().translate_path(path.removeprefix("/web"))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Chromium:
    """One browser for all tests, in a thread of its own.

    Playwright keeps an event loop running in the thread that uses it; the other tests of a session
    need that of the main thread.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self.do(self._open)

    def do(self, work: Callable[[], Any]) -> Any:
        """What ``work()`` returns, done in the browser's thread."""
        return self._thread.submit(work).result()

    def page(self, world: Path | None) -> Any:
        """A new page in a context of its own; see ``_Page``."""
        page = self._browser.new_page()
        if world is not None:
            page.add_init_script(path=world)
        return page

    def close(self) -> None:
        """Close the browser."""
        self.do(self._close)
        self._thread.shutdown()

    def _open(self) -> None:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

    def _close(self) -> None:
        self._browser.close()
        self._playwright.stop()


class _Page:
    """One page for all tests that want such a one."""

    def __init__(self, chromium: _Chromium, origin: str, world: Path | None = None) -> None:
        """``world``: a script that runs before everything else in each document."""
        self._chromium = chromium
        self._origin = origin
        self._page = chromium.do(lambda: chromium.page(world))
        self.renew()

    def run(self, module: str, body: str, argument: Any = None) -> Any:
        """What the body of an async function returns; it sees the module ``m`` and ``a``."""
        script = (
            "async ([url, a]) => { const m = await import(url); "
            f"return await (async () => {{ {body} }})(); }}"
        )
        arguments = [f"{self._origin}/{module}", argument]
        return self._chromium.do(lambda: self._page.evaluate(script, arguments))

    def renew(self, path: str = BLANK) -> None:
        """Begin with a new document."""
        self._chromium.do(lambda: self._page.goto(f"{self._origin}/{path}"))


@pytest.fixture(scope="session")
def file_server() -> Iterator[str]:
    """Base URL of a server of signaling/web on a free port."""
    handler = functools.partial(_Files, directory=str(WEB_DIR))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def chromium() -> Iterator[_Chromium]:
    """The browser of all pages."""
    require(CHROMIUM, "Chromium is not installed")
    made = _Chromium()
    yield made
    made.close()


@pytest.fixture(scope="session")
def run(chromium: _Chromium, file_server: str) -> Run:
    """``run("audio/jitter.js", body, argument)``: see ``_Page.run``."""
    return _Page(chromium, file_server).run


@pytest.fixture(scope="session")
def world_page(chromium: _Chromium, file_server: str) -> _Page:
    """A page whose browser and gateway are those of ``world.js``."""
    return _Page(chromium, file_server, Path(__file__).with_name("world.js"))


@pytest.fixture
def world(world_page: _Page) -> Callable[..., Any]:
    """``world(body, argument)``: what the body returns in a new document that has ``world``."""
    world_page.renew()
    return functools.partial(world_page.run, "session/session.js")


@pytest.fixture
def whole(world_page: _Page) -> Callable[..., Any]:
    """``whole(body, argument)``: the same in the gateway's whole page."""
    world_page.renew("index.html?worker=0")
    return functools.partial(world_page.run, "web/client.js")
