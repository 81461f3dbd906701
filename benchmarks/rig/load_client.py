"""One WebRTC client: joins a room, speaks, listens, and times what it hears.

It acknowledges as Chromium does (``chromium_sacks``): stock aiortc would send a packet for each one
it receives, and so load the gateway with twice a browser's datagrams.
"""

from __future__ import annotations

import asyncio
import json
import time
from array import array
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from mixer_core.bus.frames import HEADER, HEADER_BYTES, U32, encode_audio
from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime.units import MS_NS, S_NS, US_NS

from . import signals
from .chromium_sacks import ChromiumSacks
from .voice import Style, Voice

OPEN_TIMEOUT_S = 40.0
PING_S = 1.0
MAX_BUFFERED_BYTES = 4_000
"""Beyond this a client whose own network is stuck skips frames."""


class Refused(RuntimeError):
    """The gateway's answer was not 201."""

    def __init__(self, status: int, problem: dict[str, Any], retry_after: str) -> None:
        """``problem``: the body. ``retry_after``: the header; empty: there is none."""
        super().__init__(f"the gateway answered {status}: {problem}")
        self.status = status
        self.problem = problem
        self.retry_after = retry_after


@dataclass
class Seen:
    """What was received, and not sent, since the last look; times are monotonic."""

    late_us: array[int] = field(default_factory=lambda: array("q"))
    """Per frame: arrival here minus the stamp of its entry to the gateway's host."""
    arrived_ms: array[int] = field(default_factory=lambda: array("q"))
    """Per entry of ``late_us``: when."""
    marks: list[tuple[int, int]] = field(default_factory=list)
    """(number modulo 8, arrival in ns) of the marks in the reply."""
    skipped: int = 0
    """Frames not sent because this process was late or its network stuck."""


