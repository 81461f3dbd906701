"""A room whose server takes calls as those of others do: fronts that refuse as they do, and beyond
them the real simulator. The link is real processes; the test plays signaling and mixer."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mixer_core.bus.control import Leave
from mixer_core.bus.control import encode as encode_control
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

KEY = "sk-of-the-proxy"
BenchType = Any
Refuse = Callable[[web.Request], web.Response | None]


def no(status: int, body: Any) -> web.Response:
    return web.json_response(body, status=status)


def litellm(request: web.Request) -> web.Response | None:
    """LiteLLM's proxy: calls belong to a client secret."""
    is_standard = request.headers.get("Authorization") == f"Bearer {KEY}"
    if request.path.endswith("/calls") and is_standard:
        message = "Authentication Error, Invalid proxy server token passed."
        return no(401, {"error": {"message": message, "type": "auth_error", "code": "401"}})
    return None


def speech_to_speech(request: web.Request) -> web.Response | None:
    """Hugging Face's speech-to-speech: bare SDP; it knows no secrets."""
    if request.path.endswith("/client_secrets"):
        return no(404, {"detail": "Not Found"})
    if request.path.endswith("/calls") and request.content_type != "application/sdp":
        return no(415, {"detail": "Content-Type must be application/sdp"})
    return None


def local_ai(request: web.Request) -> web.Response | None:
    """LocalAI: calls in a JSON of its own; errors are bare texts."""
    if request.path.endswith("/calls"):
        return no(400, {"error": "code=400, message=Syntax error: offset=1"})
    if request.path.endswith("/client_secrets"):
        return no(404, {"error": "code=404, message=Not Found"})
    return None


def nothing(request: web.Request) -> web.Response | None:
    """A key that the server does not take, by any way."""
    return no(401, {"error": {"message": f"Wrong key {KEY}.", "code": "invalid_api_key"}})


@contextmanager
def front(refuse: Refuse, behind: str) -> Iterator[tuple[str, list[str]]]:
    """A server in front of the one at ``behind``: its base URL, and the requests that it saw."""
    seen: list[str] = []
    ready, done = threading.Event(), asyncio.Event()
    place: dict[str, Any] = {}

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(f"{request.path.rpartition('/')[2]} {request.content_type}".split(";")[0])
        refused = refuse(request)
        if refused is not None:
            return refused
        async with aiohttp.ClientSession() as http:
            return await _forward(http, request, f"{behind}{request.path_qs.removeprefix('/v1')}")

    async def serve() -> None:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/v1/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        place["url"] = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        place["loop"] = asyncio.get_running_loop()
        ready.set()
        await done.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield place["url"], seen
    finally:
        place["loop"].call_soon_threadsafe(done.set)
        thread.join(PATIENCE_S)


async def _forward(
    http: aiohttp.ClientSession, request: web.Request, url: str
) -> web.StreamResponse:
    kept = ("Authorization", "Content-Type")
    headers = {name: request.headers[name] for name in kept if name in request.headers}
    if request.headers.get("Upgrade", "").lower() != "websocket":
        body = await request.read()
        async with http.request(request.method, url, data=body, headers=headers) as reply:
            passed = {k: v for k, v in reply.headers.items() if k in ("Location", "Content-Type")}
            return web.Response(status=reply.status, body=await reply.read(), headers=passed)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async with http.ws_connect(url, headers=headers) as beyond:
        jobs = {
            asyncio.ensure_future(job) for job in (_pump(socket, beyond), _pump(beyond, socket))
        }
        _, waiting = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        for job in waiting:
            job.cancel()
    return socket


async def _pump(source: Any, target: Any) -> None:
    send: Callable[[str], Awaitable[None]] = target.send_str
    async for message in source:
        await send(message.data)


def start(bench: BenchType, url: str) -> str:
    """A room whose server is at ``url``; returns its link."""
    bench.host(
        OPENAI_API_KEY=KEY,
        MIXMINUS_OPENAI_LINK__UPSTREAM="openai",
        MIXMINUS_OPENAI_LINK__BASE_URL=url,
        MIXMINUS_OPENAI_LINK__RETRY_DELAY_MS="200",
    )
    return enter(bench)


def enter(bench: BenchType) -> str:
    """The room on an idle link, with somebody in it; returns the link."""
    bench.starts.clear()
    link: str = bench.open()
    bench.roster("p-1")
    return link


