"""A redirect ends an authenticated request: no key and no body goes to another server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from mixer_core.runtime.errors import UpstreamError
from openai_link.realtime.upstream import Upstream
from openai_link.settings import OpenaiLinkSettings
from openai_link.transcript.replay import Server, replay
from openai_link.transcript.replay_turns import RecordedResults
from openai_link.transport import http_call
from openai_link.transport.event_socket import EventSocket
from openai_link.transport.factory import open_http

pytestmark = pytest.mark.sockets

LOG = logging.LoggerAdapter(logging.getLogger("mixminus.test_redirects"), {})
KEY = "sk-of-a-test"
UPSTREAMS = {
    "api_key": {"ephemeral": False},
    "ephemeral": {"ephemeral": True},
    "azure": {"ephemeral": True, "azure": True},
}


@asynccontextmanager
async def serving(handler: object) -> AsyncIterator[str]:
    """The address of a server that answers everything with ``handler``."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def refused(way: str, status: int) -> tuple[UpstreamError | None, int]:
    """What a request ends with, and how many requests the other server got."""
    visits: list[str] = []

    async def other(request: web.Request) -> web.Response:
        visits.append(str(request.headers))
        return web.Response(status=201, text="v=0\r\n")

    async with serving(other) as elsewhere:

        async def first(request: web.Request) -> web.Response:
            assert KEY in str(request.headers)
            return web.Response(status=status, headers={"Location": f"{elsewhere}{request.path}"})

        async with serving(first) as base:
            upstream = Upstream("test", f"{base}/v1", KEY, **UPSTREAMS.get(way, UPSTREAMS["azure"]))
            async with open_http(upstream, OpenaiLinkSettings()) as http:
                error = await _failure(way, http, upstream)
    return error, len(visits)


async def _failure(
    way: str, http: aiohttp.ClientSession, upstream: Upstream
) -> UpstreamError | None:
    try:
        if way == "websocket":
            socket = EventSocket(http, lambda _: None, lambda _: None, lambda _: None)
            await socket.open(upstream.websocket_url, upstream.headers())
        elif way == "replay":
            server = Server(upstream.base_url, upstream.api_key)
            await replay(server, OpenaiLinkSettings(), [], RecordedResults([]))
        elif way == "hang_up":
            await http_call.hang_up(http, upstream, "rtc_1", LOG)
        else:
            await http_call.exchange(http, upstream, {}, "v=0\r\n")
    except UpstreamError as error:
        return error
    return None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("way", [*UPSTREAMS, "websocket", "replay"])
def test_a_redirect_is_an_error_that_says_so(way: str, status: int) -> None:
    error, visits = asyncio.run(refused(way, status))
    assert visits == 0
    assert error is not None and error.code == "redirected" and error.status == status
    assert "base_url" in str(error) and not error.retryable
    assert KEY not in str(error)


def test_hanging_up_follows_none_either() -> None:
    assert asyncio.run(refused("hang_up", 307)) == (None, 0)
