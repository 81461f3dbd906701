"""HTTP on the public port: raw bytes on a connection to the real application."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import socket
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import Any

from mixer_core.runtime.settings import RuntimeSettings
from signaling.settings import Settings, SignalingSettings
from tests.fuzz.border import Border
from tests.signaling.edge import SDP, Edge

TOKEN = "correct-horse-battery-staple"
MOST_ANSWER = 2 << 20
MOST_LINES = 4
"""Lines of the log for one connection."""
WAIT_S = 60.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: no port waits after a connection."""


class _Site:
    """The application, its loop, and what goes wrong in them."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mm-", dir="/tmp"))
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._failed)
        self.failures: list[str] = []
        self.lines: list[logging.LogRecord] = []
        handler = logging.Handler()
        handler.emit = self.lines.append  # type: ignore[method-assign]
        logging.getLogger().addHandler(handler)
        logging.getLogger("mixminus").addHandler(handler)
        free = dict.fromkeys(
            ("max_offers_per_minute", "max_wrong_tokens_per_minute", "max_pending_per_address"), 0
        )
        section = replace(
            SignalingSettings(), answer_timeout_ms=1, trusted_proxies="127.0.0.1", **free
        )
        runtime = RuntimeSettings(str(self.folder), str(self.folder / "state"))
        self.edge = Edge(self.folder, Settings(runtime, section), {"MIXMINUS_TOKEN": TOKEN})
        self.loop.run_until_complete(self.edge.start())

    def _failed(self, _: Any, context: dict[str, Any]) -> None:
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    def close(self) -> None:
        """Stop as the service does."""
        self.loop.run_until_complete(self.edge.stop())
        self.edge.context.destroy(linger=0)
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)


_site: _Site | None = None


def site() -> _Site:
    """Started at the first attempt."""
    global _site
    if _site is None:
        _site = _Site()
    return _site


def close() -> None:
    """Stop it, if it runs."""
    global _site
    if _site is not None:
        _site.close()
        _site = None


def attempt(data: bytes) -> None:
    """Each answer is in words, none is a fault of ours; the connection ends with the client."""
    here = site()
    here.failures.clear()
    here.lines.clear()
    answer = here.loop.run_until_complete(_asked(here.edge.port, data))
    assert not here.failures, here.failures
    worst = [line.getMessage() for line in here.lines if line.levelno >= logging.ERROR]
    assert not worst, worst
    assert len(here.lines) <= MOST_LINES, [line.getMessage() for line in here.lines]
    _check(answer)


async def _asked(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=MOST_ANSWER)
    raw = writer.get_extra_info("socket")
    try:
        async with asyncio.timeout(WAIT_S):
            writer.write(data)
            writer.write_eof()
            answer = b""
            while part := await reader.read(65_536):
                answer += part
                assert len(answer) <= MOST_ANSWER
            return answer
    except ConnectionError:
        return b""
    finally:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()


class _Bytes:
    """What http.client takes for a socket."""

    def __init__(self, file: BytesIO) -> None:
        self._file = file

    def makefile(self, *_: Any) -> BytesIO:
        return self._file


def _check(answer: bytes) -> None:
    """Whole responses, one behind the other."""
    file = BytesIO(answer)
    file.close = lambda: None  # type: ignore[method-assign]
    while file.tell() < len(answer):
        if answer[file.tell() :].startswith(b"HTTP/1.1 100"):
            file.seek(answer.index(b"\r\n\r\n", file.tell()) + 4)
            continue
        response = HTTPResponse(_Bytes(file))  # type: ignore[arg-type]
        response.begin()
        start = file.tell()
        length = int(response.headers.get("Content-Length", 0))
        body = answer[start : start + length]
        _check_one(response.status, dict(response.headers), body)
        if len(body) < length:  # HEAD, or the client has gone.
            return
        file.seek(start + length)


def _check_one(status: int, headers: dict[str, str], body: bytes) -> None:
    assert status < 500 or status == 503, (status, body)
    if status == 503:
        assert headers.get("Retry-After") or b"not ready" in body or b"missing" in body, body
    assert headers.get("X-Content-Type-Options") == "nosniff" or status < 200, headers
    kind = headers.get("Content-Type", "")
    if status >= 400 and kind.startswith("application/problem+json") and body:
        content = json.loads(body)
        assert content["detail"] and content["title"] and content["status"] == status
    elif status >= 400 and body:
        assert status == 503 and "json" in kind, (status, kind, body[:200])


def _seeds() -> Iterator[bytes]:
    def ask(line: str, headers: str = "", body: str = "", kind: str = "application/json") -> bytes:
        head = f"{line} HTTP/1.1\r\nHost: localhost\r\n{headers}"
        if body:
            head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        return f"{head}\r\n{body}".encode()

    bearer = f"Authorization: Bearer {TOKEN}\r\n"
    for path in (
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/rooms",
        "/rooms/den",
        "/ice",
        "/web/x.js",
    ):
        yield ask(f"GET {path}", bearer)
    yield ask(
        "POST /rooms/den/participants?name=Ada&mode=conference", bearer, SDP, "application/sdp"
    )
    yield ask("POST /rooms/den/participants", bearer, json.dumps({"sdp": SDP, "type": "offer"}))
    yield ask("DELETE /rooms/den/participants/p-1.secret", bearer)
    yield ask(
        "GET /rooms/den/transcript?limit=5&after=0&format=text", bearer + "Accept: text/plain\r\n"
    )
    invitation = {"name": "Ada", "role": "speak", "lifetime_s": 600}
    yield ask("GET /rooms/den/conversation?format=vtt&limit=5", bearer)
    yield ask("GET /rooms/den/conversations?limit=5&before=9", bearer)
    yield ask("GET /rooms/den/conversations/1?format=srt", bearer)
    yield ask("GET /rooms/den/search?q=birthday+%25cake&limit=5", bearer)
    yield ask("DELETE /rooms/den/conversations/1", bearer)
    yield ask("POST /rooms/den/invitations", bearer, json.dumps(invitation))
    yield ask("POST /session", "", json.dumps({"token": TOKEN}))
    yield ask(
        "PATCH /rooms/den", bearer, json.dumps({"mode": "conference", "rules": {"locked": True}})
    )
    yield ask("POST /rooms/den/participants/p-1/mute", bearer, '{"muted":true}')
    yield ask("GET /rooms") + ask("GET /healthz", bearer) + ask("OPTIONS *")
    yield b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    yield ask(
        "GET /rooms", "Upgrade: websocket\r\nConnection: upgrade\r\nX-Forwarded-For: 1.2.3.4\r\n"
    )


BORDERS = (
    Border(
        "http",
        "HTTP on the public port, as raw bytes",
        "an answer in words below 500 (503 says when to come again), nothing in the log as an "
        "error, few lines a connection, no exception in the loop, the end when the client ends",
        attempt,
        _seeds,
        (
            *("signaling.http.requests", "signaling.http.problems", "signaling.http.room_routes"),
            *("signaling.http.access_routes", "signaling.http.operation_routes"),
            *("signaling.http.transcript_pages", "signaling.http.forwarded", "signaling.http.api"),
            *("signaling.access.gate", "signaling.http.pages", "signaling.registry.names"),
        ),
        tokens=(
            *(
                b"\r\n",
                b"\r\n\r\n",
                b" HTTP/1.1\r\n",
                b"Host: ",
                b"Content-Length: ",
                b"%00",
                b"%FF",
            ),
            *(
                b"Transfer-Encoding: chunked\r\n",
                b"Expect: 100-continue\r\n",
                b"Range: bytes=0-1\r\n",
            ),
            *(b"Content-Encoding: gzip\r\n", b"Cookie: mixminus=", b"X-Forwarded-For: ", b"../"),
            *(
                b"?token=",
                b"Mixminus-Replaces: ",
                b"If-None-Match: *\r\n",
                b"Accept: text/plain\r\n",
            ),
            *(b"Content-Type: application/sdp\r\n", b"Authorization: Bearer ", b"Origin: null\r\n"),
        ),
        most_bytes=3_000,
        short=120,
        needs_sockets=True,
    ),
)
