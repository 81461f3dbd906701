"""What the servers of a room's sessions bring its engine: each session's transport is made here.

A frame of the reply takes the short way: it goes straight to the mixer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import aiohttp

from mixer_core.runtime.errors import UpstreamError

from ..realtime.upstream import Upstream
from ..settings import OpenaiLinkSettings
from ..transport.factory import make_transport
from ..transport.interface import Callbacks
from ..transport.ways import Ways
from .actions import OpenSession
from .deeds import Doers
from .driver import Driver
from .ownership import Ownership


class SessionFeed:
    """Of one room."""

    def __init__(
        self,
        upstream: Upstream,
        settings: OpenaiLinkSettings,
        http: aiohttp.ClientSession,
        ways: Ways,
        driver: Driver,
        ownership: Ownership,
        doers: Doers,
    ) -> None:
        """``ways``: how the server takes calls, as far as it is known."""
        self._upstream, self._settings = upstream, settings
        self._http, self._ways, self._log = http, ways, driver.log
        self._driver, self._engine, self._ownership = driver, driver.engine, ownership
        self._transports = doers.transports
        self._mixer, self._recorder = doers.mixer, doers.recorder
        self._is_guarded = ownership.is_guarded
        self._uplink_latency = driver.engine.metrics.histogram("uplink_latency_ms")
        self._downlink_latency = driver.engine.metrics.histogram("downlink_latency_ms")

    def use_model(self, model: str) -> None:
        """Sessions are opened with this model from now on, where they name no other one."""
        self._upstream = replace(self._upstream, model=model)

    def open(self, action: OpenSession) -> None:
        """Make the session's transport, and connect it."""
        number = action.session
        self._ownership.before_opening()
        model = str(action.description.get("model") or self._upstream.model)
        callbacks = Callbacks(
            on_answered=partial(self._answered, number),
            on_up=partial(self._up, number),
            on_event=partial(self._event, number),
            on_audio=partial(self._reply_audio, number),
            on_delivered=partial(self._delivered, number),
            on_lost=partial(self._lost, number),
            on_change=self._driver.arm,
        )
        transport = make_transport(
            action.kind,
            replace(self._upstream, model=model),
            self._settings,
            self._http,
            self._uplink_latency,
            self._log,
            callbacks,
            self._ways,
        )
        self._transports.open(number, transport, action.description, callbacks.on_lost)

    def _answered(self, session: int) -> None:
        self._ownership.look()
        if self._transports.get(session) is None:
            return
        transport, now_ns = self._transports[session], time.monotonic_ns()
        self._driver.did(
            self._engine.session_answered(
                session, transport.simulated, now_ns, knows_session=transport.knows_session
            )
        )

    def _up(self, session: int) -> None:
        self._ownership.look()
        self._driver.did(self._engine.session_up(session, time.monotonic_ns()))

    def _event(self, session: int, event: Mapping[str, Any]) -> None:
        if self._is_guarded:
            self._ownership.look()
        self._driver.did(self._engine.server_event(session, event, time.monotonic_ns()))

    def _reply_audio(
        self, session: int, pcm: bytes, stamp_ns: int, now_ns: int, concealed: bool
    ) -> None:
        if self._is_guarded:
            self._ownership.look()
        frame = self._engine.reply_audio(session, pcm, stamp_ns, concealed, now_ns)
        if frame is not None:
            pcm = self._recorder.voice(frame.pcm, now_ns)
            self._mixer.audio(pcm, frame.flags, frame.stamp_ns)
            self._downlink_latency.observe_ns(time.monotonic_ns() - frame.stamp_ns)
        if self._engine.has_heard:
            self._driver.did(self._engine.tick(now_ns))

    def _delivered(self, session: int, item: str, samples: int) -> None:
        self._engine.samples_delivered(session, item, samples, time.monotonic_ns())

    def _lost(self, session: int, error: UpstreamError) -> None:
        self._driver.did(self._engine.session_lost(session, error, time.monotonic_ns()))
