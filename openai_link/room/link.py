"""One room's link: its line to the mixer, its life cycle, its memory, and its calls."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from mixer_core.bus.control import LinkStatus, OpenLink
from mixer_core.bus.events import StreamInfo
from mixer_core.bus.frames import Frame
from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.metrics import Metrics

from ..mixer_client import MixerClient
from ..realtime.problems import Problem
from ..realtime.session_object import ClientEvents, Upstream
from ..settings import Settings
from ..transport import selection_memory
from ..transport.interface import TransportKind
from ..transport.selection import TransportSelection
from ..turns.actions import sender_of
from .calls import Calls
from .lifecycle import (
    CloseCall,
    Exit,
    Lifecycle,
    LifecycleAction,
    Limits,
    OpenCall,
    Report,
    StateChanged,
)
from .notices import Notices
from .room import Room

WATCH_S = 1.0
"""Between two looks at whether the server was heard."""

_SHOWN: dict[str, str] = {"idle": "connecting", "closed": "reconnecting"}
"""States that browsers know by another name: a link that ends is followed by another one."""


class Link:
    """Feeds the life cycle, carries out its actions, re-arms one timer."""

    def __init__(
        self,
        order: OpenLink,
        upstream: Upstream,
        settings: Settings,
        log: logging.LoggerAdapter[logging.Logger],
        on_change: Callable[[], None],
        on_exit: Callable[[], None],
    ) -> None:
        """``on_change``: announce the state. ``on_exit``: the room is empty, end the process."""
        self._runtime_dir = settings.runtime_dir
        self._greet = settings.openai_link.greet
        self._log = log
        self._on_change = on_change
        self._on_exit = on_exit
        loop = asyncio.get_running_loop()
        self._timer = LazyTimer(loop, self._on_time)
        now_ns = time.monotonic_ns()
        section = settings.openai_link
        self._ways = TransportSelection(
            section, selection_memory.remembered_ns(self._runtime_dir, now_ns)
        )
        self._life = Lifecycle(Limits.of(section), self._ways)
        self._is_over = False
        self._is_spent = False
        """The budget ended the last call."""
        self.metrics = Metrics()
        info = StreamInfo("link", order.room, mode=order.mode)
        self._line = MixerClient(
            settings.runtime_dir, order.stream, info, self._audio, self._event, log
        )
        self._notices = Notices(self._line, self._state, self._audience)
        self._room = Room(order.room, settings, self, log, simulated=upstream.simulated)
        self._calls = Calls(
            upstream, section, self._line, self.metrics, self._room, self._ways, self, log
        )
        self._watch = loop.create_task(self._watch_server())
        self._act(self._life.open(now_ns))

    @property
    def status(self) -> LinkStatus:
        """For signaling."""
        return self._life.state

    @property
    def detail(self) -> str:
        """Why it is so, in words."""
        return self._life.detail

    def update_metrics(self) -> None:
        """Refresh ``metrics``."""
        values = self.metrics.values
        values.update(self._calls.counters())
        values.update(self._room.spending.metrics())
        up_ms, down_ms = self._calls.backlog_ms(time.monotonic_ns())
        values["uplink_backlog_ms"], values["downlink_backlog_ms"] = up_ms, down_ms
        values["downlink_frames_total"] = self._line.sent
        values["mixer_dropped_messages_total"] = self._line.dropped
        values["mixer_bad_messages_total"] = self._line.bad
        values["mixer_unsent_events_total"] = self._line.unsent_events
        values["calls_total"] = self._life.attempts
        values["epoch"] = self._line.epoch

    async def close(self) -> None:
        """End the call and say STOP; bounded by the caller."""
        self._watch.cancel()
        self._timer.close()
        self._notices.close()
        self._act(self._life.stop())
        try:
            await asyncio.gather(self._calls.close(), self._room.close(self._is_over))
        finally:
            self._line.close()
            await self._calls.close_http()

    # -- the life cycle -------------------------------------------------------------------------

    def _on_time(self) -> None:
        now_ns = time.monotonic_ns()
        try:
            self._line.tick(now_ns)
            self._calls.tick(now_ns)
            self._room.tools.tick(now_ns)
            self._act(self._life.tick(now_ns, random.random()))
        finally:  # Whatever went wrong (the loop logs it), time goes on.
            self.changed()

    def changed(self) -> None:
        """A time-out may have moved."""
        if self._life.state == "closed":
            return
        deadline_ns = self._line.next_timeout_ns()
        for part in (self._life, self._calls, self._room.tools):
            part_ns = part.next_timeout_ns()
            if part_ns is not None and part_ns < deadline_ns:
                deadline_ns = part_ns
        self._timer.arm(deadline_ns)

    def _act(self, actions: list[LifecycleAction]) -> None:
        for action in actions:
            match action:
                case OpenCall(_, kind):
                    self._open_call(kind)
                case CloseCall(reason):
                    self._calls.end(reason)
                case StateChanged(state, detail):
                    self._log.info("= %s %s", state, detail)
                    self._notices.state()
                    self._on_change()
                case Report():
                    self._notices.report(action)
                case Exit(reason):
                    self._is_over = reason != "stopped"
                    if self._is_over:
                        self._room.over()
                    self._on_exit()
        self.changed()

    def _open_call(self, kind: TransportKind) -> None:
        problem = self._budget_problem()
        if problem is None:
            self._calls.open(kind)
        else:
            self.stop(problem)

    def _budget_problem(self) -> Problem | None:
        """Why there is no money for a call today; None: there is."""
        return self._room.spending.blocked(int(time.time() * 1000))

    async def _watch_server(self) -> None:
        """Look once a second whether the server is there, and whether a new day has money."""
        while True:
            await asyncio.sleep(WATCH_S)
            heard_ns = self._calls.heard_ns()
            if heard_ns:
                self._life.heard(heard_ns)
            if self._is_spent and self._budget_problem() is None:
                self._is_spent = False
                self._act(self._life.retry(time.monotonic_ns()))

    # -- what the calls meet (CallsOwner) -------------------------------------------------------

    def call_answered(self) -> None:
        """The server has taken the call."""
        self._life.answered()

    def call_ready(self) -> None:
        """The room has a call again."""
        self._act(self._life.connected(time.monotonic_ns()))
        selection_memory.remember(self._runtime_dir, self._ways.websocket_until_ns)
        self._greet_audience()

    def call_failed(self, problem: Problem) -> None:
        """The call could not be made, or was lost."""
        self._act(self._life.failed(problem, time.monotonic_ns(), random.random()))

    def call_moved(self, kind: TransportKind) -> None:
        """The room went on with the next call."""
        self._life.moved(kind, time.monotonic_ns())

    def assistant_changed(self) -> None:
        """What the assistant does is other now."""
        self._notices.state()

    # -- what the room asks (RoomHost) ----------------------------------------------------------

    def tell(self, event: Mapping[str, Any], addressee: int = 0) -> None:
        """Send an EVENT to the browsers."""
        self._line.event(event, addressee)

    def report(self, code: str, message: str) -> None:
        """Tell the room about an error, as soon as there is anybody."""
        self._notices.report(Report(code, message))

    def send(self, make: Callable[[ClientEvents], dict[str, Any]]) -> bool:
        """Send a client event to the call that has the room."""
        return self._calls.send(make)

    def ask(self, overrides: Mapping[str, Any] | None = None) -> bool:
        """Have the model answer."""
        return self._calls.ask(overrides)

    def stop(self, problem: Problem) -> None:
        """End the call, and make no other one before there is money again, or somebody joins."""
        self._is_spent = True
        self._act(self._life.failed(problem, time.monotonic_ns(), random.random()))

    def tools_changed(self) -> None:
        """The session's tools are others now."""
        self._calls.set_tools(self._room.tools.definitions())

    # -- what the mixer brings ------------------------------------------------------------------

    def _audio(self, frame: Frame) -> None:
        self._calls.room_audio(frame)
        self.changed()

    def _event(self, event: dict[str, Any]) -> None:
        now_ns = time.monotonic_ns()
        if event["type"] == "ptt":
            self._calls.press(event)
        match event["type"]:
            case "level":
                self._room.levels(event.get("levels"), now_ns)
                return
            case "participants":
                self._roster(event, now_ns)
            case "confirm":
                self._room.tools.confirmed(event, now_ns)
            case "identify":
                pass
            case _ if self._calls.is_talking:
                self._calls.browser_event(event, now_ns)
            case "say" | "interrupt" | "ptt":
                words = f"the assistant is not connected ({self._life.state})"
                problem = {"type": "error", "code": "not_connected", "message": words}
                self._line.event(problem, sender_of(event))
        self.changed()

    def _roster(self, event: Mapping[str, Any], now_ns: int) -> None:
        joined = self._notices.roster(event)
        people = self._notices.people
        self._room.people(people)
        self._calls.roster(people.keys(), now_ns)
        self._act(self._life.roster(len(people), joined, now_ns))
        if joined:
            self._notices.joined()

    def _audience(self) -> None:
        """Somebody has come in, and hears what is sent: a question may be open."""
        self._room.tools.ask_again(time.monotonic_ns())
        self._greet_audience()

    def _greet_audience(self) -> None:
        """Say hello in a fresh room, once somebody can hear it."""
        if self._notices.has_audience and self._calls.is_talking and self._greet:
            self._greet = False
            if not self._room.is_resumed:
                self._calls.greet(time.monotonic_ns())

    def _state(self) -> dict[str, Any]:
        state, code = self._life.state, self._life.code
        return {
            "type": "state",
            "assistant": self._calls.assistant,
            "upstream": _SHOWN.get(state, state),
            "simulated": self._calls.simulated,
            "detail": self._life.detail,
            **({"code": code} if code else {}),
        }
