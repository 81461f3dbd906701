"""Clients that never finish: a request head, a TLS handshake, a body, reading an answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from signaling.http import listeners, requests
from tests.signaling.edge import Edge, asynchronous, running
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.sockets
SHORT_S = 0.3


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "HEADERS_TIMEOUT_S", SHORT_S)
    monkeypatch.setattr(listeners, "LINGER_S", SHORT_S)
    monkeypatch.setattr(requests, "BODY_TIMEOUT_S", SHORT_S)


BEGINNINGS = {
    "nothing": b"",
    "half a line": b"GET / HT",
    "half a head": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
    "a second request": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HT",
    "half a body": b"POST /session HTTP/1.1\r\nHost: localhost\r\n"
    b'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"token":',
    "a body where none belongs": b"GET /rooms HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: 99999999\r\n\r\nxx",
    "a chunk without end": b"POST /session HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nx",
}


async def until_closed(edge: Edge, beginning: bytes, drip: bytes) -> bytes:
    """Send ``drip`` again and again; what came back until the gateway closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(beginning)

    async def dripping() -> None:
        while True:
            await asyncio.sleep(SHORT_S / 6)
            writer.write(drip)

    task = asyncio.create_task(dripping())
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        task.cancel()
        writer.close()


@pytest.mark.parametrize("drip", [b"", b"x"], ids=["silent", "dripping"])
@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=list(BEGINNINGS))
@asynchronous
async def test_a_client_that_never_finishes_is_closed(
    short_dir: Path, beginning: bytes, drip: bytes
) -> None:
    async with running(short_dir) as edge:
        await until_closed(edge, beginning, drip)
        assert (await edge.request("GET", "/healthz")).status == 200