class LoadClient:
    """One browser.

    ``framed``: the gateway's wire format on two channels, else bare PCM on one. ``index`` of
    ``talkers`` in its room decides which marks are its turn.
    """

    def __init__(self, url: str, room: str, index: int, talkers: int, framed: bool) -> None:
        self._seat = (url, room, index, talkers, framed)
        self._name = f"Talker {index + 1}"
        self._has_left = False
        self._url = f"{url}/rooms/{room}/participants"
        self.room, self._framed = room, framed
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        options: dict[str, Any] = {"ordered": True}
        if framed:
            options = {"ordered": False, "maxPacketLifeTime": 150, "protocol": "mixminus.v1"}
        self._audio = self._pc.createDataChannel("audio", **options)
        self._control = self._pc.createDataChannel("control") if framed else self._audio
        ChromiumSacks(self._pc.sctp)
        self.times_ns: dict[str, int] = {}
        """Step of joining → when: posted, answered, open, ready, heard."""
        self._opened = asyncio.Event()
        self.ready = asyncio.Event()
        """Set once the assistant is there."""
        for channel in {self._audio, self._control}:
            channel.on("open", self._on_open)
            channel.on("message", self._on_message)
        self._seen = Seen()
        self._received_total = 0
        self.epoch = 0
        self.epoch_heard_ns: dict[int, int] = {}
        """Epoch → arrival of its newest frame."""
        self.flushed_ns: dict[int, int] = {}
        """Epoch → when the gateway announced it."""
        self._sent_total = 0
        self.voice = Voice(room, index, talkers)
        self.loud_ns = 0
        """When the first frame of the last ``speak`` was sent."""
        self._seq = 0
        self.frame_ns = FRAME_NS
        """Between two frames: another clock has another length."""
        self._due_ns = 0
        self._timer: asyncio.TimerHandle | None = None

    async def join(self, address: str = "", ticket: str = "") -> None:
        """Offer, answer, open channels. Raises Refused where the gateway refuses.

        Args:
            address: of the loopback, from which the offer comes; empty: any.
            ticket: from an earlier refusal. The same client may try again.
        """
        if not self._pc.localDescription:
            await self._pc.setLocalDescription(await self._pc.createOffer())
        offer = {"sdp": self._pc.localDescription.sdp, "type": "offer"}
        connector = aiohttp.TCPConnector(local_addr=(address, 0)) if address else None
        query = {"name": self._name, **({"ticket": ticket} if ticket else {})}
        async with aiohttp.ClientSession(connector=connector) as session:
            self.times_ns["posted"] = time.monotonic_ns()
            async with session.post(self._url, json=offer, params=query) as answer:
                body = await answer.json()
                if answer.status != 201:
                    raise Refused(answer.status, body, answer.headers.get("Retry-After", ""))
        self.times_ns["answered"] = time.monotonic_ns()
        await self._pc.setRemoteDescription(RTCSessionDescription(body["sdp"], body["type"]))
        await asyncio.wait_for(self._opened.wait(), OPEN_TIMEOUT_S)
        if self._framed:
            self._send_ping()

    async def leave(self) -> None:
        """Stop speaking, and close the connection as a browser does that closes its page."""
        self.voice.behave("quiet")
        self._has_left = True
        if self._timer is not None:
            self._timer.cancel()
        await self._pc.close()

    def again(self) -> LoadClient:
        """A new client in the same seat."""
        return LoadClient(*self._seat)

    def setup_ms(self) -> dict[str, float]:
        """Milliseconds from the POST to each step that was reached."""
        posted_ns = self.times_ns["posted"]
        return {
            name: round((at_ns - posted_ns) / MS_NS, 1)
            for name, at_ns in self.times_ns.items()
            if name != "posted"
        }

    def behave(self, style: Style) -> None:
        """Speak in this style from now on.

        Frames leave on a 20 ms grid. Each client's own is shifted by a phase that only depends on
        room and index, so that two runs are alike.
        """
        self.voice.behave(style)
        if self._framed:
            self._control.send(json.dumps({"type": "mute", "muted": style == "muted"}))
        if self._timer is None and self.voice.wants_ticks:
            now_ns = time.monotonic_ns()
            self._due_ns = now_ns - now_ns % FRAME_NS + FRAME_NS + self.voice.phase_ns
            self._arm()

    def speak(self, frames: int) -> None:
        """Say ``frames`` frames of speech at once (for ``quiet`` clients)."""
        self.voice.take_turn(frames)
        self.loud_ns = 0
        if self._timer is None:
            self._due_ns = time.monotonic_ns()
            self._arm()

    def look(self) -> dict[str, Any]:
        """What was sent and received since the last look; ``*_total``: since joining."""
        seen, self._seen = self._seen, Seen()
        return {
            "room": self.room,
            "skipped": seen.skipped,
            "sent_marks": self.voice.marks.take(),
            "sent_total": self._sent_total,
            "received_total": self._received_total,
            "late_us": seen.late_us.tolist(),
            "arrived_ms": seen.arrived_ms.tolist(),
            "heard_marks": seen.marks,
        }

    # Sending

    def _arm(self) -> None:
        wait_s = max(0, self._due_ns - time.monotonic_ns()) / S_NS
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._tick)

    def _tick(self) -> None:
        now_ns = time.monotonic_ns()
        late = (now_ns - self._due_ns) // FRAME_NS
        if late > 0:
            self._seen.skipped += late
            self.voice.skip(late)
            self._due_ns += late * FRAME_NS
        pcm, flags = self.voice.next(now_ns)
        if pcm:
            self._send(pcm, flags)
        self._due_ns += self.frame_ns
        if self.voice.wants_ticks:
            self._arm()
        else:
            self._timer = None

    def _send(self, pcm: bytes, flags: int) -> None:
        if self._audio.readyState != "open" or self._audio.bufferedAmount > MAX_BUFFERED_BYTES:
            self._seen.skipped += 1
            return
        now_ns = time.monotonic_ns()
        if self.voice.in_turn and not self.loud_ns:
            self.loud_ns = now_ns
        if self._framed:
            self._audio.send(encode_audio(0, self.epoch, self._seq, flags, now_ns, pcm))
        else:
            self._audio.send(pcm)
        self._seq = (self._seq + 1) & U32
        self._sent_total += 1

    def _send_ping(self) -> None:
        if self._control.readyState == "open":
            self._control.send('{"type":"ping","t":0}')
        if not self._has_left:
            asyncio.get_running_loop().call_later(PING_S, self._send_ping)

    # Receiving

    def _on_open(self) -> None:
        if self._audio.readyState == self._control.readyState == "open":
            self.times_ns.setdefault("open", time.monotonic_ns())
            self._opened.set()

    def _on_message(self, message: bytes | str) -> None:
        now_ns = time.monotonic_ns()
        if isinstance(message, str):
            self._on_text(json.loads(message), now_ns)
            return
        self.times_ns.setdefault("heard", now_ns)
        self._received_total += 1
        if self._framed:
            self._on_frame(message, now_ns)
            message = message[HEADER_BYTES:]
        kind = signals.find_mark(message)
        if kind >= 0:
            self._seen.marks.append((kind, now_ns))

    def _on_frame(self, message: bytes, now_ns: int) -> None:
        _, _, _, epoch, _, _, stamp_ns = HEADER.unpack_from(message)
        self.epoch_heard_ns[epoch] = now_ns
        self._seen.late_us.append((now_ns - stamp_ns) // US_NS)
        self._seen.arrived_ms.append(now_ns // MS_NS)

    def _on_text(self, message: dict[str, Any], now_ns: int) -> None:
        match message["type"]:
            case "state" if message["upstream"] == "ready":
                self.times_ns.setdefault("ready", now_ns)
                self.ready.set()
            case "welcome":
                self.epoch = message["epoch"]
            case "flush":
                self.epoch = message["epoch"]
                self.flushed_ns.setdefault(message["epoch"], now_ns)
