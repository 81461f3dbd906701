"""A server that keeps its WebSocket alive and says nothing, with the real link and real sockets."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.gateway import free_port
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

BenchType = Any
FAST = {
    "MIXMINUS_OPENAI_LINK__TRANSPORT": "websocket",
    "MIXMINUS_OPENAI_LINK__ANSWER_TIMEOUT_MS": "2500",
    "MIXMINUS_OPENAI_LINK__RETRY_DELAY_MS": "200",
    "MIXMINUS_OPENAI_LINK__MAX_RETRIES": "8",
    "MIXMINUS_OPENAI_LINK__GREET": "false",
}


class Freezer:
    """A proxy: after its first ``response.done`` the first connection brings no text any more.

    It answers pings all the same.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.connections = 0

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        self.connections += 1
        is_first, is_frozen = self.connections == 1, False
        near = web.WebSocketResponse(max_msg_size=0)
        await near.prepare(request)
        async with aiohttp.ClientSession() as client:
            address = f"{self._upstream}{request.path_qs}"
            headers = {"Authorization": request.headers.get("Authorization", "")}
            async with client.ws_connect(address, headers=headers, max_msg_size=0) as far:
                sends = asyncio.create_task(_pump(near, far))
                async for message in far:
                    if not is_frozen:
                        await near.send_str(message.data)
                    kind = json.loads(message.data)["type"]
                    is_frozen = is_frozen or (is_first and kind == "response.done")
                sends.cancel()
        return near


async def _pump(near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> None:
    async for message in near:
        await far.send_str(message.data)
    await far.close()


@contextmanager
def frozen(upstream_port: int) -> Iterator[tuple[Freezer, int]]:
    """The proxy in a thread, and its port."""
    freezer, port = Freezer(f"http://127.0.0.1:{upstream_port}"), free_port()
    loop = asyncio.new_event_loop()
    application = web.Application()
    application.router.add_get("/v1/realtime", freezer.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.5)

    async def serve() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()

    loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield freezer, port
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


def say(bench: BenchType, text: str) -> None:
    bench.event({"type": "say", "text": text, "participant": "p-1", "name": "Ada", "stream": 7})


def answers(bench: BenchType) -> list[str]:
    captions = bench.events_of("caption")
    return [e["text"] for e in captions if e["final"] and e["speaker"] == "assistant"]


def test_it_is_left_and_the_last_question_is_answered(bench: BenchType) -> None:
    bench.settings.update(FAST)
    bench.simulator()
    with frozen(bench.port) as (freezer, port):
        bench.host(MIXMINUS_SIMULATOR__HTTP_PORT=str(port))
        link = bench.open()
        bench.roster("p-1")
        bench.until_status(link, "ready")
        say(bench, "Good morning.")
        bench.until(lambda: len(answers(bench)) == 1)
        say(bench, "Are you still there?")
        bench.until(lambda: len(answers(bench)) == 2)
        assert freezer.connections == 2 and "Are you still there?" in answers(bench)[-1]
        details = [event["detail"] for event in bench.events_of("state")]
        assert any("does not answer" in detail for detail in details)
        bench.until(lambda: bench.events_of("state")[-1]["upstream"] == "ready")
