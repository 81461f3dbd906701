"""Status, headers and body of every refused request reach the room as one error."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mixer_core.runtime.errors import UpstreamError
from openai_link.realtime.upstream import Upstream
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.settings import SimulatorSettings
from openai_link.transcript.replay import Server, replay
from openai_link.transcript.replay_turns import RecordedResults
from openai_link.transport import http_call, refused_requests
from openai_link.transport.event_socket import EventSocket
from openai_link.transport.factory import open_http
from tests.openai_link.simulator.caller import simulator
from tests.openai_link.transport.stub_servers import KEY, LOG, OFFER, saying, serving, upstream
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

Request = Callable[[aiohttp.ClientSession, Upstream], Awaitable[object]]
SPOILT = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n"
"""An offer without credentials."""
QUOTA = {"error": {"code": "insufficient_quota", "message": "The quota is used up."}}


async def call(http: aiohttp.ClientSession, server: Upstream) -> object:
    return await http_call.exchange(http, server, {"type": "realtime"}, OFFER)


async def secret(http: aiohttp.ClientSession, server: Upstream) -> object:
    return await http_call.client_secret(http, server, {"type": "realtime"})


async def upgrade(http: aiohttp.ClientSession, server: Upstream) -> object:
    socket = EventSocket(http, lambda _: None, lambda _: None, lambda _: None)
    try:
        return await socket.open(server.websocket_url, server.headers())
    finally:
        await socket.close()


async def replayed(http: aiohttp.ClientSession, server: Upstream) -> object:
    settings = OpenaiLinkSettings()
    return await replay(Server(server.base_url, KEY), settings, [], RecordedResults([]))


REQUESTS = pytest.mark.parametrize("request_", [call, secret, upgrade, replayed])


def refusal(base: Any, request: Request) -> UpstreamError:
    """What ``request`` to the server ``base`` (a context with its address) ends with."""

    async def ask() -> UpstreamError:
        async with base as url:
            server = upstream(url)
            async with open_http(server, OpenaiLinkSettings()) as http:
                with pytest.raises(UpstreamError) as caught:
                    await request(http, server)
            return caught.value

    return asyncio.run(ask())


def answering(status: int, body: bytes, headers: dict[str, str]) -> Any:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return serving({"* /{path:.*}": answer})


@REQUESTS
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_the_body_and_the_headers_count(request_: Request, status: int) -> None:
    headers = {"Content-Type": "application/json", "Retry-After": "20"}
    error = refusal(answering(status, json.dumps(QUOTA).encode(), headers), request_)
    assert (error.code, error.status, str(error)) == (
        "insufficient_quota",
        status,
        "The quota is used up.",
    )
    assert error.retry_after_s == (20.0 if status in (429, 500, 503) else 0.0)
    assert not error.retryable


def raw(head: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 429 Too Many Requests\r\n{head}\r\n".encode() + body


BODY = json.dumps(QUOTA).encode()
PACKED = gzip.compress(BODY, mtime=0)
CHUNKED = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n\r\n"


@REQUESTS
@pytest.mark.parametrize(
    "answer",
    [
        raw(f"Content-Length: {len(BODY)}\r\n", BODY),
        raw("Transfer-Encoding: chunked\r\n", CHUNKED),
        raw("Connection: close\r\n", BODY),
        b"HTTP/1.0 429 No\r\n\r\n" + BODY,
        raw(f"Content-Encoding: gzip\r\nContent-Length: {len(PACKED)}\r\n", PACKED),
    ],
    ids=["length", "chunked", "until the end", "HTTP/1.0", "packed"],
)
def test_the_body_is_read_however_it_is_framed(request_: Request, answer: bytes) -> None:
    assert refusal(saying(answer), request_).code == "insufficient_quota"


@REQUESTS
@pytest.mark.parametrize(
    ("answer", "hold"),
    [
        (raw(f"Content-Length: {len(BODY) + 99}\r\n", BODY), False),
        (raw(f"Content-Length: {len(BODY) + 99}\r\n", BODY), True),
        (raw("Transfer-Encoding: chunked\r\n", b"ffff\r\n" + BODY), True),
        (raw(f"Content-Length: {10**9}\r\n", BODY[:-2] + b' , "more": "' + b"x" * 200_000), True),
    ],
    ids=["cut off", "never ends", "chunk never ends", "huge"],
)
def test_a_body_without_an_end_is_read_for_a_moment(
    request_: Request, answer: bytes, hold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_requests, "BODY_TIMEOUT_S", 0.3)
    error = refusal(saying(answer, hold), request_)
    assert (error.code, error.status) == ("insufficient_quota", 429)


@REQUESTS
def test_a_body_that_cannot_be_unpacked_is_as_good_as_none(request_: Request) -> None:
    damaged = raw("Content-Encoding: gzip\r\nContent-Length: 9\r\n", b"no gzip!!")
    error = refusal(saying(damaged), request_)
    assert (error.status, str(error)) == (429, "Too Many Requests")


@REQUESTS
def test_without_a_body_the_status_is_put_into_words(request_: Request) -> None:
    error = refusal(answering(503, b"", {}), request_)
    assert (error.code, str(error), error.retryable) == ("http_503", "Service Unavailable", True)
    assert not error.is_specific


@REQUESTS
def test_a_page_in_the_place_of_the_server_is_refused(request_: Request) -> None:
    error = refusal(answering(200, b"<html><body>Hello.</body></html>", {}), request_)
    assert error.code == "bad_answer"


def test_hanging_up_a_call_that_is_refused_is_logged_in_the_servers_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = {"error": {"code": "forbidden", "message": "Not yours."}}
    over = {"error": {"code": "call_id_not_found", "message": "No session found."}}
    caplog.set_level("INFO")

    async def hang_up(status: int, body: object) -> None:
        async with answering(status, json.dumps(body).encode(), {}) as url:
            server = upstream(url)
            async with open_http(server, OpenaiLinkSettings()) as http:
                await http_call.hang_up(http, server, "rtc_1", LOG)

    asyncio.run(hang_up(403, body))
    asyncio.run(hang_up(404, over))
    refused, ended = (record for record in caplog.records if "hang up" in record.message)
    assert refused.levelname == "WARNING" and "403 forbidden: Not yours." in refused.message
    assert ended.levelname == "INFO" and "404 call_id_not_found: No session" in ended.message


def test_a_websocket_that_is_closed_with_a_reason_ends_for_that_reason() -> None:
    async def close(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close(code=4000, message=b"invalid_request_error.insufficient_quota")
        return socket

    async def scenario() -> UpstreamError:
        ends: list[UpstreamError] = []
        async with serving({"GET /v1/realtime": close}) as url:
            server = upstream(url)
            async with open_http(server, OpenaiLinkSettings()) as http:
                socket = EventSocket(http, lambda _: None, lambda _: None, ends.append)
                await socket.open(server.websocket_url, server.headers())
                await until(lambda: ends, "the end is not told")
                await socket.close()
        return ends[0]

    error = asyncio.run(scenario())
    assert (error.code, error.retryable) == ("insufficient_quota", False)


@pytest.mark.parametrize("lenient", [False, True])
def test_a_tool_that_the_service_refuses_is_named_by_its_place(lenient: bool) -> None:
    """Over WebRTC, by the simulator's own HTTP."""
    bad = {"type": "object", "anyOf": [{"required": ["a"]}]}
    tools = [
        {"type": "function", "name": name, "parameters": schema}
        for name, schema in (("good", {"type": "object"}), ("bad", bad))
    ]

    async def ask() -> UpstreamError:
        session = {"type": "realtime", "model": "gpt-realtime", "tools": tools}
        async with simulator(SimulatorSettings(lenient=lenient)) as (url, _):
            server = upstream(url)
            async with open_http(server, OpenaiLinkSettings()) as http:
                with pytest.raises(UpstreamError) as caught:
                    await http_call.exchange(http, server, session, SPOILT)
        return caught.value

    error = asyncio.run(ask())
    if lenient:  # Then it gets as far as the offer.
        assert error.code == "invalid_offer"
        return
    assert (error.status, error.code) == (400, "invalid_function_parameters")
    assert error.param == "session.tools[1].parameters"


@REQUESTS
@pytest.mark.parametrize(
    "answer",
    [
        f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY,
        b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    ],
    ids=["length", "until the end"],
)
def test_an_error_that_is_sent_as_a_success_is_a_refusal(request_: Request, answer: bytes) -> None:
    error = refusal(saying(answer), request_)
    assert (error.code, error.kind, error.retryable) == ("insufficient_quota", "quota", False)
    assert "The quota is used up." in str(error)


@pytest.mark.parametrize("value", [None, "", 5, {"a": 1}, "ek_\r\nX: y", "ek_ü", "ek x"], ids=repr)
def test_a_client_secret_that_cannot_be_sent_is_a_refusal(value: Any) -> None:
    body = json.dumps({"value": value}).encode()
    error = refusal(answering(200, body, {"Content-Type": "application/json"}), secret)
    assert error.code == "bad_answer" and "client secret" in str(error)


def test_a_client_secret_in_something_too_deep_is_a_refusal() -> None:
    assert refusal(answering(200, b"[" * 100_000, {}), secret).code == "bad_answer"
