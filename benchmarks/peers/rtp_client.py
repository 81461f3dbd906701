"""WebRTC participants with Opus on RTP: ``python -m benchmarks.peers.rtp_client``, by JSON lines.

As a browser does with a media server, each talks all the time and times the marks it hears (see
``rig.signals``). Latency excludes its encoder, and it has no jitter buffer: marks are timed at the
arrival of their packets. Peers without loopback candidates are reached by this host's own address,
which stays inside the host.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import uvloop
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from mixer_core.bus.pcm import FRAME_NS
from mixer_core.patches.aioice.gathering import host_addresses, offer_addresses
from mixer_core.patches.aiortc.rtp_receiver import TappedPacket, tap_receiver
from mixer_core.runtime.errors import OpusError
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.media.opus import OpusDecoder, OpusEncoder
from openai_link.media.packet_track import PacketTrack, speak_opus_only
from openai_link.media.rtp_numbers import FRAME_TICKS

from ..rig import signals
from ..rig.commands import serve
from ..rig.impairment import ImpairedNetwork

UP_TIMEOUT_S = 15.0


class Participant:
    """One person; ``turn`` of ``talkers`` decides which marks are theirs."""

    def __init__(self, index: int, turn: int, talkers: int) -> None:
        self._index = index
        self._marks = signals.MarkTurns(turn, talkers)
        self._track = PacketTrack()
        self._encoder, self._decoder = OpusEncoder(), OpusDecoder()
        self._voice = signals.speech(index % 6)
        self._slot = self._due_ns = 0
        self._up = asyncio.Event()
        self._heard_marks: list[tuple[int, int]] = []
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.on("connectionstatechange", self._on_state)
        self._pc.addTrack(self._track)
        transceiver = self._pc.getTransceivers()[0]
        speak_opus_only(transceiver)
        tap_receiver(transceiver.receiver, self._on_packet)

    async def offer(self, data_channel: bool) -> str:
        """The SDP offer, with all candidates."""
        if data_channel:
            self._pc.createDataChannel("events")
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return self._pc.localDescription.sdp

    async def answer(self, sdp: str) -> None:
        """Take the server's answer; returns when media can flow."""
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await asyncio.wait_for(self._up.wait(), UP_TIMEOUT_S)

    def talk(self) -> None:
        """Begin to talk, on a 20 ms grid of its own."""
        self._due_ns = time.monotonic_ns() + self._index * 3 * MS_NS % FRAME_NS
        self._arm()

    def look(self) -> dict[str, Any]:
        """What was sent and heard since the last look."""
        heard, self._heard_marks = self._heard_marks, []
        return {"sent_marks": self._marks.take(), "heard_marks": heard}

    def _arm(self) -> None:
        delay_s = max(0, self._due_ns - time.monotonic_ns()) / S_NS
        asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        now_ns = time.monotonic_ns()
        missed = max(0, now_ns - self._due_ns) // FRAME_NS
        self._slot += missed
        pcm = self._marks.frame(now_ns) or self._voice[self._slot % len(self._voice)]
        self._track.send_packet(self._encoder.encode(pcm), self._slot * FRAME_TICKS)
        self._slot += 1
        self._due_ns += (missed + 1) * FRAME_NS
        self._arm()

    def _on_packet(self, packet: TappedPacket) -> None:
        try:
            kind = signals.find_mark(self._decoder.decode(packet.payload))
        except OpusError:
            return
        if kind >= 0:
            self._heard_marks.append((kind, packet.arrival_ns))

    def _on_state(self) -> None:
        if self._pc.connectionState == "connected":
            self._up.set()


class People(ImpairedNetwork):
    """The participants of this process."""

    def __init__(self) -> None:
        super().__init__()
        self._people: dict[int, Participant] = {}

    async def do_offer(self, index: int, turn: int, talkers: int, data_channel: bool) -> str:
        """A new participant's offer."""
        person = self._people[index] = Participant(index, turn, talkers)
        return await person.offer(data_channel)

    async def do_answer(self, index: int, sdp: str) -> None:
        """The server's answer to it."""
        await self._people[index].answer(sdp)

    async def do_talk(self) -> None:
        """All begin to talk."""
        gc.collect()
        gc.freeze()
        for person in self._people.values():
            person.talk()

    async def do_look(self) -> list[dict[str, Any]]:
        """What each sent and heard since the last look."""
        return [person.look() for person in self._people.values()]


async def main() -> None:
    """Serve until standard input ends."""
    offer_addresses(lambda: host_addresses(include_loopback=True))
    gc.disable()
    await serve(People())


if __name__ == "__main__":
    uvloop.run(main())
