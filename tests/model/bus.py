"""The wire between the processes, simulated: its caps, its losses, its reconnections.

It replaces what the programs' own clients stand on: ``_Line`` beneath ``AudioPush`` and
``AudioSub``, and ``DrainedSocket`` of the control socket. Messages of one connection stay in order;
a connection ends with either process, and what was on its way with it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mixer_core.bus.endpoints import CONTROL, Endpoint
from mixer_core.runtime.units import MS_NS, S_NS

from .clock import Process, VirtualLoop, this_process

RECONNECT_NS = 20 * MS_NS
"""Longest wait between two attempts."""
HANDSHAKE_NS = 1 * MS_NS


@dataclass
class Weather:
    """How messages fare, until the sky clears."""

    loss: float = 0.0
    double: float = 0.0
    late: float = 0.0
    """Share of messages that take ``late_ns``; what is behind them waits."""
    late_ns: int = 30 * MS_NS

    def clear(self) -> None:
        """From now on the wire is good."""
        self.loss = self.double = self.late = 0.0


class Wire:
    """All connections."""

    def __init__(self, loop: VirtualLoop, source: random.Random) -> None:
        self.loop = loop
        self.random = source
        self.audio_weather, self.control_weather = Weather(), Weather()
        self.mixer: Process | None = None
        self.on_frame: Callable[[bytes], None] = _nowhere
        self.router: Drained | None = None
        self.lines: list[Line] = []
        self.dealers: list[Drained] = []
        self.dropped = 0

    # -- audio ------------------------------------------------------------------------------------

    def mixer_up(self, process: Process, on_frame: Callable[[bytes], None]) -> None:
        """The mixer has bound its sockets."""
        self.mixer, self.on_frame = process, on_frame
        process.at_death.append(self._mixer_down)
        for line in list(self.lines):
            line.connect(RECONNECT_NS)

    def _mixer_down(self) -> None:
        self.mixer = None
        for line in list(self.lines):
            line.lose()

    def publish(self, message: bytes) -> None:
        """The mixer says something to whoever listens."""
        for line in list(self.lines):
            if line.topic is not None and message.startswith(line.topic) and line.is_ready:
                line.publish(message)

    def line(
        self,
        _: Any,
        __: Path,
        endpoint: Endpoint,
        ___: str,
        on_message: Callable[[bytes], None],
        on_ready: Callable[[], None],
        first_message: bytes | None = None,
    ) -> Line:
        """In place of ``audio_client._Line``."""
        return Line(self, endpoint, on_message, on_ready, first_message)

    # -- control ----------------------------------------------------------------------------------

    def open_socket(self, _: Any, endpoint: Any, __: Path, side: str, identity: str = "") -> Any:
        """In place of ``endpoints.open_socket``."""
        assert endpoint is CONTROL
        return SimpleNamespace(side=side, identity=identity)

    def drained(
        self,
        loop: Any,
        socket: Any,
        on_message: Callable[[list[bytes]], None],
        on_writable: Callable[[], None] | None = None,
    ) -> Drained:
        """In place of ``DrainedSocket``."""
        return Drained(self, socket.side, socket.identity.encode(), on_message, on_writable)


def _nowhere(_: bytes) -> None:
    """No mixer."""


class _Lane:
    """Messages on their way to one process: in order, few, and lost with it."""

    def __init__(self, wire: Wire, weather: Weather, cap: int) -> None:
        self._wire, self._weather, self._cap = wire, weather, cap
        self._under_way = 0
        self._last_ns = 0
        self.generation = 0

    def put(self, to: Process, take: Callable[[], None]) -> bool:
        """Have ``take`` called there in a while; False where the lane is full."""
        wire, weather = self._wire, self._weather
        if self._under_way >= self._cap:
            wire.dropped += 1
            return False
        chance = wire.random.random()
        if chance < weather.loss:
            return True
        self._send(to, take)
        if chance > 1 - weather.double:
            self._send(to, take)
        return True

    def _send(self, to: Process, take: Callable[[], None]) -> None:
        wire, weather = self._wire, self._weather
        delay_ns = wire.random.randrange(50_000, 600_000)
        if wire.random.random() < weather.late:
            delay_ns += wire.random.randrange(weather.late_ns)
        self._last_ns = max(self._last_ns + 1_000, wire.loop.now_ns + delay_ns)
        self._under_way += 1
        generation = self.generation

        def arrive() -> None:
            if generation == self.generation:
                self._under_way -= 1
                take()

        wire.loop.call_at(self._last_ns / S_NS, arrive, context=to.context.copy())

    def cut(self) -> None:
        """What is on its way is lost."""
        self.generation += 1
        self._under_way = 0


class Line:
    """In place of ``audio_client._Line``: a connection to the mixer, made again when it is lost."""

    def __init__(
        self,
        wire: Wire,
        endpoint: Endpoint,
        on_message: Callable[[bytes], None],
        on_ready: Callable[[], None],
        first_message: bytes | None = None,
    ) -> None:
        self.wire = wire
        self.process = this_process()
        self.topic = None if first_message is None else first_message[1:]
        """Of a SUB."""
        self._on_message, self._on_ready = on_message, on_ready
        self._ready_ns: int | None = None
        self._lane = _Lane(wire, wire.audio_weather, endpoint.high_water_mark)
        self._is_closed = False
        wire.lines.append(self)
        self.process.at_death.append(self.close)
        if wire.mixer is not None:
            self.connect(0)

    @property
    def is_ready(self) -> bool:
        """Messages can be sent."""
        return (
            not self._is_closed
            and self._ready_ns is not None
            and self.wire.loop.now_ns >= self._ready_ns
        )

    def connect(self, within_ns: int) -> None:
        """The mixer is there: found at the next attempt."""
        wait_ns = self.wire.random.randrange(within_ns + 1) + HANDSHAKE_NS
        ready_ns = self._ready_ns = self.wire.loop.now_ns + wait_ns

        def greet() -> None:
            if self._ready_ns == ready_ns and not self._is_closed:
                self._on_ready()

        self.wire.loop.call_at((ready_ns + 1) / S_NS, greet, context=self.process.context.copy())

    def lose(self) -> None:
        """The mixer is gone."""
        self._ready_ns = None
        self._lane.cut()

    def follow(self) -> None:
        """A path leads to one mixer at a time here."""

    def send(self, message: bytes) -> bool:
        """To the mixer."""
        wire = self.wire
        if not self.is_ready or wire.mixer is None:
            return False
        return self._lane.put(wire.mixer, lambda: wire.on_frame(message))

    def publish(self, message: bytes) -> None:
        """From the mixer."""
        self._lane.put(self.process, lambda: self._take(message))

    def _take(self, message: bytes) -> None:
        if not self._is_closed:
            self._on_message(message)

    def close(self) -> None:
        """This end is gone; what a process that lives has sent still arrives."""
        self._is_closed = True
        if self in self.wire.lines:
            self.wire.lines.remove(self)


class Drained:
    """``DrainedSocket``: signaling's ROUTER, or a DEALER."""

    def __init__(
        self,
        wire: Wire,
        side: str,
        identity: bytes,
        on_message: Callable[[list[bytes]], None],
        on_writable: Callable[[], None] | None = None,
    ) -> None:
        self._wire = wire
        self.identity = identity
        self.process = this_process()
        self.take = on_message
        self._on_writable = on_writable
        self._lanes: dict[bytes, _Lane] = {}
        self._dealers: dict[bytes, Drained] = {}
        self._ready_ns = wire.loop.now_ns + HANDSHAKE_NS
        self._lane = _Lane(wire, wire.control_weather, CONTROL.high_water_mark)
        self._knows: Drained | None = None
        """The ROUTER that this DEALER has found."""
        self.is_closed = False
        self.process.at_death.append(self.close)
        if side == "bind":
            wire.router = self
            for dealer in list(wire.dealers):
                dealer.find(self)
        else:
            wire.dealers.append(self)
            if wire.router is not None:
                self.find(wire.router)

    def send(self, *parts: bytes) -> bool:
        """As the real one."""
        return self._to_dealer(*parts) if len(parts) > 1 else self._to_router(parts[0])

    def close(self) -> None:
        """Also when its process dies."""
        self.is_closed = True
        if self._wire.router is self:
            self._wire.router = None
        elif self._knows is not None:
            self._knows._dealers.pop(self.identity, None)
        if self in self._wire.dealers:
            self._wire.dealers.remove(self)

    def find(self, router: Drained) -> None:
        """A ROUTER is there: this DEALER reaches it at its next attempt."""
        wire = self._wire
        self._knows = router
        self._lane.cut()
        wait_ns = wire.random.randrange(RECONNECT_NS) + HANDSHAKE_NS
        self._ready_ns = wire.loop.now_ns + wait_ns

        def greet() -> None:
            if self._knows is router and not router.is_closed and not self.is_closed:
                router._dealers[self.identity] = self
                if self._on_writable is not None:
                    self._on_writable()

        at_s = (self._ready_ns + 1) / S_NS
        wire.loop.call_at(at_s, greet, context=self.process.context.copy())

    def _to_router(self, data: bytes) -> bool:
        wire, router = self._wire, self._wire.router
        if router is None or self.is_closed or self._knows is not router:
            return False
        if wire.loop.now_ns < self._ready_ns:
            return False
        router._dealers[self.identity] = self
        return self._lane.put(router.process, lambda: self._arrive(router, data))

    def _arrive(self, router: Drained, data: bytes) -> None:
        if not router.is_closed:
            router.take([self.identity, data])

    def _to_dealer(self, identity: bytes, data: bytes) -> bool:
        dealer = self._dealers.get(identity)
        if dealer is None or dealer.is_closed:
            return False
        lane = self._lanes.setdefault(
            identity, _Lane(self._wire, self._wire.control_weather, CONTROL.high_water_mark)
        )

        def arrive() -> None:
            if not dealer.is_closed:
                dealer.take([data])

        return lane.put(dealer.process, arrive)
