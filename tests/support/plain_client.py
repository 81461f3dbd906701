"""A client that knows the protocol alone: no line of the gateway is imported here.

Label ``audio``, ordered and reliable, raw PCM16 in binary messages, JSON in text messages; the
offer goes by HTTP POST.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from yarl import URL

from tests.support.waiting import PATIENCE_S, until

CHUNK_BYTES = 960
AGAIN = ("state", "participants")
"""What the gateway tells every few seconds."""
STUCK_S = 5.0
"""After so much silence whoever was said to be speaking has died."""


class PlainClient:
    """One browser's life."""

    def __init__(
        self,
        url: str,
        room: str = "home",
        name: str = "",
        mode: str = "",
        http: Callable[[], aiohttp.ClientSession] = aiohttp.ClientSession,
        configuration: RTCConfiguration | None = None,
    ) -> None:
        """``configuration``: by default no STUN or TURN server."""
        self._http = http
        self.location = ""
        """What to DELETE, once it has joined."""
        self._url = f"{url}/rooms/{room}/participants"
        self._query = {k: v for k, v in (("name", name), ("mode", mode)) if v}
        self.pc = RTCPeerConnection(configuration or RTCConfiguration(iceServers=[]))
        self.channel = self.pc.createDataChannel("audio", ordered=True)
        self.heard: list[tuple[float, bytes]] = []
        """(monotonic seconds, PCM16) of every binary message."""
        self.messages: list[dict[str, Any]] = []
        """Every JSON message."""
        self.opened = asyncio.Event()
        self.channel.on("open", self.opened.set)
        self.channel.on("message", self._receive)

    def _receive(self, message: bytes | str) -> None:
        if isinstance(message, bytes):
            self.heard.append((time.monotonic(), message))
        else:
            self.messages.append(json.loads(message) | {"at": time.monotonic()})

    async def join(self) -> float:
        """Offer, answer, open channel; returns the seconds from the POST to the open channel."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        began = time.monotonic()
        offer = {"sdp": self.pc.localDescription.sdp, "type": "offer"}
        async with (
            self._http() as session,
            session.post(self._url, params=self._query, json=offer) as answer,
        ):
            body = await answer.json()
            assert answer.status == 201, body
            self.location = str(answer.url.join(URL(answer.headers["Location"])))
        await self.pc.setRemoteDescription(RTCSessionDescription(body["sdp"], body["type"]))
        await asyncio.wait_for(self.opened.wait(), PATIENCE_S)
        return time.monotonic() - began

    async def speak(self, pcm: bytes) -> float:
        """Send ``pcm`` in real time, 20 ms a message; returns when the first message left."""
        began = time.monotonic()
        for index in range(0, len(pcm), CHUNK_BYTES):
            delay_s = began + index / 48_000 - time.monotonic()
            if delay_s > 0:
                await asyncio.sleep(delay_s)
            self.channel.send(pcm[index : index + CHUNK_BYTES])
        return began

    def say(self, **message: Any) -> None:
        """Send one JSON message."""
        self.channel.send(json.dumps(message))

    def pcm(self, since_s: float = 0.0) -> bytes:
        """Everything heard since ``since_s``, put together."""
        return b"".join(piece for at_s, piece in self.heard if at_s >= since_s)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The JSON messages with this ``type``."""
        return [message for message in self.messages if message["type"] == kind]

    async def until(self, condition: Any, words: str) -> None:
        """Wait for ``condition()``."""
        await until(condition, words, self.told, step_s=0.05)

    def told(self) -> str:
        """The newest messages, one a line, but for levels and what is only told again."""
        lines: list[str] = []
        newest: dict[str, dict[str, Any]] = {}
        for message in self.messages:
            kind, told = message["type"], {k: v for k, v in message.items() if k != "at"}
            if kind in ("level", "pong") or (kind in AGAIN and newest.get(kind) == told):
                continue
            newest[kind] = told
            lines.append(str(message))
        return "\n".join(lines[-30:])

    async def quiet(self, silent_s: float = 0.6) -> None:
        """Wait until the assistant is done and nothing audible was heard for ``silent_s``."""
        began = time.monotonic()

        def silent() -> bool:
            told = self.of_type("state")
            is_busy = bool(told) and told[-1]["assistant"] in ("thinking", "speaking")
            loud = [at for at, pcm in self.heard[-100:] if len(pcm.strip(b"\0")) > 8]
            return time.monotonic() - max([began, *loud]) > (STUCK_S if is_busy else silent_s)

        await self.until(silent, "it does not become quiet")

    async def close(self) -> None:
        """Leave."""
        await self.pc.close()


def use_loopback() -> None:
    """Let this process's peer connections use 127.0.0.1 (aioice leaves it out)."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
