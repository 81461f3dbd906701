"""The worker's neighbours as bare sockets, and a browser made of aiortc.

``Edges`` binds what signaling and the mixer bind; it answers STARTs like the mixer and otherwise
only records. ``Browser`` speaks the plain or the framed protocol.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import zmq
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from mixer_core.bus import control, endpoints, events, frames
from mixer_core.bus.drain import DrainedSocket
from mixer_core.bus.frames import Frame, Kind
from mixer_core.patches.aioice.gathering import offer_addresses
from tests.support.waiting import until


class Edges:
    """Signaling's ROUTER and the mixer's PULL and PUB in one runtime directory."""

    def __init__(self, runtime_dir: Path) -> None:
        loop = asyncio.get_running_loop()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dir = runtime_dir
        router = endpoints.open_socket(self._context, endpoints.CONTROL, runtime_dir, "bind")
        pull = endpoints.open_socket(self._context, endpoints.AUDIO_IN, runtime_dir, "bind")
        self._pub = endpoints.open_socket(self._context, endpoints.AUDIO_OUT, runtime_dir, "bind")
        self._router = DrainedSocket(loop, router, self._on_control)
        self._pull = DrainedSocket(loop, pull, self._on_frame)
        self.acknowledge = True
        """Answer STARTs, as the mixer does."""
        self.epoch = 0
        self.states: dict[str, control.WorkerState] = {}
        self.heartbeats: list[control.Heartbeat] = []
        self.exits: list[control.ChildExited] = []
        self.closed: dict[str, str] = {}
        """Participant → why its session ended."""
        self.answers: dict[str, control.Answer | control.Refused] = {}
        self.frames: list[Frame] = []
        """Everything that came into audio_in."""

    def close(self) -> None:
        """Unbind."""
        self._router.close()
        self._pull.close()
        self._pub.close()
        self._context.term()

    def _on_control(self, parts: list[bytes]) -> None:
        message = control.decode(parts[-1])
        match message:
            case control.WorkerState():
                assert parts[0].decode() == message.worker
                self.states[message.worker] = message
                if message.status == "closed":
                    self.closed[message.participant] = message.detail
            case control.Heartbeat():
                self.heartbeats.append(message)
            case control.ChildExited():
                self.exits.append(message)
                self.states.pop(message.child, None)
            case control.Answer() | control.Refused():
                self.answers[message.participant] = message

    def _on_frame(self, parts: list[bytes]) -> None:
        frame = frames.decode(parts[-1])
        self.frames.append(frame)
        if frame.kind is Kind.START and self.acknowledge:
            self.publish(Kind.START, frame.stream, payload=frame.payload)

    def publish(self, kind: Kind, stream: int, **fields: Any) -> None:
        """Publish a frame to a listener, in the present epoch where none is given."""
        fields.setdefault("epoch", self.epoch)
        self._pub.send(frames.encode(Frame(kind, stream, **fields)))

    def event(self, stream: int, addressee: int = 0, **content: Any) -> None:
        """Publish an EVENT."""
        self.publish(Kind.EVENT, stream, flags=addressee, payload=events.encode_map(content))

    def of_kind(self, kind: Kind, stream: int) -> list[Frame]:
        """Frames of ``kind`` that came from a stream."""
        return [frame for frame in self.frames if frame.kind is kind and frame.stream == stream]

    def starts(self, stream: int) -> list[events.StreamInfo]:
        """What the STARTs of a stream say."""
        return [events.StreamInfo.decode(f.payload) for f in self.of_kind(Kind.START, stream)]

    def events(self, stream: int) -> list[dict[str, Any]]:
        """What the EVENTs of a stream say."""
        return [events.decode_event(f.payload) for f in self.of_kind(Kind.EVENT, stream)]

    def send(self, worker: str, message: control.Message) -> None:
        """Send a control message to a worker."""
        assert self._router.send(worker.encode(), control.encode(message)), worker

    def idle(self) -> list[str]:
        """Workers that wait for a browser."""
        return [worker for worker, state in self.states.items() if state.status == "idle"]

    def worker_of(self, participant: str) -> control.WorkerState | None:
        """The state of the worker that has this participant."""
        for state in self.states.values():
            if state.participant == participant:
                return state
        return None

    async def offer(
        self,
        sdp: str,
        stream: int = 0,
        worker: str = "",
        behind: Sequence[Callable[[str], control.Message]] = (),
    ) -> Joined:
        """Hand an offer to an idle worker and wait for what it says.

        ``behind``: messages that follow at once, for the participant.
        """
        worker = worker or (await until(self.idle, "no idle worker"))[0]
        participant = f"p-{secrets.token_hex(4)}"
        stream = stream or secrets.randbits(31) + 1
        began_s = time.monotonic()
        self.send(worker, control.Offer(participant, "home", stream, "assistant", "Ada", sdp))
        for make in behind:
            self.send(worker, make(participant))
        self.states.pop(worker, None)
        reply = await until(lambda: self.answers.get(participant), "the offer was not answered")
        return Joined(worker, participant, stream, reply, time.monotonic() - began_s)


class Joined:
    """What came of one offer."""

    def __init__(
        self,
        worker: str,
        participant: str,
        stream: int,
        reply: control.Answer | control.Refused,
        took_s: float,
    ) -> None:
        self.worker = worker
        self.participant = participant
        self.stream = stream
        self.reply = reply
        self.took_s = took_s


class Browser:
    """A browser: one peer connection and its channels."""

    def __init__(self, *, framed: bool, protocol: str = "mixminus.v1") -> None:
        use_loopback()
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if framed:
            self.audio = self.pc.createDataChannel(
                "audio", ordered=False, maxPacketLifeTime=150, protocol=protocol
            )
            self.control = self.pc.createDataChannel("control")
        else:
            self.audio = self.control = self.pc.createDataChannel("audio")
        self.heard: list[bytes] = []
        """Binary messages."""
        self.messages: list[dict[str, Any]] = []
        """JSON messages."""
        self.closed = asyncio.Event()
        for channel in {self.audio, self.control}:
            self._listen(channel)

    def _listen(self, channel: RTCDataChannel) -> None:
        channel.on("message", self._receive)
        channel.on("close", self.closed.set)

    def _receive(self, message: bytes | str) -> None:
        if isinstance(message, bytes):
            self.heard.append(message)
        else:
            self.messages.append(json.loads(message))

    async def sdp(self) -> str:
        """The offer."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def accept(self, answer: str) -> float:
        """Take the answer; returns the seconds until all channels are open."""
        began_s = time.monotonic()
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(self._open, "the channels did not open")
        return time.monotonic() - began_s

    def _open(self) -> bool:
        return self.audio.readyState == "open" and self.control.readyState == "open"

    def say(self, **message: Any) -> None:
        """Send one JSON message."""
        self.control.send(json.dumps(message))

    def send_frame(self, seq: int, pcm: bytes, flags: int = 0, epoch: int = 0) -> None:
        """Send one frame of the framed protocol."""
        self.audio.send(frames.encode_audio(0, epoch, seq, flags, 0, pcm))

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """JSON messages with this ``type``."""
        return [message for message in self.messages if message["type"] == kind]

    async def receive(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for ``count`` JSON messages of a type."""
        enough = lambda: len(self.of_type(kind)) >= count  # noqa: E731
        await until(enough, f"too few {kind}", lambda: self.messages)
        return self.of_type(kind)

    def unplug(self) -> None:
        """Stop answering without a word, as a killed process does."""
        for protocol in self.pc.sctp.transport.transport._connection._protocols:
            protocol.transport.abort()

    async def close(self) -> None:
        """Leave."""
        await self.pc.close()


async def join(edges: Edges, *, framed: bool) -> tuple[Browser, Joined]:
    """A browser that is in the room: its welcome has come."""
    browser = Browser(framed=framed)
    joined = await edges.offer(await browser.sdp())
    assert isinstance(joined.reply, control.Answer), joined.reply
    await browser.accept(joined.reply.sdp)
    await browser.receive("welcome")
    return browser, joined


def use_loopback() -> None:
    """Let this process's peer connections use 127.0.0.1 only (aioice leaves it out)."""
    offer_addresses(lambda: ["127.0.0.1"])
