"""The shell around the registry: its control socket, its timer, its requests."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import zmq

from mixer_core.bus import control
from mixer_core.bus.drain import DrainedSocket
from mixer_core.runtime import process_usage
from mixer_core.runtime.errors import ControlError
from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.units import S_NS

from .allowances import Allowances
from .attendance import Attendance
from .ends import End
from .http.health import ProgramView
from .http.mistakes import Mistakes
from .load_watch import LoadWatch
from .meters import Meters
from .network import Network
from .news import News
from .options import Options, limits
from .programs import Programs
from .reach import Reach
from .registry.actions import (
    Action,
    Answered,
    Join,
    Joined,
    Left,
    LinkLost,
    Question,
    RoomView,
    SendToChild,
)
from .registry.announcements import GIVEN_UP
from .registry.load import LoadView
from .registry.rooms import Registry
from .replies import Replies
from .settings import Settings

WATCH_NS = S_NS
DEAF_NS = 2 * S_NS
"""A process whose timer of a second is so late was stopped, or the machine was."""


class Gateway:
    """Owns the control socket and the registry; runs in one event loop."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        settings: Settings,
        log: logging.LoggerAdapter[logging.Logger],
        url: str,
        options: Options | None = None,
    ) -> None:
        """``url``: the page's address, for the log."""
        options = options or Options()
        self._verdict = options.verdict
        self._loop = asyncio.get_running_loop()
        self._log = log
        self._settings = settings
        now_ns = time.monotonic_ns()
        self._network = Network(settings.media_worker, log)
        section = settings.signaling
        self._load = LoadWatch(section, log)
        self._registry = Registry(
            limits(settings, options), lambda: secrets.randbits(32), now_ns, self._load.policy
        )
        self._programs = Programs(self._registry.counts, url)
        self._watch_ns = now_ns + WATCH_NS
        self._awake_ns = now_ns
        self._meters = Meters(os.getpid())
        self._news = News()
        self.metrics = self._meters.own
        """Counters of signaling itself."""
        self.allowances = Allowances(section, settings.openai_link)
        """What strangers may do."""
        self._attendance = Attendance(self.metrics, self.allowances.limiter, log)
        self._replies = Replies()
        self._reach = Reach(context, settings.runtime_dir, log)
        self._socket = DrainedSocket(self._loop, self._reach.socket, self._receive)
        self._timer = LazyTimer(self._loop, self._fire)
        self._mistakes = Mistakes(log)
        self._on_empty: Callable[[], None] | None = None
        """The gateway stops: called when the last one has left."""
        self.on_moving: Callable[[control.Yielded | control.DrainNode], None] | None = None
        """In a cluster: told of what concerns rooms that go to other machines."""
        self.on_drain: Callable[[float], None] | None = None
        """In a cluster: the gateway is to stop within so many seconds."""
        self.is_needed: Callable[[], bool] = bool
        """Whether there is something to do although nobody is here any more."""
        self._arm()

    # -- for HTTP -------------------------------------------------------------------------------

    async def ask(self, make: Callable[[int], Question]) -> Answered:
        """Feed the event that ``make`` builds for a request number, and wait for the reply.

        Raises ProblemError where that is a problem.
        """
        return await self._replies.ask(lambda request: self._put(make, request))

    def _put(self, make: Callable[[int], Question], request: int) -> None:
        self._listen()
        event, now_ns = make(request), time.monotonic_ns()
        if isinstance(event, Join):
            self._programs.check_offer(event.role)
            self._do(self._registry.join(event, now_ns))
        else:
            self._do(self._registry.ask(event, now_ns))

    def rooms(self) -> list[RoomView]:
        """Every room."""
        return self._registry.rooms()

    def told_of(self, room: str) -> dict[str, Any]:
        """What the settings say of a room, as far as everybody in it may know, as JSON."""
        rules = self._settings.room_rules(room)
        return {
            "persona": rules.persona,
            "address": rules.address,
            "transcript": rules.transcript,
            "recording_allowed": rules.recording,
        }

    async def end_of(self, participant: str) -> End:
        """Wait for the end of a participant, but not for long; see ``Ends``."""
        if self._registry.knows(participant, time.monotonic_ns()):
            return await self._attendance.ends.wait(participant)
        return self._attendance.ends.known(participant) or "lost"

    def programs(self) -> tuple[dict[str, ProgramView], list[str]]:
        """Every program's state, and what is missing."""
        self._programs.looked(self._reach.look())
        programs, missing = self._programs.states(time.monotonic_ns())
        if self._on_empty is not None:
            missing.insert(0, "its next start: the gateway is to stop and lets nobody in")
        return programs, missing

    def ice_servers(self) -> dict[str, Any]:
        """The STUN and TURN servers for a page, as JSON."""
        return self._network.for_pages()

    def load(self) -> LoadView:
        """How loaded the gateway is, for ``/readyz``."""
        return self._load.policy.view()

    def burden(self) -> float:
        """The load as it counts for newcomers, see ``LoadPolicy.burden``."""
        return self._load.policy.burden(self._registry.counts()["participants"])

    def warnings(self) -> list[str]:
        """What a person should look at, for ``/readyz``."""
        now_ns = time.monotonic_ns()
        programs, meters = self._programs.warnings(now_ns), self._meters.warnings(now_ns)
        return [*self._network.warnings, *programs, *meters]

    def metrics_page(self, node: str = "") -> bytes:
        """The metrics as Prometheus text; ``node``: this one's name in a cluster."""
        now_ns = time.monotonic_ns()
        self._note_own(now_ns)
        people = {view.room: len(view.participants) for view in self._registry.rooms()}
        counts, restarts = self._registry.counts(), self._programs.restarts
        return self._meters.page(people, counts, restarts, node, now_ns)

    def lose(self, room: str) -> None:
        """Another machine has the room: all who are in it join again."""
        self.alter(lambda registry, now_ns: registry.lose(room, now_ns))

    @property
    def registry(self) -> Registry:
        """The rooms, to look at; changes go through ``alter``."""
        return self._registry

    def alter(self, change: Callable[[Registry, int], Iterable[Action]]) -> list[Action]:
        """Change the registry (and the time, in ns) and carry out what follows, which is returned.

        Raises what ``change`` raises.
        """
        self._listen()
        actions = [*change(self._registry, time.monotonic_ns())]
        self._do(actions)
        return actions

    def drain(self, limit_s: float, ended: Callable[[], None]) -> None:
        """Let nobody new in, tell everybody, and call ``ended`` once all have left or it is time.

        It may be called more than once.
        """
        now_ns = time.monotonic_ns()
        self._on_empty = ended
        self._loop.call_later(limit_s, ended)
        people = self._registry.counts()["participants"]
        if people:
            words = "= is to stop: %d people are told, and may go on for %g s; no calls are taken"
            self._log.info(words, people, limit_s)
        if self.on_drain is not None:
            self.on_drain(limit_s)
        self._do(self._registry.drain(now_ns + int(limit_s * S_NS), now_ns))

    def close(self) -> None:
        """Reply to requests that wait, close the socket."""
        self._do(self._registry.close())
        self._replies.close()
        self._attendance.ends.close()
        self._network.close()
        self._timer.close()
        self._socket.close()

    # -- events ---------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Before anything is heard or judged: a process that was stopped has heard nobody."""
        now_ns, before_ns = time.monotonic_ns(), self._awake_ns
        self._awake_ns = now_ns
        if now_ns - before_ns >= DEAF_NS:
            self._log.warning(
                "! nothing was heard for %.1f s: stopped?", (now_ns - before_ns) / S_NS
            )
            self._registry.was_deaf(now_ns)

    def _receive(self, parts: list[bytes]) -> None:
        self._listen()
        identity = parts[0].decode("utf-8", "replace")
        try:
            message = control.decode(parts[-1])
        except ControlError as error:
            self.metrics.count("control_errors_total")
            words = f"< {identity[:80]!a}: {error}"
            self._mistakes.warn(identity.rpartition("-")[0], words)
            return
        now_ns = time.monotonic_ns()
        if isinstance(message, control.LifeSign):
            self._lives(identity, message, now_ns)
        if isinstance(message, control.Yielded | control.DrainNode):
            if self.on_moving is not None:
                self.on_moving(message)
        elif not isinstance(message, control.Heartbeat):
            self._do(self._registry.message(identity, message, now_ns))

    def _lives(self, identity: str, sign: control.LifeSign, now_ns: int) -> None:
        if isinstance(sign, control.Heartbeat):
            self._programs.heard(sign, now_ns)
            self._log_readiness(now_ns)
        self._meters.heard(identity, sign, now_ns)
        for message in self._news.due(identity, sign):
            self._socket.send(identity.encode(), control.encode(message))

    def _fire(self) -> None:
        self._listen()
        try:
            self._look()
        finally:  # Whatever went wrong in one turn: another one follows.
            self._arm()

    def _look(self) -> None:
        now_ns = time.monotonic_ns()
        is_second = now_ns >= self._watch_ns
        if is_second:
            self._watch_ns = now_ns + WATCH_NS
            self._programs.looked(self._reach.look())
            losses = self._programs.losses(now_ns)
            self._do(self._registry.announce(GIVEN_UP, *losses, None, now_ns))
            self._log_readiness(now_ns)
            self._do(self._registry.end(self._verdict, now_ns))
        self._do(self._registry.timeout(now_ns))
        if is_second:  # Last, so that nothing else depends on it.
            self._note_own(now_ns)
            people = self._registry.counts()["participants"]
            self._news.level = self._load.measure(self._meters.total, people, now_ns)

    def _log_readiness(self, now_ns: int) -> None:
        line = self._programs.line(now_ns)
        if line:
            self._log.info("%s", line)

    def _note_own(self, now_ns: int) -> None:
        """Signaling's own metrics, among those of the others."""
        usage, load = process_usage.report(), self._load.policy.gauges()
        self._meters.note_own({**usage, **load}, now_ns)

    def spent_elsewhere(self, spent: control.SpentElsewhere) -> None:
        """What the other nodes of the cluster have spent, for the links."""
        self._news.spent_elsewhere(spent)

    # -- actions --------------------------------------------------------------------------------

    def _do(self, actions: Iterable[Action]) -> None:
        """Carry out actions in order, and those that follow when one cannot be sent."""
        queue = deque(actions)
        while queue:
            action = queue.popleft()
            if isinstance(action, SendToChild):
                queue.extend(self._send(action))
            elif isinstance(action, Joined | Left | LinkLost):
                self._attendance.note(action)
            else:
                self._replies.settle(action)
        self._arm()
        is_empty = not self._registry.counts()["participants"] and not self.is_needed()
        if self._on_empty is not None and is_empty:
            self._on_empty()

    def _send(self, action: SendToChild) -> list[Action]:
        message = action.message
        if isinstance(message, control.Offer):
            message = self._network.for_worker(message)
        data = control.encode(message)
        if self._socket.send(action.identity.encode(), data):
            return []
        self.metrics.count("control_undelivered_total")
        return self._registry.undelivered(action.identity, time.monotonic_ns())

    def _arm(self) -> None:
        """Set the timer to the earliest time at which something is due."""
        due_ns = self._registry.next_timeout_ns(time.monotonic_ns())
        self._timer.arm(self._watch_ns if due_ns is None else min(due_ns, self._watch_ns))
