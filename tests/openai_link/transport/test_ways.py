"""Servers of others, that take calls in another way than the service: a way is found and kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from mixer_core.runtime.errors import UpstreamError
from openai_link.realtime.upstream import Upstream
from openai_link.settings import OpenaiLinkSettings
from openai_link.transport import http_call
from openai_link.transport.factory import open_http
from openai_link.transport.ways import Ways
from tests.openai_link.transport.stub_servers import (
    ANSWER,
    KEY,
    OFFER,
    Handler,
    serving,
    upstream,
)

pytestmark = pytest.mark.sockets

SESSION = {"type": "realtime", "model": "m"}
SECRET = "ek_of_a_test"
CALLS, SECRETS = "POST /v1/realtime/calls", "POST /v1/realtime/client_secrets"


def no(status: int, body: Any) -> web.Response:
    if isinstance(body, str):
        return web.Response(status=status, text=body)
    return web.json_response(body, status=status)


async def secret(request: web.Request) -> web.Response:
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert (await request.json())["session"] == SESSION
    return web.json_response({"value": SECRET, "expires_at": 0})


async def litellm_calls(request: web.Request) -> web.Response:
    """A key of the proxy is no token of a session."""
    if request.headers["Authorization"] == f"Bearer {SECRET}":
        return web.Response(status=201, text=ANSWER)
    message = "Authentication Error, Invalid proxy server token passed."
    return no(401, {"error": {"message": message, "type": "auth_error", "code": "401"}})


async def sdp_only(request: web.Request) -> web.Response:
    if request.content_type != "application/sdp":
        return no(415, {"detail": "Content-Type must be application/sdp"})
    assert await request.text() == OFFER and request.query["model"] == "m"
    return web.Response(text=ANSWER)


async def json_only(request: web.Request) -> web.Response:
    return no(400, {"error": "code=400, message=Syntax error: offset=1"})


async def wants_fields(request: web.Request) -> web.Response:
    if request.content_type == "application/sdp":
        return web.Response(status=201, text=ANSWER)
    return no(422, {"detail": [{"loc": ["body", "offer"], "msg": "Field required"}]})


async def crashes_on_forms(request: web.Request) -> web.Response:
    """It has no multipart; its error handler is no better."""
    if request.content_type == "multipart/form-data":
        return no(400, "multipart is not installed")
    if request.headers["Authorization"] == f"Bearer {SECRET}":
        return web.Response(status=201, text=ANSWER)
    return no(500, "<html><title>500</title></html>")


async def front_page(request: web.Request) -> web.Response:
    """A page for whatever it does not know, with 200."""
    if request.headers["Authorization"] == f"Bearer {SECRET}":
        return web.Response(status=201, text=ANSWER)
    return web.Response(text="<!doctype html><title>Home</title>", content_type="text/html")


@dataclass
class Seen:
    """What a server was asked."""

    requests: list[str] = field(default_factory=list)

    def watched(self, name: str, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.requests.append(name)
            return await handler(request)

        return handle


@asynccontextmanager
async def server(routes: Mapping[str, Handler]) -> AsyncIterator[tuple[Upstream, Seen]]:
    seen = Seen()
    watched = {
        route: seen.watched(route.rpartition("/")[2], handler) for route, handler in routes.items()
    }
    async with serving(watched) as url:
        yield upstream(url, model="m"), seen


async def place(upstream: Upstream, ways: Ways) -> http_call.Answer:
    async with open_http(upstream, OpenaiLinkSettings()) as http:
        return await http_call.exchange(http, upstream, SESSION, OFFER, ways)


@pytest.mark.parametrize(
    ("routes", "way", "first", "again"),
    [
        (
            {CALLS: litellm_calls, SECRETS: secret},
            "ephemeral",
            ["calls", "calls", "client_secrets", "calls"],
            ["client_secrets", "calls"],
        ),
        ({CALLS: sdp_only}, "bare", ["calls", "calls"], ["calls"]),
        ({CALLS: wants_fields}, "bare", ["calls", "calls"], ["calls"]),
        (
            {CALLS: crashes_on_forms, SECRETS: secret},
            "ephemeral",
            ["calls", "calls", "client_secrets", "calls"],
            ["client_secrets", "calls"],
        ),
        (
            {CALLS: front_page, SECRETS: secret},
            "ephemeral",
            ["calls", "calls", "client_secrets", "calls"],
            ["client_secrets", "calls"],
        ),
    ],
    ids=["LiteLLM", "speech-to-speech", "FastAPI", "crash", "front page"],
)
def test_the_way_that_works_is_found_and_kept(
    routes: Mapping[str, Handler], way: str, first: list[str], again: list[str]
) -> None:
    async def scenario() -> None:
        async with server(routes) as (upstream, seen):
            ways = Ways(upstream, "auto")
            answer = await place(upstream, ways)
            assert answer.sdp == ANSWER and answer.knows_session == (way != "bare")
            assert (seen.requests, ways.known) == (first, way)
            seen.requests.clear()
            await place(upstream, ways)
            assert seen.requests == again
            seen.requests.clear()
            await place(upstream, Ways(upstream, "auto", ways.known))
            assert seen.requests == again, "another room has learnt it"

    asyncio.run(scenario())


NOTHING: Mapping[str, Handler] = {}


@pytest.mark.parametrize(
    ("routes", "code", "words"),
    [
        ({CALLS: json_only}, "http_400", "code=400, message=Syntax error: offset=1"),
        ({CALLS: litellm_calls}, "auth_error", "Authentication Error, Invalid proxy server"),
        (NOTHING, "http_404", "404: Not Found"),
    ],
    ids=["LocalAI", "LiteLLM without secrets", "nothing there"],
)
def test_where_no_call_is_taken_the_websocket_is_left_and_the_best_words(
    routes: Mapping[str, Handler], code: str, words: str
) -> None:
    async def scenario() -> None:
        async with server(routes) as (upstream, _):
            with pytest.raises(UpstreamError, match=words) as caught:
                await place(upstream, Ways(upstream, "auto"))
            assert caught.value.code == code and caught.value.other_way

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "rate_limit_exceeded"),
        (429, "insufficient_quota"),
        (400, "insufficient_quota"),
        (403, "unsupported_country_region_territory"),
        (500, "server_error"),
        (503, "overloaded"),
    ],
)
def test_what_every_way_would_meet_ends_the_search(status: int, code: str) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return no(status, {"error": {"code": code, "message": "No."}})

    async def scenario() -> None:
        async with server({CALLS: refuse, SECRETS: secret}) as (upstream, seen):
            with pytest.raises(UpstreamError) as caught:
                await place(upstream, Ways(upstream, "auto"))
            assert (caught.value.code, seen.requests) == (code, ["calls"])
            assert not caught.value.other_way

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "transport"), [("openai", "auto"), ("simulator", "auto"), ("stub", "webrtc")]
)
def test_elsewhere_a_refusal_is_the_end(name: str, transport: str) -> None:
    known = Upstream(name, "http://127.0.0.1:9/v1", KEY, False)
    ways = Ways(known, transport, "bare")
    assert ways.order() == ["form"] and ways.known == ""
    error = UpstreamError("http_415", "No.", 415)
    assert not ways.is_other(error) and not ways.all_refused([error]).other_way


def test_the_settings_say_which_way_is_first() -> None:
    def order(**more: Any) -> list[str]:
        return list(Ways(upstream("http://127.0.0.1:9/v1", **more), "auto").order())

    assert order() == ["form", "bare", "ephemeral"]
    assert order(bare=True) == ["bare", "form", "ephemeral"]
    assert order(ephemeral=True) == ["ephemeral", "form", "bare"]
    assert order(ephemeral=True, azure=True) == ["ephemeral"]


def test_a_way_that_works_no_longer_is_forgotten() -> None:
    ways = Ways(upstream("http://127.0.0.1:9/v1"), "auto", "ephemeral")
    assert ways.order() == ["ephemeral", "form", "bare"]
    ways.all_refused([UpstreamError("http_404", "No.", 404)])
    assert ways.order() == ["form", "bare", "ephemeral"]
    ways.worked("form")
    assert ways.known == "", "nothing to remember: the settings say so"


def test_an_attempt_that_ends_in_between_is_taken_up_again() -> None:
    ways = Ways(upstream("http://127.0.0.1:9/v1"), "auto")
    ways.refused("form")
    assert ways.order() == ["bare", "ephemeral", "form"]
    ways.worked("bare")
    assert ways.order() == ["bare", "form", "ephemeral"]


def test_a_secret_lives_as_long_as_the_settings_say() -> None:
    bodies: list[Any] = []

    async def secrets(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.json_response({"value": SECRET})

    async def scenario() -> None:
        async with serving({SECRETS: secrets}) as url:
            for lifetime_s in (0, 60):
                asked = upstream(url, secret_lifetime_s=lifetime_s)
                async with open_http(asked, OpenaiLinkSettings()) as http:
                    assert await http_call.client_secret(http, asked, SESSION) == SECRET

    asyncio.run(scenario())
    assert [body.get("expires_after") for body in bodies] == [
        None,
        {"anchor": "created_at", "seconds": 60},
    ]


def test_every_request_has_the_headers_of_the_settings() -> None:
    seen: dict[str, str | None] = {}

    async def note(request: web.Request) -> web.StreamResponse:
        seen[request.path.rpartition("/")[2]] = request.headers.get("X-House")
        return no(500, "no")

    async def scenario() -> None:
        async with serving({"* /{path:.*}": note}) as url:
            asked = upstream(url, extra_headers=(("X-House", "den"),))
            async with open_http(asked, OpenaiLinkSettings()) as http:
                for request in (
                    http_call.exchange(http, asked, SESSION, OFFER),
                    http_call.client_secret(http, asked, SESSION),
                    http.ws_connect(asked.websocket_url, headers=asked.headers()),
                ):
                    with pytest.raises(UpstreamError):
                        await request

    asyncio.run(scenario())
    assert seen == {"calls": "den", "client_secrets": "den", "realtime": "den"}
