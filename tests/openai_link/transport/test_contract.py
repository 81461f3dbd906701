"""What holds for every transport, against the real simulator on loopback."""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from google_crc32c import value as crc32c

from mixer_core.bus.pcm import FRAME_MS, FRAME_NS
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.metrics import BOUNDS_MS, Histogram
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.media.quiet import ROOM_NOISE_PEAK, is_quiet
from openai_link.realtime.client_events import ClientEvents
from openai_link.realtime.session_object import session_object
from openai_link.realtime.upstream import Upstream
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.settings import SimulatorSettings
from openai_link.transport.event_socket import MAX_WAITING_AUDIO_MS
from openai_link.transport.factory import make_transport, open_http
from openai_link.transport.interface import Callbacks, TransportKind
from tests.openai_link.simulator.caller import run, simulator
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

LOUD = b"\x00\x20" * 480
LOG = logging.LoggerAdapter(logging.getLogger("mixminus.test_transport"), {})
KINDS: tuple[TransportKind, ...] = ("webrtc", "websocket")
both = pytest.mark.parametrize("kind", KINDS)


class Line:
    """A transport with its timer, and everything that it said."""

    def __init__(self, kind: TransportKind, url: str) -> None:
        self.settings = OpenaiLinkSettings()
        self.events = ClientEvents()
        upstream = Upstream("simulator", url, "sk-test", False, model=self.settings.model)
        self.http = open_http(upstream, self.settings)
        self.latency = Histogram()
        self.said: list[str] = []
        """Callbacks in order."""
        self.received: list[Mapping[str, Any]] = []
        self.losses: list[UpstreamError] = []
        self.loud = 0
        """Frames of audible sound."""
        self.quiet_run = 0
        """Frames since the last of them."""
        self.delivered = 0
        self.is_inside = False
        self.timer = LazyTimer(asyncio.get_running_loop(), self._tick)
        callbacks = Callbacks(
            on_answered=lambda: self._say("answered"),
            on_up=lambda: self._say("up"),
            on_event=self._event,
            on_audio=self._audio,
            on_delivered=self._delivered,
            on_lost=self._lost,
            on_change=lambda: self._say("change"),
        )
        self.transport = make_transport(
            kind, upstream, self.settings, self.http, self.latency, LOG, callbacks
        )

    def _say(self, what: str) -> None:
        assert not self.is_inside, f"{what} was said from within a call"
        self.said.append(what)
        self._rearm()

    def _event(self, event: Mapping[str, Any]) -> None:
        self.received.append(event)
        self._say(event["type"])

    def _audio(self, pcm: bytes, stamp_ns: int, now_ns: int, concealed: bool) -> None:
        assert len(pcm) == 960 and 0 < stamp_ns <= now_ns and not concealed
        is_loud = not is_quiet(pcm, ROOM_NOISE_PEAK)
        self.loud += is_loud
        self.quiet_run = 0 if is_loud else self.quiet_run + 1
        self._say("audio")

    def _delivered(self, item: str, samples: int) -> None:
        assert item
        self.delivered += samples
        self._say("delivered")

    def _lost(self, error: UpstreamError) -> None:
        self.losses.append(error)
        self._say("lost")

    def _rearm(self) -> None:
        timeout_ns = self.transport.next_timeout_ns()
        if timeout_ns is not None:
            self.timer.arm(timeout_ns)

    def _tick(self) -> None:
        self.transport.tick(time.monotonic_ns())
        self._rearm()

    @contextmanager
    def inside(self) -> Any:
        """Nothing may be called back in here."""
        self.is_inside = True
        yield
        self.is_inside = False
        self._rearm()

    async def connect(self) -> None:
        """Until the session is confirmed."""
        session = session_object(self.settings)
        await self.transport.connect(session)
        await until(
            lambda: "session.created" in self.said and "up" in self.said,
            "the session is not confirmed",
        )
        if self.transport.kind == "websocket":
            self.send(self.events.update_session(session))
            await until(lambda: "session.updated" in self.said, "the session is not updated")
        self.transport.start(time.monotonic_ns())

    def send(self, event: Mapping[str, Any]) -> None:
        with self.inside():
            assert self.transport.send(event)

    def speak(self, frames: int, late_ms: int = 0) -> None:
        """So many frames at once, each taken in ``late_ms`` ago."""
        with self.inside():
            for _ in range(frames):
                now_ns = time.monotonic_ns() - late_ms * MS_NS
                self.transport.frame(LOUD, now_ns, False, now_ns)

    @property
    def frames_sent(self) -> int:
        return self.transport.counters()["uplink_frames_total"]

    async def has_begun_to_send(self) -> None:
        """The first frame has left."""
        while not sum(self.latency.counts):
            self.speak(1)
            await until(
                lambda: self.transport.backlog_ms(time.monotonic_ns())[0] == 0,
                "the frame does not leave",
            )
        self.latency.counts = [0] * len(self.latency.counts)


@asynccontextmanager
async def connected(kind: TransportKind) -> AsyncIterator[Line]:
    """A transport with a confirmed session; the server answers with a tone of five seconds."""
    config = SimulatorSettings(brain="tone", think_ms=0)
    async with simulator(config) as (url, _):
        line = Line(kind, url)
        try:
            await line.connect()
            yield line
            assert not line.losses
        finally:
            await line.transport.close()
            said = len(line.said)
            line.transport.tick(time.monotonic_ns())
            await line.http.close()
            assert len(line.said) == said


