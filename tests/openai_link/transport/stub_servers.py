"""Small servers that refuse and answer as others do, on loopback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from openai_link.realtime.upstream import Upstream

LOG = logging.LoggerAdapter(logging.getLogger("mixminus.test_transport"), {})
KEY = "sk-of-a-test"
ANSWER = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
OFFER = "v=0\r\n"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(routes: Mapping[str, Handler]) -> AsyncIterator[str]:
    """The base URL, with ``/v1``, of a server with these routes (``"POST /v1/…"``)."""
    app = web.Application()
    for route, handler in routes.items():
        method, path = route.split(" ")
        app.router.add_route(method, path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def saying(answer: bytes, hold: bool = False) -> AsyncIterator[str]:
    """The base URL of a server that says these bytes to every request, and ends or is silent."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if hold:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


def upstream(base_url: str, **more: object) -> Upstream:
    """A compatible server at that address."""
    return Upstream("stub", base_url, KEY, **{"ephemeral": False, **more})  # type: ignore[arg-type]
