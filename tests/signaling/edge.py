"""The edge of signaling for tests: the real application on a free port, fakes behind the ROUTER."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import zmq

from mixer_core.audio_server import AudioServer
from mixer_core.bus.control import (
    Answer,
    Forget,
    Forgotten,
    Heartbeat,
    Leave,
    LinkState,
    Message,
    Offer,
    OpenLink,
    PictureAnswer,
    PicturePiece,
    Refused,
    WorkerState,
)
from mixer_core.bus.control_client import ControlClient
from mixer_core.runtime import logs
from mixer_core.runtime.room_rules import Rooms
from mixer_core.runtime.settings import RuntimeSettings
from signaling.access.gate import Gate
from signaling.access.ledger import Ledger
from signaling.access.owners import Owners
from signaling.gateway import Gateway
from signaling.http import listeners
from signaling.http.api import HttpApi, PageParts
from signaling.http.pages import Pages
from signaling.http.transcript_pages import TranscriptReader
from signaling.options import Options
from signaling.settings import AssistantSettings, NetworkSettings, Settings, SignalingSettings
from tests.support.waiting import until

SDP = "v=0\r\ns=-\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
_numbers = itertools.count(1)


Test = Callable[..., Awaitable[None]]


def asynchronous(test: Test) -> Callable[..., None]:
    """Run an async test in a loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))  # type: ignore[arg-type]

    return run


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes

    @property
    def content_type(self) -> str:
        """Without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0]

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def problem(answer: HttpAnswer, status: int) -> dict[str, Any]:
    """The problem details of an error."""
    content: dict[str, Any] = answer.json()
    assert answer.status == status, content
    assert answer.content_type == "application/problem+json"
    assert content["status"] == status
    assert content["title"] and content["detail"] and content["type"]
    return content


class FakeChild:
    """A worker or link child that speaks DEALER and does nothing else."""

    def __init__(self, edge: Edge, kind: str, reaction: str = "answer") -> None:
        """``reaction`` of a worker to an offer: ``answer``, ``refuse`` or ``ignore``."""
        self.kind = kind
        self.reaction = reaction
        self.received: list[Message] = []
        number = next(_numbers)
        self.identity = f"{kind}-{number}"
        self.state: WorkerState | LinkState = (
            WorkerState(self.identity, number, "idle")
            if kind == "worker"
            else LinkState(self.identity, number, "idle")
        )
        self.client = ControlClient(
            edge.context, edge.dir, self.identity, lambda: self.state, self._receive, edge.log
        )

    def set(self, **changes: Any) -> None:
        """Change the state and announce it."""
        self.state = dataclasses.replace(self.state, **changes)
        self.client.announce()

    def _receive(self, message: Message) -> None:
        self.received.append(message)
        if isinstance(message, Offer) and self.reaction == "answer":
            given = {name: getattr(message, name) for name in ("room", "participant", "stream")}
            self.set(status="connecting", name=message.name, mode=message.mode, **given)
            self.client.send(Answer(message.participant, f"v=0 answer to {message.name}"))
            self.set(status="connected")
        elif isinstance(message, Offer) and self.reaction == "refuse":
            self.client.send(Refused(message.participant, 400, "Bad SDP", "no fingerprint"))
        elif isinstance(message, PicturePiece):
            if self.reaction == "answer" and message.index + 1 == message.pieces:
                self.client.send(PictureAnswer(message.upload, 202))
        elif isinstance(message, Forget):
            if self.reaction == "answer":
                self.client.send(Forgotten(message.order))
            else:
                self.set(status="closed")
        elif isinstance(message, OpenLink):
            self.set(status="ready", room=message.room, stream=message.stream)
        elif isinstance(message, Leave):
            self.set(status="closed")


class Edge:
    """A running application and its fakes."""

    def __init__(self, folder: Path, settings: Settings, env: dict[str, str]) -> None:
        self.dir = folder
        self.settings = settings
        self.env = env
        self.log = logs.get("signaling")
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.clients: list[ControlClient] = []
        self.url = ""
        self.port = 0
        self.http: aiohttp.ClientSession
        self.mixer: AudioServer | None = None

    async def start(self, web: Path | None = None, rebuild_ms: int = 0) -> None:
        """Open the port and the control socket."""
        self.ledger = Ledger(self.settings.state_dir)
        gate = Gate(self.settings.signaling, self.env, self.ledger)
        self.gate = gate
        self.owners = Owners(lambda: gate.desk.key)
        verdict = lambda subject, room: gate.desk.verdict(subject, room, int(time.time()))  # noqa: E731
        options = Options(rebuild_ms * 1_000_000, gate.guarded, verdict)
        (socket,) = listeners.bind("127.0.0.1", self.port)
        self.port = socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.gateway = Gateway(self.context, self.settings, self.log, self.url, options)
        pages = Pages(web) if web else Pages()
        self.transcripts = TranscriptReader(self.settings.state_dir, self.log)
        parts = await self.extended(PageParts(pages, self.transcripts))
        api = HttpApi(self.gateway, gate, self.settings.signaling, self.log, parts)
        self.listener = listeners.Listener(api.application())
        await self.listener.start([socket])

    async def extended(self, parts: PageParts) -> PageParts:
        """What else the application serves."""
        return parts

    async def stop(self) -> None:
        """As the service does it."""
        self.gateway.close()
        await self.listener.stop()
        self.transcripts.close()

    def add(self, kind: str, reaction: str = "answer") -> FakeChild:
        """A child that is idle."""
        child = FakeChild(self, kind, reaction)
        self.clients.append(child.client)
        return child

    def program(self, name: str, **beat: Any) -> ControlClient:
        """A program that beats; the mixer listens, too."""
        if name == "mixer_core":
            self.mixer = AudioServer(self.dir)
        state = Heartbeat(name, 1, beat.pop("ready", True), **beat)
        client = ControlClient(
            self.context, self.dir, name, lambda: state, lambda _: None, self.log
        )
        self.clients.append(client)
        return client

    async def idle(self, workers: int = 0, links: int = 0) -> None:
        """Wait until so many children are known to be idle."""

        def known() -> bool:
            page = self.gateway.metrics_page().decode()
            return (
                f'mixminus_workers_idle{{program="signaling"}} {workers}.0' in page
                and f'mixminus_links_idle{{program="signaling"}} {links}.0' in page
            )

        await until(known, "the children did not announce themselves")

    async def join(self, room: str = "home", **more: Any) -> HttpAnswer:
        """POST an offer."""
        more = {"data": SDP, "headers": {"Content-Type": "application/sdp"}} | more
        return await self.request("POST", f"/rooms/{room}/participants", **more)

    async def until_get(self, path: str, condition: Callable[[HttpAnswer], bool]) -> HttpAnswer:
        """GET again and again until ``condition`` holds for the answer."""

        async def wanted() -> HttpAnswer | None:
            answer = await self.request("GET", path)
            return answer if condition(answer) else None

        return await until(wanted, f"{path} does not show it", self.gateway.rooms)

    async def request(self, method: str, path: str, **more: Any) -> HttpAnswer:
        """Any request."""
        async with self.http.request(method, self.url + path, **more) as answer:
            return HttpAnswer(answer.status, answer.headers, await answer.read())


@asynccontextmanager
async def running(
    folder: Path,
    env: dict[str, str] | None = None,
    web: Path | None = None,
    network: NetworkSettings | None = None,
    pictures: AssistantSettings | None = None,
    rooms: Rooms | None = None,
    make: Callable[[Path, Settings, dict[str, str]], Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Edge]:
    """An application with ``settings`` of [signaling], gone afterwards.

    ``make``: an ``Edge`` of another kind.
    """
    own = {"refuse_when_busy": False} | settings  # Tests run on machines that are busy.
    section = replace(SignalingSettings(), **own)
    runtime = RuntimeSettings(str(folder), str(folder / "state"))
    views = (network or NetworkSettings(), pictures or AssistantSettings())
    all_settings = Settings(runtime, section, *views, rooms=rooms or Rooms())
    edge: Edge = (make or Edge)(folder, all_settings, env or {})
    await edge.start(web)
    async with aiohttp.ClientSession() as edge.http:
        try:
            yield edge
        finally:
            for client in edge.clients:
                client.close()
            if edge.mixer is not None:
                edge.mixer.close()
            await edge.stop()
            edge.context.destroy(linger=0)
