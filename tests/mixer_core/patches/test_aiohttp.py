"""The headers of the answer that opens a WebSocket, against aiohttp's own server."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from mixer_core.patches.aiohttp import upgrade_headers

pytestmark = pytest.mark.sockets


async def serve(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    socket.headers["X-Simulated"] = "1"
    await socket.prepare(request)
    await socket.close()
    return socket


def test_the_headers_can_be_read() -> None:
    async def scenario() -> None:
        app = web.Application()
        app.router.add_get("/", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"http://127.0.0.1:{port}/") as socket,
        ):
            assert upgrade_headers(socket)["x-simulated"] == "1"
            assert "x-other" not in upgrade_headers(socket)
        await runner.cleanup()

    asyncio.run(scenario())
