"""What the mixer brings a room's engine: the room's sound, single voices, people and their events.

A frame of the room takes the short way: it goes straight to the transport of the session that has
the room.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mixer_core.bus.control import OpenLink
from mixer_core.bus.events import StreamInfo
from mixer_core.bus.frames import FLAG_PAUSE, Frame
from mixer_core.bus.pcm import FRAME_BYTES

from .driver import Driver
from .mixer_client import MixerClient
from .ownership import Ownership
from .transports import RoomTransports


class MixerFeed:
    """Of one room; has its mixer client."""

    def __init__(
        self,
        order: OpenLink,
        runtime_dir: Path,
        driver: Driver,
        ownership: Ownership,
        transports: RoomTransports,
        on_track: Callable[[Frame], None],
    ) -> None:
        """``on_track``: gets 20 ms of one voice by itself, where they are wanted."""
        self._driver, self._engine = driver, driver.engine
        self._ownership, self._transports = ownership, transports
        self._is_guarded = ownership.is_guarded
        info = StreamInfo("link", order.room, mode=order.mode, opened_ns=time.monotonic_ns())
        self.mixer = MixerClient(
            runtime_dir,
            order.stream,
            info,
            self._room_audio,
            self._event,
            driver.log,
            driver.arm,
            on_track,
        )

    def voice(self, frame: Frame) -> None:
        """20 ms of one voice by itself, for its own words."""
        if not self._engine.hears_voices:
            return
        if self._is_guarded:
            self._ownership.look()
            if self._ownership.is_paused:
                return
        who = frame.payload[FRAME_BYTES:].decode(errors="replace")
        if who:
            now_ns = time.monotonic_ns()
            self._driver.do(self._engine.voice_frame(who, frame.payload[:FRAME_BYTES], now_ns))

    def _room_audio(self, frame: Frame) -> None:
        if self._is_guarded:
            self._ownership.look()
        now_ns = time.monotonic_ns()
        self._engine.room_slot(frame.seq, now_ns)
        number, actions = self._engine.room_audio(frame.payload, frame.flags, now_ns)
        transport = self._transports.get(number)
        if transport is not None:
            pause = bool(frame.flags & FLAG_PAUSE)
            transport.frame(frame.payload, frame.stamp_ns, pause, now_ns)
            self._driver.arm_by(transport.next_timeout_ns())
        if actions:
            self._driver.did(actions)

    def _event(self, event: dict[str, Any]) -> None:
        self._ownership.look()
        now_ns = time.monotonic_ns()
        self._engine.mixer_epoch(self.mixer.epoch)
        match event["type"]:
            case "speech":
                actions = self._engine.speech(event, now_ns)
                if not actions:
                    return
                self._driver.do(actions)
            case "identify":
                pass
            case "participants":
                self._driver.do(self._engine.roster(event, now_ns))
            case "confirm" if self._ownership.is_paused:
                pass  # Another machine may have the room, and asks for itself.
            case _:
                self._driver.do(self._engine.browser_event(event, now_ns))
        self._driver.arm()
