"""One peer connection in the plain protocol (docs/client.md): one channel for everything.

``audio`` is ordered and reliable; binary messages are PCM16, text messages are JSON.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription

from mixer_core.patches.aioice.gathering import host_addresses, offer_addresses

from .errors import Unreachable
from .requests import Requests, Seat

_OPEN_TIMEOUT_S = 10.0
_MOST_QUEUED_BYTES = 96_000
"""Two seconds of speech: a network that has so much in front of it is stuck, and pieces are
skipped."""


@dataclass(frozen=True, slots=True)
class ConnectionEvents:
    """Callbacks, called in the loop."""

    text: Callable[[dict[str, Any]], None]
    """A JSON object came."""
    pcm: Callable[[bytes], None]
    """A piece of what this client hears."""
    ended: Callable[[str], None]
    """The connection is gone, without ``close``; why, in words. Called once."""


class Connection:
    """One try: ``open``, then ``close``."""

    def __init__(self, events: ConnectionEvents, servers: list[dict[str, Any]]) -> None:
        """``servers``: STUN and TURN servers."""
        self._events = events
        ice = [
            RTCIceServer(server["urls"], server.get("username"), server.get("credential"))
            for server in servers
        ]
        self.peer = RTCPeerConnection(RTCConfiguration(ice))
        self.channel = self.peer.createDataChannel("audio", ordered=True)
        self.location = ""
        """Secret address of this stay."""
        self._settled = asyncio.Event()
        """It is open, or over."""
        self._over = False
        """It is closed, or its end was told."""
        self._why = ""
        """It is over."""
        self.channel.on("open", self._settled.set)
        self.channel.on("message", self._receive)
        self.channel.on("close", lambda: self._end("the channel was closed"))
        self.peer.on("connectionstatechange", self._state)

    async def open(self, requests: Requests, seat: Seat) -> None:
        """Join. Raises ``Refused`` and ``Unreachable``."""
        await self.peer.setLocalDescription(await self.peer.createOffer())
        answer = await requests.offer(self.peer.localDescription.sdp, seat)
        self.location = answer.location
        try:
            answered = RTCSessionDescription(answer.sdp, "answer")
            await self.peer.setRemoteDescription(answered)
            await asyncio.wait_for(self._settled.wait(), _OPEN_TIMEOUT_S)
        except TimeoutError as error:
            raise Unreachable(
                f"the gateway answered, but no data came through within {_OPEN_TIMEOUT_S:g} s: "
                "firewalls, VPNs and guest networks often block UDP (docs/networks.md)"
            ) from error
        if self._over:
            raise Unreachable(f"the gateway answered, and then {self._why}")

    @property
    def is_open(self) -> bool:
        """Whether anything can be sent."""
        return bool(self.channel.readyState == "open")

    def send(self, message: dict[str, Any]) -> None:
        """Send one control message, while it is open."""
        if self.is_open:
            self.channel.send(json.dumps(message))

    def speak(self, piece: bytes) -> bool:
        """Send a piece of speech; False: the network is stuck, it was skipped."""
        if not self.is_open or self.channel.bufferedAmount > _MOST_QUEUED_BYTES:
            return False
        self.channel.send(piece)
        return True

    async def close(self) -> None:
        """End it."""
        self._over = True
        await self.peer.close()

    def lose(self, words: str) -> None:
        """Its user has found out that it is gone."""
        self._end(words)

    def _receive(self, message: bytes | str) -> None:
        if isinstance(message, bytes):
            self._events.pcm(message)
            return
        try:
            content = json.loads(message)
        except ValueError:
            content = None
        if isinstance(content, dict):
            self._events.text(content)

    def _state(self) -> None:
        if self.peer.connectionState in ("failed", "closed"):
            self._end(f"the connection is {self.peer.connectionState}")

    def _end(self, words: str) -> None:
        if not self._over:
            self._over, self._why = True, words
            self._settled.set()
            self._events.ended(words)


def prepare_ice(base: str) -> None:
    """A gateway on this machine is reached by 127.0.0.1, too, with or without a network."""
    host = urlsplit(base).hostname or ""
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    if is_here:
        offer_addresses(lambda: host_addresses(include_loopback=True))
