"""A person in a call that breaks again and again: joins anew when it has to, and times the gaps.

It behaves as the page does: it pings once a second, joins again when the channel closes or when
nothing at all has come for 2.5 s, or when the gateway says that its process there has died, and
tells whose place it takes. It speaks all the
time, so softly that the assistant does not take it for speech: what the others hear of it is how
gaps and lost frames are counted.
"""

from __future__ import annotations

import asyncio
import json
import time
from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from yarl import URL

from mixer_core.bus.frames import HEADER, HEADER_BYTES, U32, encode_audio, epoch_newer
from mixer_core.bus.pcm import FRAME_NS, FRAME_SAMPLES
from mixer_core.runtime.units import MS_NS, S_NS

from .chromium_sacks import ChromiumSacks

PING_NS = S_NS
GONE_NS = 2_500 * MS_NS
RETRY_S = 0.25
"""Between two attempts to join."""
ASK_AGAIN_S = 2.0
OPEN_TIMEOUT_S = 8.0
AGAIN_S = 4.0
"""The same for the page that has been there before."""
LATE_NS = 3 * FRAME_NS
STALE_NS = S_NS
"""A frame that was this long on its way is stale: nobody wants to hear it any more."""
SOFT_PEAK = 30
"""Of 32767: far below what the assistant takes for speech, but not silence."""
LOUD_PEAK = 1_500
"""The assistant's voice."""
_HUM = array("h", [SOFT_PEAK, -SOFT_PEAK] * (FRAME_SAMPLES // 2)).tobytes()


class Line:
    """One connection to the gateway."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.audio = self.pc.createDataChannel(
            "audio", ordered=False, maxPacketLifeTime=150, protocol="mixminus.v1"
        )
        self.control = self.pc.createDataChannel("control")
        ChromiumSacks(self.pc.sctp)
        self.opened = asyncio.Event()
        self.closed = False
        self.location = ""
        self.posted_ns = self.answered_ns = 0
        """When the offer was sent, and answered."""
        for channel in (self.audio, self.control):
            channel.on("open", self._on_open)
            channel.on("close", self._on_close)
            channel.on("message", self._on_message)

    @property
    def is_open(self) -> bool:
        """Whether both channels are."""
        return not self.closed and self.audio.readyState == self.control.readyState == "open"

    async def join(
        self, url: str, name: str, replaces: str, bearer: dict[str, str], patience_s: float
    ) -> None:
        """Offer, answer, open channels. Raises OSError, RuntimeError or TimeoutError."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        offer = {"sdp": self.pc.localDescription.sdp, "type": "offer"}
        query = {"name": name, "mode": "conference"}
        headers = bearer | ({"Mixminus-Replaces": replaces} if replaces else {})
        timeout = aiohttp.ClientTimeout(patience_s)
        self.posted_ns = time.monotonic_ns()
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, json=offer, params=query, headers=headers) as answer,
        ):
            body = await answer.json()
            self.answered_ns = time.monotonic_ns()
            if answer.status != 201:
                raise RuntimeError(f"{answer.status}: {body.get('detail', '')}")
            self.location = str(answer.url.join(URL(answer.headers["Location"])))
        await self.pc.setRemoteDescription(RTCSessionDescription(body["sdp"], body["type"]))
        await asyncio.wait_for(self.opened.wait(), patience_s)

    def _on_open(self) -> None:
        if self.is_open:
            self.opened.set()

    def _on_close(self) -> None:
        self.closed = True

    def _on_message(self, message: bytes | str) -> None:
        self._caller.heard(self, message)


