"""Two devices with sound cards in one room, a guest, a gateway, and a server that speaks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any

from mixer_core.runtime.units import MS_NS

from .closing import Closing
from .gateway_process import GatewayProcess
from .helper_process import HelperError, HelperProcess
from .metrics_page import MetricsPage
from .sound_card import SoundCard

DEVICES = 2
NOISE_DBFS = -62.0
BEGIN_S = 6.0
"""A reply that was asked for has begun within this time."""
STILL_NS = 900 * MS_NS
"""After so much silence a reply is over, and its echo has been heard."""
LOOK_S = 0.1
SETTLE_S = 2.0
"""Buffers have their lengths, and noise is known."""


class Notes:
    """What the server noted, from ``look`` to ``look``."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, bool]] = []
        self.sent: list[tuple[int, float]] = []
        self.heard: list[tuple[int, float]] = []

    def add(self, told: dict[str, Any]) -> None:
        """One look."""
        self.events += [(kind, at_ns, speaks) for kind, at_ns, speaks in told["events"]]
        self.sent += [(at_ns, level) for at_ns, level in told["sent"]]
        self.heard += [(at_ns, level) for at_ns, level in told["heard"]]

    def times_ns(self, kind: str, speaks: bool | None = None) -> list[int]:
        """When events of a type happened, while the assistant spoke or not; None: either."""
        found: Iterable[tuple[str, int, bool]] = (one for one in self.events if one[0] == kind)
        return [at_ns for _, at_ns, spoke in found if speaks in (None, spoke)]


class DevicesRig(Closing):
    """``with DevicesRig() as rig: rig.open(detector=True); rig.replies(40)``."""

    def __init__(self, reply_ms: int) -> None:
        """``reply_ms``: how long the assistant speaks."""
        self._reply_ms = reply_ms
        self._stack = ExitStack()
        self._gateway: GatewayProcess | None = None

    def start(self) -> None:
        """Sound servers, browsers and the server of the assistant. Raises BenchmarkError."""
        cards = [self._stack.enter_context(SoundCard()) for _ in range(DEVICES)]
        servers = [card.server for card in cards]
        words = f"--reply-ms={self._reply_ms}"
        self.server = self._helper("benchmarks.rig.spoken_upstream", words)
        self._port = int(self.server.ask("port"))
        self.air = self._helper("benchmarks.rig.air_process")
        self.air.ask("open", servers=servers, noise_dbfs=NOISE_DBFS)
        self.pages = self._helper("benchmarks.rig.device_pages")
        self.pages.ask("start", servers=servers)

    def close(self) -> None:
        """End everything."""
        self.shut()
        self._stack.close()

    def open(self, *, detector: bool) -> None:
        """A new gateway."""
        self.shut()
        self._gateway = GatewayProcess(
            self._port,
            OPENAI_LINK__GREET=0,
            SIGNALING__REFUSE_WHEN_BUSY=0,
            MIXER_CORE__ECHO_DETECTOR=int(detector),
        )
        self._gateway.start()

    def join(self, room: str, *, raw: bool) -> None:
        """All join a room; it is quiet, and loudspeakers are heard by nobody."""
        assert self._gateway is not None
        self.air.ask("talk", voices=[], dbfs=0, talk_frames=1, pause_frames=0)
        self.air.ask("air", cross_db=None, own_db=None, lag_ms=0)
        self.server.ask("style", style="answer")
        self.pages.ask("join", url=self._gateway.url, room=room, raw=raw)
        time.sleep(SETTLE_S)

    def shut(self) -> None:
        """All leave, and the gateway ends."""
        gateway, self._gateway = self._gateway, None
        if gateway is None:
            return
        with suppress(HelperError):  # Else it is ended with the rest.
            self.pages.ask("leave")
        gateway.close()

    def look(self, notes: Notes) -> tuple[dict[str, Any], dict[str, Any]]:
        """What air and pages saw since the last look; the server's notes go into ``notes``."""
        notes.add(self.server.ask("look"))
        return self.air.ask("look"), self.pages.ask("look")

    def metrics(self) -> MetricsPage:
        """The gateway's counters, a second old at most."""
        assert self._gateway is not None
        return self._gateway.metrics()

    def reply(self, notes: Notes) -> None:
        """One reply, if the assistant is not speaking already, and the silence after it."""
        if not self._waits(notes, until_still=False, patience_s=0.0):
            self.pages.ask("ask", text="Say something.")
            self._waits(notes, until_still=False, patience_s=BEGIN_S)
        patience_s = 2 * self._reply_ms / 1_000 + BEGIN_S
        self._waits(notes, until_still=True, patience_s=patience_s)

    def pause(self, seconds: float, notes: Notes) -> None:
        """Let time pass."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(1.0, left_s))
            notes.add(self.server.ask("look"))

    def _waits(self, notes: Notes, *, until_still: bool, patience_s: float) -> bool:
        """Whether the assistant is silent, or speaks, within that time."""
        end_s = time.monotonic() + patience_s
        while True:
            told = self.server.ask("look")
            notes.add(told)
            if (told["still_ns"] > STILL_NS) == until_still:
                return True
            if time.monotonic() > end_s:
                return False
            time.sleep(LOOK_S)

    def _helper(self, *words: str) -> HelperProcess:
        helper = HelperProcess(*words)
        self._stack.callback(helper.close)
        return helper
