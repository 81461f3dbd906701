"""Clients that keep raw events: a session over WebSocket, and a sideband."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from openai_link.simulator.calls.switchboard import Switchboard
from openai_link.simulator.settings import SimulatorSettings
from tests.openai_link.simulator.caller import Caller, call, simulator
from tests.support.waiting import until

Json = dict[str, Any]

KEY = {"Authorization": "Bearer sk-test"}
MODEL = "gpt-realtime-2.1"
_PIECE_BYTES = 4_800  # 100 ms


class SocketPeer:
    """Talks and listens by events, and keeps all events with their times."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: list[Json] = []
        self.event_times_ns: list[int] = []
        self._sent: list[asyncio.Task[None]] = []
        self.reading = asyncio.create_task(self._read())

    def send(self, **event: Any) -> None:
        """Send a client event."""
        self.send_text(json.dumps(event))

    def send_text(self, text: str) -> None:
        self._sent.append(asyncio.create_task(self.socket.send_str(text)))

    def say(self, pcm: bytes) -> None:
        """Append PCM16 at once."""
        for start in range(0, len(pcm), _PIECE_BYTES):
            audio = base64.b64encode(pcm[start : start + _PIECE_BYTES]).decode("ascii")
            self.send(type="input_audio_buffer.append", audio=audio)

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def last(self, kind: str) -> Json:
        return next(event for event in reversed(self.events) if event["type"] == kind)

    async def wait_for(self, kind: str, count: int = 1) -> Json:
        """Wait until an event has come ``count`` times; returns the last one."""
        await until(
            lambda: self.kinds().count(kind) >= count, f"too few {kind}", lambda: self.events[-5:]
        )
        return self.last(kind)

    def audio(self) -> bytes:
        """All sound of the replies."""
        deltas = (e["delta"] for e in self.events if e["type"] == "response.output_audio.delta")
        return b"".join(base64.b64decode(delta) for delta in deltas)

    async def close(self) -> None:
        await self.socket.close()
        self.reading.cancel()

    async def _read(self) -> None:
        async for message in self.socket:
            self.event_times_ns.append(time.monotonic_ns())
            self.events.append(json.loads(message.data))


def socket_url(base_url: str, query: str = f"model={MODEL}") -> str:
    return f"{base_url.replace('http', 'ws', 1)}/realtime?{query}"


@asynccontextmanager
async def socket_peer(
    http: aiohttp.ClientSession,
    base_url: str,
    query: str = f"model={MODEL}",
    headers: dict[str, str] | None = None,
) -> AsyncIterator[SocketPeer]:
    """A connected WebSocket client."""
    async with http.ws_connect(
        socket_url(base_url, query), headers=headers or KEY, max_msg_size=0
    ) as socket:
        peer = SocketPeer(socket)
        try:
            yield peer
        finally:
            await peer.close()


Peer = Caller | SocketPeer


@asynccontextmanager
async def peer(
    transport: str, config: SimulatorSettings | None = None, session: Json | None = None
) -> AsyncIterator[tuple[Peer, Switchboard]]:
    """A simulator and one client that is connected by ``transport`` and configured."""
    if transport == "webrtc":
        whole = {"type": "realtime", "model": MODEL, **(session or {})}
        async with call(config, whole) as (caller, switchboard):
            yield caller, switchboard
        return
    async with (
        simulator(config) as (url, switchboard),
        aiohttp.ClientSession() as http,
        socket_peer(http, url) as client,
    ):
        await client.wait_for("session.created")
        if session:
            client.send(type="session.update", session={"type": "realtime", **session})
            await client.wait_for("session.updated")
            # The same events as over WebRTC, where the session comes with the call.
            del client.events[1:], client.event_times_ns[1:]
        yield client, switchboard


def say_text(client: Peer, text: str) -> None:
    """Add a typed message of the user."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    client.send(type="conversation.item.create", item=item)