@both
def test_the_answer_comes_first_then_the_media_then_the_session(kind: TransportKind) -> None:
    async def scenario() -> None:
        async with connected(kind) as line:
            told = [said for said in line.said if said not in ("change", "audio")]
            assert told[0] == "answered" and told.count("answered") == 1
            assert set(told[1:3]) == {"up", "session.created"} and told.count("up") == 1
            assert line.transport.simulated and line.transport.last_received_ns
            assert line.transport.call_id.startswith("rtc_") == (kind == "webrtc")

    run(scenario)


@both
def test_a_reply_that_is_cleared_falls_silent_and_says_so_once(kind: TransportKind) -> None:
    async def scenario() -> None:
        async with connected(kind) as line:
            line.send(line.events.create_response())
            await until(lambda: line.said.count("audio") > 20 and line.loud, "no reply is heard")
            assert line.said.count("output_audio_buffer.started") == 1
            assert (line.delivered > 0) == (kind == "websocket")
            with line.inside():
                line.transport.clear_output(line.events.clear_output())
            await until(lambda: "output_audio_buffer.cleared" in line.said, "nothing is cleared")
            (cleared,) = [e for e in line.received if e["type"] == "output_audio_buffer.cleared"]
            (created,) = [e for e in line.received if e["type"] == "response.created"]
            assert cleared["response_id"] == created["response"]["id"]
            if kind == "webrtc":  # The server goes on sending, silence from now on.
                await until(lambda: line.quiet_run > 25, "the reply goes on")
            else:
                loud = line.loud
                line.transport.tick(time.monotonic_ns() + 2 * S_NS)
                assert line.loud == loud
            assert "output_audio_buffer.stopped" not in line.said

    run(scenario)


@both
def test_the_latency_of_each_frame_that_leaves_is_taken_when_it_has_left(
    kind: TransportKind,
) -> None:
    """Frames that the pacer drops have none; a frame that was taken in late is late."""

    async def scenario() -> None:
        async with connected(kind) as line:
            await line.has_begun_to_send()
            sent = line.frames_sent
            line.speak(60, late_ms=70)
            left = line.frames_sent - sent
            assert 0 < left < 60  # 1.2 s at once: the rest is dropped.
            await until(
                lambda: sum(line.latency.counts) == left, "frames are not counted once each"
            )
            early = sum(line.latency.counts[: BOUNDS_MS.index(60.0)])
            assert early == 0

    run(scenario)


def test_only_audio_counts_as_backlog() -> None:
    async def scenario() -> None:
        async with connected("websocket") as line:
            await line.has_begun_to_send()
            for _ in range(40):
                line.send(line.events.user_text("Hello."))
            line.speak(3)
            assert line.transport.backlog_ms(time.monotonic_ns()) == (3 * FRAME_MS, 0)
            await until(
                lambda: line.transport.backlog_ms(time.monotonic_ns()) == (0, 0),
                "the backlog stays",
            )

    run(scenario)


def test_a_long_history_that_is_still_being_sent_leaves_room_for_audio() -> None:
    async def scenario() -> None:
        async with connected("websocket") as line:
            for _ in range(600):
                line.send(line.events.user_text("Hello."))
            line.speak(3)
            await until(
                lambda: line.said.count("conversation.item.done") == 600, "not all items arrive"
            )

    run(scenario)


def test_more_audio_than_the_network_takes_ends_the_connection() -> None:
    async def scenario() -> None:
        async with connected("websocket") as line:
            now_ns = time.monotonic_ns()
            with line.inside():
                for number in range(MAX_WAITING_AUDIO_MS // FRAME_MS + 10):
                    at_ns = now_ns + number * FRAME_NS
                    line.transport.frame(LOUD, at_ns, False, at_ns)
            assert line.transport.counters()["uplink_unsent_packets_total"]
            await until(lambda: line.losses, "the connection goes on")
            assert "does not take" in str(line.losses.pop()) and not line.losses

    run(scenario)


def test_what_is_sent_is_sent() -> None:
    """Even an event that a WebSocket session does not have: the server's word on it counts."""

    async def scenario() -> None:
        async with connected("websocket") as line:
            event = line.events.clear_output()
            line.send(event)
            await until(lambda: "error" in line.said, "the server does not answer")
            assert line.received[-1]["error"]["event_id"] == event["event_id"]

    run(scenario)


def test_a_connection_that_is_closed_while_it_is_made_says_nothing() -> None:
    async def scenario() -> None:
        async with simulator() as (url, _):
            for kind in KINDS:
                line = Line(kind, url)
                connecting = asyncio.create_task(
                    line.transport.connect(session_object(line.settings))
                )
                await asyncio.sleep(0)
                await line.transport.close()
                await asyncio.wait({connecting})
                connecting.cancelled() or connecting.exception()
                assert line.said == []
                await line.http.close()

    run(scenario)


def test_a_parameter_without_length_holds_no_call_up() -> None:
    """aiortc would read it again and again, until the memory is full."""

    async def scenario() -> None:
        async with connected("webrtc") as line:
            sctp: Any = line.transport._call._peer.sctp  # type: ignore[attr-defined]
            ports = sctp._remote_port, sctp._local_port, sctp._local_verification_tag
            head, chunk = struct.pack("!HHL", *ports), b"\x04\0\0\x08\0\x01\0\0"
            checksum = struct.pack("<L", crc32c(head + bytes(4) + chunk))
            await asyncio.wait_for(sctp._handle_data(head + checksum + chunk), 5)
            assert line.transport.bad_events == 1

    run(scenario)
