"""A server that sends more than a conversation has is left; what it does wrong is one line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.metrics import Histogram
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.realtime.problems import explain
from openai_link.settings import OpenaiLinkSettings
from openai_link.transport import inflow as inflow_module
from openai_link.transport.factory import make_transport, open_http
from openai_link.transport.inflow import (
    BYTES_AT_ONCE,
    FLOODED,
    MESSAGES_AT_ONCE,
    MESSAGES_PER_S,
    Inflow,
)
from openai_link.transport.interface import Callbacks
from tests.openai_link.transport.stub_servers import LOG, serving, upstream
from tests.support.waiting import until


def refused_after(size_bytes: int, every_ns: int, limit: int) -> int:
    """How many messages of that size, at that rate, are taken at most."""
    inflow = Inflow()
    for number in range(limit):
        error = inflow.refusal(size_bytes, number * every_ns)
        if error is not None:
            assert error.code == FLOODED and error.retryable
            return number
    return limit


def test_a_conversation_is_never_too_much() -> None:
    assert refused_after(20_000, 20 * MS_NS, 100_000) == 100_000, "half an hour of fast replies"
    assert refused_after(500, 0, 5_000) == 5_000, "the answers to a long history"


def test_a_flood_of_messages_or_of_bytes_is() -> None:
    assert refused_after(100, MS_NS // 10, 100_000) < MESSAGES_AT_ONCE + 2 * MESSAGES_PER_S * 3
    assert refused_after(4 << 20, MS_NS, 100_000) <= BYTES_AT_ONCE // (4 << 20) + 2


def test_people_are_told_what_ends_the_call() -> None:
    error = Inflow().refusal(0, 0) or UpstreamError(FLOODED, "more than 500 events a second came")
    problem = explain(error, upstream("http://stub.example/v1"))
    assert problem.retryable and "sends more than a conversation has" in problem.message


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("no event", 1),
        ("[" * 5_000, 1),
        ('{"type": "response.output_audio.delta", "delta": "A"}', 1),
        ('{"type": "handled badly"}', 1),
    ],
)
def test_a_server_that_floods_is_left_and_its_mistakes_are_one_line(
    text: str, lines: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflow_module, "MESSAGES_PER_S", 10)
    monkeypatch.setattr(inflow_module, "MESSAGES_AT_ONCE", 400)
    caplog.set_level(logging.INFO)
    losses: list[UpstreamError] = []

    async def flood(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        while not (socket.closed or losses):
            await socket.send_str(text)
        return socket

    def on_event(event: Mapping[str, Any]) -> None:
        raise ValueError("of a wrong type")

    async def main() -> None:
        settings = OpenaiLinkSettings()
        async with serving({"GET /v1/realtime": flood}) as url:
            server = upstream(url)
            http = open_http(server, settings)
            callbacks = Callbacks(
                on_answered=lambda: None,
                on_up=lambda: None,
                on_event=on_event,
                on_audio=lambda *_: None,
                on_delivered=lambda *_: None,
                on_lost=losses.append,
                on_change=lambda: None,
            )
            transport = make_transport(
                "websocket", server, settings, http, Histogram(), LOG, callbacks
            )
            await transport.connect({})
            await until(lambda: losses)
            await transport.close()
            await http.close()

    asyncio.run(main())
    assert [error.code for error in losses] == [FLOODED]
    assert len(caplog.records) == lines, [record.getMessage() for record in caplog.records][:5]


def test_the_budget_comes_back() -> None:
    inflow = Inflow()
    while inflow.refusal(1, 0) is None:
        pass
    assert inflow.refusal(1, S_NS) is None
