"""One room's link: its line to the mixer, its life cycle, and the call of the moment."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import zmq

from mixer_core.bus.control import LinkStatus, OpenLink
from mixer_core.bus.errors import UpstreamError
from mixer_core.bus.events import StreamInfo
from mixer_core.bus.frames import Frame
from mixer_core.bus.metrics import Metrics
from mixer_core.bus.settings import Settings

from .alarm import Alarm
from .conversation import Conversation
from .facts import Assistant
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
from .mixer_line import MixerLine
from .problems import explain
from .session import Upstream
from .turns import sender_of

WATCH_S = 1.0
"""Between two looks at the number of datagrams received."""
LATE_STATE_S = 0.4
"""After a change of the roster the state is sent once more, for a browser that is just joining."""

_SHOWN: dict[str, str] = {"idle": "connecting", "closed": "reconnecting"}
"""States that browsers know by another name: a link that ends is followed by another one."""


class Link:
    """Feeds the life cycle, carries out its actions, re-arms one timer."""

    def __init__(
        self,
        order: OpenLink,
        upstream: Upstream,
        settings: Settings,
        context: zmq.Context[zmq.Socket[bytes]],
        log: logging.LoggerAdapter[logging.Logger],
        on_change: Callable[[], None],
        on_exit: Callable[[], None],
    ) -> None:
        """``on_change``: announce the state. ``on_exit``: the room is empty, end the process."""
        self._upstream = upstream
        self._settings = settings.openai_link
        self._log = log
        self._on_change = on_change
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop, self._on_time)
        self._life = Lifecycle(Limits.of(self._settings))
        self._people: frozenset[str] = frozenset()
        self._joining: asyncio.TimerHandle | None = None
        self._reports: list[Report] = []
        """Errors that nobody was there to hear yet."""
        self._conversation: Conversation | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._called_ns = 0
        self.metrics = Metrics()
        timeout = aiohttp.ClientTimeout(total=self._settings.connect_timeout_ms / 1000)
        self._http = aiohttp.ClientSession(timeout=timeout, trust_env=not upstream.is_local)
        info = StreamInfo("link", order.room, mode=order.mode)
        self._line = MixerLine(
            settings.runtime_dir, order.stream, info, self._audio, self._event, log
        )
        self._watch = self._loop.create_task(self._watch_datagrams())
        self._act(self._life.open(time.monotonic_ns()))

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
        if self._conversation is not None:
            self._conversation.update_metrics()
        values = self.metrics.values
        values["downlink_frames_total"] = self._line.sent
        values["mixer_dropped_messages_total"] = self._line.dropped
        values["mixer_bad_messages_total"] = self._line.bad
        values["calls_total"] = self._life.attempts
        values["epoch"] = self._line.epoch

    async def close(self) -> None:
        """End the call and say STOP; bounded by the caller."""
        self._watch.cancel()
        self._alarm.cancel()
        if self._joining is not None:
            self._joining.cancel()
        self._act(self._life.stop())
        try:
            for result in await asyncio.gather(*self._closing, return_exceptions=True):
                if isinstance(result, BaseException):
                    self._log.warning("! a call did not close: %r", result)
        finally:
            self._line.close()
            await self._http.close()

    def _on_time(self) -> None:
        now_ns = time.monotonic_ns()
        try:
            self._line.tick(now_ns)
            if self._conversation is not None:
                self._conversation.tick(now_ns)
            self._act(self._life.tick(now_ns, random.random()))
        finally:  # Whatever went wrong (the loop logs it), time goes on.
            self._rearm()

    def _rearm(self) -> None:
        if self._life.state == "closed":
            return
        deadline_ns = self._line.next_timeout_ns()
        life_ns = self._life.next_timeout_ns()
        if life_ns is not None:
            deadline_ns = min(deadline_ns, life_ns)
        if self._conversation is not None:
            call_ns = self._conversation.next_timeout_ns()
            if call_ns is not None:
                deadline_ns = min(deadline_ns, call_ns)
        self._alarm.arm(deadline_ns)

    def _act(self, actions: list[LifecycleAction]) -> None:
        for action in actions:
            match action:
                case OpenCall(fresh):
                    self._open_call(fresh)
                case CloseCall():
                    self._close_call()
                case StateChanged(state, detail):
                    self._log.info("= %s %s", state, detail)
                    self._tell_state()
                    self._on_change()
                case Report():
                    self._reports.append(action)
                    self._tell_reports()
                case Exit():
                    self._on_exit()
        self._rearm()

    def _open_call(self, fresh: bool) -> None:
        self._close_call()
        self._called_ns = time.monotonic_ns()
        conversation = Conversation(
            self._upstream,
            self._settings,
            self._http,
            self._line,
            self.metrics,
            self._log,
            greet=fresh and self._settings.greet,
            on_confirmed=self._confirmed,
            on_assistant=self._assistant_changed,
            on_lost=lambda error: self._failed(conversation, error),
            on_change=self._rearm,
        )
        self._conversation = conversation
        self._connecting = self._loop.create_task(self._connect(conversation))

    async def _connect(self, conversation: Conversation) -> None:
        try:
            await conversation.call.connect()
        except UpstreamError as error:
            self._failed(conversation, error)
        except Exception as error:  # Whatever it was, the room hears of it and it is tried again.
            self._log.exception("! the call could not be made")
            self._failed(conversation, UpstreamError("internal", repr(error)))

    def _failed(self, conversation: Conversation, error: UpstreamError) -> None:
        if conversation is not self._conversation:
            return
        problem = explain(error, self._upstream)
        self._log.warning("! %s", problem.message)
        self._act(self._life.failed(problem, time.monotonic_ns(), random.random()))

    def _close_call(self) -> None:
        conversation, self._conversation = self._conversation, None
        if self._connecting is not None and self._connecting is not asyncio.current_task():
            self._connecting.cancel()
        self._connecting = None
        if conversation is not None:
            task = self._loop.create_task(conversation.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _confirmed(self) -> None:
        now_ns = time.monotonic_ns()
        self.metrics.gauge("connect_ms", (now_ns - self._called_ns) / 1e6)
        self._act(self._life.connected(now_ns))
        self._tell_audience()

    def _assistant_changed(self, assistant: Assistant) -> None:
        self._tell_state()

    def _tell_state(self) -> None:
        conversation, state = self._conversation, self._life.state
        simulated = self._upstream.simulated
        if conversation is not None:
            simulated = simulated or conversation.call.simulated
        self._line.event(
            {
                "type": "state",
                "assistant": "idle" if conversation is None else conversation.assistant,
                "upstream": _SHOWN.get(state, state),
                "simulated": simulated,
                "detail": self._life.detail,
            }
        )

    def _audio(self, frame: Frame) -> None:
        if self._conversation is not None:
            self._conversation.room_audio(frame)
            self._rearm()

    def _event(self, event: dict[str, Any]) -> None:
        if event["type"] == "participants":
            self._roster(event)
        elif self._conversation is not None and self._life.state == "ready":
            self._conversation.browser_event(event)
        elif event["type"] in ("say", "interrupt", "ptt"):
            words = f"the assistant is not connected ({self._life.state})"
            problem = {"type": "error", "code": "not_connected", "message": words}
            self._line.event(problem, sender_of(event))
        self._rearm()

    def _roster(self, event: dict[str, Any]) -> None:
        listed = event.get("participants")
        entries = listed if isinstance(listed, list) else []
        people = frozenset(
            str(entry.get("participant")) for entry in entries if isinstance(entry, dict)
        )
        joined, self._people = bool(people - self._people), people
        self._act(self._life.roster(len(people), joined, time.monotonic_ns()))
        if joined:
            self._tell_state()
            if self._joining is not None:
                self._joining.cancel()
            self._joining = self._loop.call_later(LATE_STATE_S, self._joined)

    def _joined(self) -> None:
        """The newest participant's subscription has reached the mixer by now."""
        self._joining = None
        if self._life.state != "closed":
            self._tell_state()
            self._tell_reports()
            self._tell_audience()

    def _tell_audience(self) -> None:
        if self._conversation is not None and self._people and self._joining is None:
            self._conversation.audience()

    def _tell_reports(self) -> None:
        if self._people and self._joining is None:
            for report in self._reports:
                content = {"type": "error", "code": report.code, "message": report.message}
                self._line.event(content)
            self._reports.clear()

    async def _watch_datagrams(self) -> None:
        """Tell the life cycle that the server is there, once a second and for a whole call."""
        while True:
            await asyncio.sleep(WATCH_S)
            conversation = self._conversation
            if conversation is not None and conversation.call.heard.last_ns:
                self._life.heard(conversation.call.heard.last_ns)