class Caller:
    """One person, through any number of connections."""

    def __init__(
        self,
        url: str,
        room: str,
        name: str,
        *,
        ways: Sequence[str] = (),
        token: str = "",
        hums: bool = True,
    ) -> None:
        """``ways``: further nodes of the cluster. ``hums``: it sends sound all the time."""
        self._urls = [f"{way}/rooms/{room}/participants" for way in (url, *ways)]
        self._bearer = {"Authorization": f"Bearer {token}"} if token else {}
        self._step_ns = FRAME_NS if hums else PING_NS // 5
        self._hums = hums
        self._has_been_there = False
        self.room = room
        self.name = name
        self.joins = 0
        self.refusals: list[str] = []
        """Why attempts to join failed."""
        self._line: Line | None = None
        self._heard_ns = 0
        self._pinged_ns = 0
        self._seq = 0
        self._epoch = 0
        self._frames = Frames()
        self._words: list[str] = []
        self._asked = 0
        self._stopped = False
        self._life: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Join, and stay."""
        self._life = asyncio.create_task(self._live())

    async def stop(self) -> None:
        """Leave for good."""
        self._stopped = True
        if self._life is not None:
            await self._life

    @property
    def is_there(self) -> bool:
        """Whether there is a connection."""
        return self._line is not None and self._line.is_open

    @property
    def location(self) -> str:
        """Address of its stay; empty: it has none."""
        return self._line.location if self._line is not None else ""

    @property
    def frames_heard(self) -> int:
        """Frames of sound since ``begin``."""
        return len(self._frames.arrived_ns)

    def begin(self) -> None:
        """Count from now on."""
        self._frames = Frames()
        self.joins = 0
        self.refusals.clear()
        self._words.clear()
        self._asked = 0

    def ask(self) -> bool:
        """Ask the assistant something that it answers at once; whether it could be said."""
        if self._line is None or not self._line.is_open:
            return False
        self._asked += 1
        self._say({"type": "say", "text": f"{self.name} asks for the {self._asked}. time"})
        return True

    def answered_ns(self) -> int:
        """When the assistant was heard first since ``begin``; 0: not yet.

        Who has joined again has to be answered itself.
        """
        frames = self._frames
        if not self.joins:
            return frames.loud_ns[0] if frames.loud_ns else 0
        if frames.own_words_ns == 0:
            return 0
        return next((at for at in frames.loud_ns if at > frames.own_words_ns), 0)

    def words_taken(self) -> int:
        """How many of its questions the room has been told since ``begin``."""
        return len(self._words)

    def outcome(self, killed_ns: int, ended_ns: int) -> dict[str, Any]:
        """What happened since ``begin``; times in ms."""
        frames = self._frames
        answered_ns = self.answered_ns()
        gaps_ns = frames.gaps_ns(killed_ns, ended_ns)
        unsaid = max(0, self._asked - len(set(self._words)))
        return {
            "answered_ms": (answered_ns - killed_ns) / MS_NS if answered_ns else None,
            "silent_ms": max(gaps_ns, default=0) / MS_NS,
            "frames_lost": sum(gap // FRAME_NS - 1 for gap in gaps_ns),
            "stale": frames.stale,
            "old_epoch": frames.old_epoch,
            "asked": self._asked,
            "words_lost": unsaid,
            "joins": self.joins,
            "refusals": self.refusals[:3],
        }

    def quiet_ns(self) -> int:
        """How long the assistant has not been heard."""
        loud = self._frames.last_loud_ns
        return time.monotonic_ns() - loud

    # Living

    async def _live(self) -> None:
        former, due_ns = "", 0
        while not self._stopped:
            if self._line is None:
                await self._join(former)
                continue
            now_ns = time.monotonic_ns()
            if not self._line.is_open or now_ns - self._heard_ns >= GONE_NS:
                former = self._line.location
                self._turn_away()
                await self._hang_up()
                continue
            self._tick(now_ns)
            due_ns = max(due_ns + self._step_ns, now_ns)
            await asyncio.sleep((due_ns - now_ns) / S_NS)
        await self._hang_up()

    async def _join(self, former: str) -> None:
        line = Line(self)
        patience_s = AGAIN_S if self._has_been_there and len(self._urls) > 1 else OPEN_TIMEOUT_S
        gone = former.rpartition("/")[2]
        try:
            await line.join(self._urls[0], self.name, gone, self._bearer, patience_s)
        except (OSError, RuntimeError, TimeoutError, aiohttp.ClientError, ValueError) as error:
            self.refusals.append(f"{type(error).__name__}: {error}")
            self._turn_away()
            await line.pc.close()
            await asyncio.sleep(RETRY_S)
            return
        self._has_been_there = True
        self.joins += 1
        self._heard_ns = time.monotonic_ns()
        self._line = line
        self._watch = asyncio.create_task(self._watch_end(line))

    def _turn_away(self) -> None:
        """This node did not serve: the next one is asked next."""
        self._urls.append(self._urls.pop(0))

    async def _watch_end(self, line: Line) -> None:
        """The gateway tells when the process of this connection has died."""
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout, headers=self._bearer) as session:
            while line is self._line:
                try:
                    async with session.get(f"{line.location}/end") as answer:
                        answer.raise_for_status()
                        line.closed |= (await answer.json())["status"] == "lost"
                except (aiohttp.ClientError, ValueError, KeyError):
                    await asyncio.sleep(ASK_AGAIN_S)

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        if self._watch is not None:
            self._watch.cancel()
        if line is not None:
            closing = asyncio.ensure_future(line.pc.close())
            await asyncio.wait([closing], timeout=0.3)

    def _tick(self, now_ns: int) -> None:
        assert self._line is not None
        if now_ns - self._pinged_ns >= PING_NS:
            self._pinged_ns = now_ns
            self._say({"type": "ping", "t": 0})
        if not self._hums:
            return
        self._seq = (self._seq + 1) & U32
        self._line.audio.send(encode_audio(0, self._epoch, self._seq, 0, now_ns, _HUM))

    def _say(self, message: dict[str, Any]) -> None:
        if self._line is not None and self._line.is_open:
            self._line.control.send(json.dumps(message))

    def heard(self, line: Line, message: bytes | str) -> None:
        """A message of the gateway; old connections no longer count."""
        if line is not self._line and self._line is not None:
            return
        self._heard_ns = now_ns = time.monotonic_ns()
        if isinstance(message, bytes):
            _, _, _, epoch, _, _, stamp_ns = HEADER.unpack_from(message)
            is_old = epoch_newer(self._epoch, epoch)
            self._frames.add(message[HEADER_BYTES:], stamp_ns, is_old, now_ns)
            return
        content = json.loads(message)
        if content["type"] in ("welcome", "flush"):
            self._epoch = content["epoch"]
        elif content["type"] == "caption" and content.get("text", "").startswith(self.name):
            self._words.append(content["text"])
            self._frames.own_words_ns = self._frames.own_words_ns or now_ns


class Frames:
    """The audio that one person has received."""

    def __init__(self) -> None:
        self.arrived_ns: array[int] = array("q")
        self.loud_ns: array[int] = array("q")
        self.last_loud_ns = 0
        self.stale = 0
        """Frames that were too long on their way."""
        self.old_epoch = 0
        """Frames of an epoch that had been flushed."""
        self.own_words_ns = 0
        """When the room was told first what this person had said."""

    def add(self, pcm: bytes, stamp_ns: int, is_old: bool, now_ns: int) -> None:
        """One frame."""
        self.arrived_ns.append(now_ns)
        self.stale += now_ns - stamp_ns > STALE_NS
        self.old_epoch += is_old
        samples = array("h", pcm)
        if max(samples) > LOUD_PEAK:
            self.loud_ns.append(now_ns)
            self.last_loud_ns = now_ns

    def gaps_ns(self, from_ns: int, until_ns: int) -> list[int]:
        """The times without a frame that are longer than a late frame explains."""
        inside = [at for at in self.arrived_ns if from_ns < at < until_ns]
        gaps = [after - before for before, after in pairwise([from_ns, *inside, until_ns])]
        return [gap for gap in gaps if gap > LATE_NS]
