"""The gateway's Opus link for ``bench link``: its WebRTC transport, without a room around it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mixer_core.runtime import logs
from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.metrics import Histogram
from openai_link.realtime.session_object import session_object
from openai_link.realtime.upstream import Upstream
from openai_link.settings import OpenaiLinkSettings
from openai_link.transport.factory import open_http
from openai_link.transport.interface import Callbacks
from openai_link.transport.webrtc_transport import WebrtcTransport

UP_TIMEOUT_S = 15.0


class Arrivals(Protocol):
    """Knows when packets came off the socket."""

    def newest_arrival_ns(self, now_ns: int) -> int | None:
        """When the newest packet before ``now_ns`` came; None before the first."""


class OurLink:
    """A transport and its timer."""

    def __init__(self, wire: Arrivals, on_pcm: Callable[[int], None]) -> None:
        """``on_pcm`` is given the arrival time of each packet once its PCM is there."""
        self._settings = OpenaiLinkSettings(greet=False)
        self._wire, self._on_pcm = wire, on_pcm
        self._timer = LazyTimer(asyncio.get_event_loop(), self._on_time)
        self._up = asyncio.Event()
        self._transport: WebrtcTransport | None = None

    async def connect(self, url: str) -> None:
        """Connect to the server; returns when media can flow."""
        upstream = Upstream("bench", url, "none", False)
        transport = self._transport = WebrtcTransport(
            upstream,
            self._settings,
            open_http(upstream, self._settings),
            Histogram(),
            logs.get("bench"),
            Callbacks(
                on_answered=lambda: None,
                on_up=self._up.set,
                on_event=_ignore_event,
                on_audio=self._on_audio,
                on_delivered=lambda item, samples: None,
                on_lost=_ignore_loss,
                on_change=self._rearm,
            ),
        )
        await transport.connect(session_object(self._settings))
        await asyncio.wait_for(self._up.wait(), UP_TIMEOUT_S)
        transport.start(time.monotonic_ns())

    def speak(self, pcm: bytes) -> None:
        """Send 20 ms."""
        assert self._transport is not None
        now_ns = time.monotonic_ns()
        self._transport.frame(pcm, now_ns, False, now_ns)
        self._rearm()

    def _on_audio(self, pcm: bytes, arrived_ns: int, now_ns: int, concealed: bool) -> None:
        at_socket_ns = self._wire.newest_arrival_ns(arrived_ns)
        if at_socket_ns is not None and not concealed:
            self._on_pcm(at_socket_ns)

    def _on_time(self) -> None:
        assert self._transport is not None
        self._transport.tick(time.monotonic_ns())
        self._rearm()

    def _rearm(self) -> None:
        assert self._transport is not None
        due_ns = self._transport.next_timeout_ns()
        if due_ns is not None:
            self._timer.arm(due_ns)


def _ignore_event(event: Mapping[str, Any]) -> None:
    """Nothing here depends on what the server says."""


def _ignore_loss(error: UpstreamError) -> None:
    """The benchmark notices by the missing packets; at the end of a run it is expected."""