def leave(bench: BenchType, link: str) -> None:
    """Close the room."""
    bench.router.send_multipart([link.encode(), encode_control(Leave(""))])
    bench.until(lambda: link not in bench.states)


@pytest.mark.parametrize(
    ("refuse", "requests", "transport"),
    [
        (litellm, ["calls", "calls", "client_secrets", "calls"], "webrtc"),
        (speech_to_speech, ["calls", "calls"], "webrtc"),
        (local_ai, ["calls", "calls", "client_secrets", "realtime"], "websocket"),
    ],
)
def test_with_the_defaults_a_way_is_found_and_the_room_talks(
    bench: BenchType, refuse: Refuse, requests: list[str], transport: str
) -> None:
    bench.simulator()
    with front(refuse, f"http://127.0.0.1:{bench.port}/v1") as (url, seen):
        link = start(bench, url)
        bench.until_status(link, "ready")
        assert [request.split(" ")[0] for request in seen] == requests
        assert f"connected by {transport}" in bench.log
        bench.event({"type": "say", "participant": "p-1", "stream": 7, "text": "Hello there."})
        bench.until(
            lambda: [e for e in bench.events_of("caption") if e["final"] and "Hello" in e["text"]]
        )
        bench.until(lambda: bench.heard())
        (kept,) = bench.dir.glob("openai_link.reached")
        learnt = json.loads(kept.read_text())
        assert learnt["base_url"] == url
        assert bool(learnt["way"]) == (transport == "webrtc")
        assert bool(learnt["websocket_until_ns"]) == (transport == "websocket")
        bench.close()


def test_where_no_way_works_the_servers_words_are_told_once_and_no_key(bench: BenchType) -> None:
    with front(nothing, "http://127.0.0.1:9/v1") as (url, seen):
        link = start(bench, url)
        state = bench.until_status(link, "failed")
        assert [request.split(" ")[0] for request in seen] == [
            *("calls", "calls", "client_secrets", "realtime")
        ]
        assert "401 invalid_api_key" in state.detail
        bench.until(lambda: bench.events_of("error"))
        assert KEY not in str(bench.all_events()) and "{" not in state.detail
        bench.close()


REFUSED_UPGRADES: list[tuple[int, dict[str, str], dict[str, str], str]] = [
    (
        429,
        {"code": "insufficient_quota", "message": "You exceeded your current quota."},
        {},
        "its quota is used up (429 insufficient_quota): You exceeded your current quota.",
    ),
    (
        403,
        {"code": "unsupported_country_region_territory", "message": "Region not supported"},
        {},
        "does not serve this region (403 unsupported_country_region_territory): Region not",
    ),
    (
        400,
        {"code": "invalid_model", "param": "model", "message": "No model gpt-x."},
        {},
        "does not take the model (400 invalid_model): No model gpt-x.",
    ),
    (
        429,
        {"code": "rate_limit_exceeded", "message": "Try again in 99s."},
        {"Retry-After": "2"},
        "too many requests (429 rate_limit_exceeded): Try again in 99s. Trying again in 2 s",
    ),
]


def test_a_refused_upgrade_is_told_in_the_servers_words_and_not_asked_for_ever(
    bench: BenchType,
) -> None:
    """Each refusal in turn, to a room that is opened for it."""
    times: list[float] = []
    refusal: dict[str, Any] = {}

    def refuse(_: web.Request) -> web.Response:
        times.append(time.monotonic())
        return web.json_response(**refusal)

    bench.settings["MIXMINUS_OPENAI_LINK__TRANSPORT"] = "websocket"
    with front(refuse, "http://127.0.0.1:9/v1") as (url, _):
        link = ""
        for status, error, headers, words in REFUSED_UPGRADES:
            times.clear()
            refusal |= {"data": {"error": error}, "status": status, "headers": headers}
            link = enter(bench) if link else start(bench, url)
            bench.until(lambda link=link, words=words: words in bench.state(link).detail)
            if headers:
                bench.until(lambda: len(times) > 1)
                assert times[1] - times[0] >= 2
            else:
                bench.pump(time.monotonic() + 1.5)
                assert len(times) == 1 and bench.state(link).status == "failed"
            leave(bench, link)
        bench.close()
