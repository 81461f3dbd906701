"""A WebSocket server of the removed beta shape: its replies are heard, or it is refused."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.metrics import Histogram
from openai_link.media.quiet import ROOM_NOISE_PEAK, is_quiet
from openai_link.realtime.client_events import ClientEvents
from openai_link.realtime.dialect import REFUSED
from openai_link.realtime.problems import explain
from openai_link.realtime.session_object import session_object
from openai_link.realtime.upstream import Upstream
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.engine.options import EngineOptions
from openai_link.simulator.engine.session_config import create_session
from openai_link.simulator.engine.session_engine import SessionEngine
from openai_link.transport.factory import make_transport, open_http
from openai_link.transport.interface import Callbacks, Transport
from tests.openai_link.realtime import beta
from tests.openai_link.simulator.caller import run
from tests.openai_link.simulator.scripted import scripted
from tests.openai_link.transport.stub_servers import Handler
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

LOG = logging.LoggerAdapter(logging.getLogger("mixminus.test_dialects"), {})


async def beta_server(request: web.Request) -> web.WebSocketResponse:
    """The simulator's engine, as a beta server: everything is generated at once."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    wanted = create_session("sess_1", 99, {"type": "realtime", "model": request.query["model"]})
    options = EngineOptions(transport="websocket")
    engine = SessionEngine(wanted, scripted(), random.Random(1), 0, options)
    made, now_ns = engine.open(), 0
    while True:
        for action in made:
            for said in beta.say(action.event):  # type: ignore[union-attr]
                await socket.send_str(json.dumps(said))
        message = await socket.receive()
        if message.type is not web.WSMsgType.TEXT:
            return socket
        event = json.loads(message.data)
        made = engine.client_event(json.dumps(beta.hear(event)), now_ns)
        for _ in range(250 if event["type"] == "response.create" else 1):
            now_ns += FRAME_NS
            made += engine.slot(now_ns)[1]


class Room:
    """What the transport brought."""

    def __init__(self) -> None:
        self.received: list[Mapping[str, Any]] = []
        self.losses: list[UpstreamError] = []
        self.loud = self.samples = 0

    def callbacks(self) -> Callbacks:
        return Callbacks(
            on_answered=lambda: None,
            on_up=lambda: None,
            on_event=self.received.append,
            on_audio=self._audio,
            on_delivered=self._delivered,
            on_lost=self.losses.append,
            on_change=lambda: None,
        )

    def kinds(self) -> list[str]:
        return [str(event["type"]) for event in self.received]

    def _audio(self, pcm: bytes, stamp_ns: int, now_ns: int, concealed: bool) -> None:
        self.loud += not is_quiet(pcm, ROOM_NOISE_PEAK)

    def _delivered(self, item: str, samples: int) -> None:
        self.samples += samples


@asynccontextmanager
async def calling(
    room: Room, settings: OpenaiLinkSettings, server: Handler = beta_server
) -> AsyncIterator[Transport]:
    app = web.Application()
    app.router.add_get("/v1/realtime", server)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    upstream = Upstream("house", f"http://127.0.0.1:{port}/v1", "sk-test", False, model="m")
    http = open_http(upstream, settings)
    transport = make_transport(
        "websocket", upstream, settings, http, Histogram(), LOG, room.callbacks()
    )
    try:
        await transport.connect(session_object(settings))
        yield transport
    finally:
        await transport.close()
        await http.close()
        await runner.cleanup()


async def _is_served() -> None:
    room, settings, events = Room(), OpenaiLinkSettings(), ClientEvents()
    async with calling(room, settings) as transport:
        await until(lambda: "session.created" in room.kinds())
        transport.send(events.update_session(session_object(settings)))
        await until(lambda: "session.updated" in room.kinds())
        confirmed = room.received[-1]["session"]
        assert confirmed["audio"]["output"]["voice"] == settings.voice
        transport.send(events.user_text("Good morning."))
        transport.send(events.create_response())
        await until(lambda: "response.done" in room.kinds())
        while room.loud < 10:
            transport.tick(time.monotonic_ns())
            await asyncio.sleep(0.005)
        assert room.samples > 10 * 480
        assert "output_audio_buffer.started" in room.kinds()
        assert "conversation.item.done" in room.kinds()
        assert not [kind for kind in room.kinds() if kind.startswith("response.audio")]
        assert not [event for event in room.received if event["type"] == "error"]
        assert not room.losses


async def _speaks_in_bytes(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    for event in ({"type": "session.created", "session": {"id": "sess_ü"}}, {"type": "x"}):
        await socket.send_bytes(json.dumps(event, ensure_ascii=False).encode())
    await socket.send_bytes(b"\xff\xfe no event")
    await socket.receive()
    return socket


async def _is_read() -> None:
    room = Room()
    async with calling(room, OpenaiLinkSettings(), _speaks_in_bytes) as transport:
        await until(lambda: len(room.received) == 2 and transport.bad_events == 1)
        assert room.received[0]["session"] == {"id": "sess_ü"} and not room.losses


async def _is_refused() -> None:
    room = Room()
    async with calling(room, OpenaiLinkSettings(dialect="ga")):
        await until(lambda: bool(room.losses))
        await asyncio.sleep(0)
        (loss,) = room.losses
        assert loss.code == REFUSED and room.received == []
        problem = explain(loss, Upstream("house", "http://127.0.0.1:1/v1", "k", False))
        assert not problem.retryable
        assert problem.message == (
            "house speaks the removed beta shape of the Realtime API (beta_api_shape). "
            'Set [openai_link] dialect to "auto".'
        )


def test_a_beta_server_is_recognised_and_heard() -> None:
    run(_is_served)


def test_a_beta_server_is_refused_in_one_sentence_where_only_ga_is_wanted() -> None:
    run(_is_refused)


def test_events_that_come_as_bytes_are_read_too() -> None:
    run(_is_read)
