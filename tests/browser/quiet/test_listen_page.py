"""The page for listeners against a server that lets somebody in and has no room for them."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from signaling.http.lan_pages import FOLDER, SHARED
from signaling.http.pages import MIME_TYPES, WEB_DIR
from tests.browser.support import until

pytestmark = pytest.mark.browser


class _Server(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        file = WEB_DIR / SHARED[name] if name in SHARED else FOLDER / name
        file = FOLDER / "listen.html" if name == "listen" else file
        self._answer(200, MIME_TYPES[file.suffix], file.read_bytes())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append(self.path)
        is_session = self.path == "/listen/session"
        content = {"session": "one"} if is_session else {"detail": "there is no room"}
        body = json.dumps(content).encode()
        self._answer(200 if is_session else 403, "application/json", body)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def served() -> Iterator[tuple[str, list[str]]]:
    """The page's address, and what it asks for."""
    asked: list[str] = []
    handler = type("Server", (_Server,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/listen", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_second_click_uses_up_no_invitation(open_browser: Callable[..., Any]) -> None:
    with served() as (url, asked):
        page = open_browser(None).new_context().new_page()
        page.goto(f"{url}#invite=token")
        page.evaluate(
            "() => { const f = document.forms[0]; f.requestSubmit(); f.requestSubmit(); }"
        )
        said = "() => document.getElementById('problem').innerText.includes('There is no room')"
        until(page, said, "the page does not say that it was refused")
        assert asked == ["/listen/session", "/listen/rooms/home/participants"]
        with page.expect_response("**/listen/session"):
            page.evaluate("() => document.forms[0].requestSubmit()")
