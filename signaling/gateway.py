"""The shell around the registry: its control socket, its timer, its requests."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import zmq

from mixer_core.bus import control
from mixer_core.bus.drain import DrainedSocket
from mixer_core.runtime import process_usage
from mixer_core.runtime.errors import ControlError, ProblemError
from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.outer_addresses import parse_announced
from mixer_core.runtime.units import MS_NS, S_NS

from .ends import End, Ends
from .http import given_up, journal_lag, metrics_page
from .http.acceptor import OpenConnections
from .http.health import LINK, MIXER, WORKER, Health, ProgramView, Watch
from .http.mistakes import Mistakes
from .ice import IceServers
from .limits.limiter import Limiter
from .limits.pictures import PictureLimits
from .load_watch import LoadWatch
from .name_watch import NameWatch
from .outer_names import OuterNames
from .reach import Reach
from .registry.actions import (
    Action,
    Answered,
    Join,
    Joined,
    Left,
    Limits,
    LinkLost,
    Question,
    ReplyProblem,
    RoomView,
    SendToChild,
)
from .registry.announcements import GIVEN_UP
from .registry.house import Verdict
from .registry.load import LoadView
from .registry.load_news import LoadNews
from .registry.room_meters import RoomMeters
from .registry.rooms import Registry
from .registry.totals import Totals
from .settings import Settings

WATCH_NS = S_NS
DEAF_NS = 2 * S_NS
"""A process whose timer of a second is so late was stopped, or the machine was."""
GIVEN_UP_RETRY_S = 10
PROGRAM = "signaling"


@dataclass(frozen=True, slots=True)
class Options:
    """What the gateway is given beside the settings."""

    rebuild_ns: int = 1_500 * MS_NS
    """After the start, the time in which running children announce themselves."""
    verify: bool = False
    """People come by invitation."""
    verdict: Verdict = lambda subject, room: None
    """Whether somebody who came by an invitation may still be here."""


def limits(settings: Settings, options: Options) -> Limits:
    """The registry's limits, from the settings."""
    section = settings.signaling
    return Limits(
        max_participants=section.max_participants,
        max_rooms=section.max_rooms,
        max_pending_per_client=section.max_pending_per_address,
        max_places_per_client=_share(section.max_participants, section.max_percent_per_address),
        default_mode=section.mode,
        rooms=settings.rooms,
        answer_timeout_ns=section.answer_timeout_ms * MS_NS,
        rebuild_ns=options.rebuild_ns,
        verify=options.verify,
    )


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
        self._url = url
        self._settings = settings
        now_ns = time.monotonic_ns()
        self._ice = IceServers(settings.media_worker, os.environ)
        announced = parse_announced(settings.media_worker.announce_address)
        self._outer = OuterNames(announced.names)
        self._name_watch = NameWatch(self._outer, log)
        section = settings.signaling
        self._load = LoadWatch(section, log)
        self._registry = Registry(
            limits(settings, options), lambda: secrets.randbits(32), now_ns, self._load.policy
        )
        self._health = Health()
        self._watch = Watch()
        self._watch_ns = now_ns + WATCH_NS
        self._awake_ns = now_ns
        self._totals = Totals()
        self._meters = RoomMeters()
        self.metrics = Metrics()
        """Counters of signaling itself."""
        self.limiter = Limiter(section.max_offers_per_minute, section.max_wrong_tokens_per_minute)
        """What one address may do in a minute."""
        self.pictures = settings.openai_link
        """What pictures may be."""
        self.picture_limits = PictureLimits(
            self.pictures.images_per_minute, self.pictures.images_per_hour_bytes
        )
        """How many of them people may show."""
        self.connections = OpenConnections(section.max_connections_per_address)
        """TCP connections of all listeners."""
        self._spent: control.SpentElsewhere | None = None
        self._spent_version, self._spent_news = 0, LoadNews()
        self._ends = Ends()
        self._requests = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answered]] = {}
        self._reach = Reach(context, settings.runtime_dir, log)
        self._socket = DrainedSocket(self._loop, self._reach.socket, self._receive)
        self._timer = LazyTimer(self._loop, self._fire)
        self._mistakes = Mistakes(log)
        self._closed = False
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

        Raises:
            ProblemError: the reply is a problem.
        """
        if self._closed:
            raise ProblemError(503, "Restarting", "the gateway is restarting", 2)
        request = next(self._requests)
        self._listen()
        event, now_ns = make(request), time.monotonic_ns()
        if isinstance(event, Join):
            self._check_workers(event)
        future: asyncio.Future[Answered] = self._loop.create_future()
        self._waiting[request] = future
        if isinstance(event, Join):
            self._do(self._registry.join(event, now_ns))
        else:
            self._do(self._registry.ask(event, now_ns))
        try:
            return await future
        finally:
            self._waiting.pop(request, None)

    def _check_workers(self, event: Join) -> None:
        """Raise ProblemError (503) where nobody will answer an offer."""
        why = self._health.given_up.get(WORKER)
        if why is not None and not self._registry.counts()["workers_idle"]:
            told, told_to_admins = given_up.words({WORKER: why})
            words = told_to_admins if event.role == "admin" else told
            raise ProblemError(503, "Out of order", words, GIVEN_UP_RETRY_S)

    def rooms(self) -> list[RoomView]:
        """Every room."""
        return self._registry.rooms()

    def occupied(self) -> list[str]:
        """The rooms where somebody is."""
        return self._registry.occupied()

    def lose(self, room: str) -> None:
        """Another machine has the room: all who are in it join again."""
        self._listen()
        self._do(self._registry.lose(room, time.monotonic_ns()))

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
            return await self._ends.wait(participant)
        return self._ends.known(participant) or "lost"

    def programs(self) -> tuple[dict[str, ProgramView], list[str]]:
        """Every program's state, and what is missing."""
        self._reach.look()
        state = self._registry.counts(), time.monotonic_ns(), self._reach.faults
        programs, missing = self._health.programs(*state), self._health.missing(*state)
        if self._on_empty is not None:
            missing.insert(0, "its next start: the gateway is to stop and lets nobody in")
        return programs, missing

    def ice_servers(self) -> dict[str, Any]:
        """The STUN and TURN servers for a page, as JSON."""
        return self._ice.as_json(int(time.time()))

    def load(self) -> LoadView:
        """How loaded the gateway is, for ``/readyz``."""
        return self._load.policy.view()

    def burden(self) -> float:
        """The load as it counts for newcomers: a share of what the gateway bears, 1.0 is all.

        0 where it counts for nobody: the settings want it so, or nobody is here who made it.
        """
        counts = self._settings.signaling.refuse_when_busy
        people = self._registry.counts()["participants"]
        return self._load.policy.view().percent / 100 if counts and people else 0.0

    def warnings(self) -> list[str]:
        """What a person should look at, for ``/readyz``."""
        now_ns = time.monotonic_ns()
        late_ms, waiting = (self._totals.gauge(LINK, name, now_ns) for name in journal_lag.METRICS)
        return [
            *self._outer.warnings,
            *self._health.warnings(now_ns),
            *journal_lag.warnings(int(late_ms), int(waiting)),
        ]

    def metrics_page(self, node: str = "") -> bytes:
        """The metrics as Prometheus text; ``node``: this one's name in a cluster."""
        now_ns = time.monotonic_ns()
        self._note_own(now_ns)
        people = {view.room: len(view.participants) for view in self._registry.rooms()}
        figures = metrics_page.Figures(
            self._totals.sums(),
            self._totals.gauges(now_ns),
            self._registry.counts(),
            self._meters.figures(people, now_ns),
            self._health.restarts,
            node,
        )
        return metrics_page.render(figures)

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
        self._closed = True
        self._ends.close()
        self._name_watch.close()
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
        if isinstance(message, control.Heartbeat):
            self._health.heard(message, now_ns)
            self._totals.heard(message.program, identity, message.pid, message.metrics, now_ns)
            if message.program == MIXER:
                self._tell_load(identity, message.pid)
            self._check_readiness(now_ns)
            return
        if isinstance(message, control.Yielded | control.DrainNode):
            if self.on_moving is not None:
                self.on_moving(message)
            return
        if isinstance(message, control.WorkerState | control.LinkState):
            self._measured(identity, message, now_ns)
        if isinstance(message, control.LinkState):
            self._tell_load(identity, message.pid)
            self._tell_spent(identity, message.pid)
        self._do(self._registry.message(identity, message, now_ns))

    def _measured(
        self, identity: str, state: control.WorkerState | control.LinkState, now_ns: int
    ) -> None:
        program = "openai_link" if isinstance(state, control.LinkState) else "media_worker"
        self._totals.heard(program, identity, state.pid, state.metrics, now_ns)
        self._meters.heard(state.room, identity, state.pid, state.metrics, now_ns)

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
            self._see_given_up(now_ns)
            self._check_readiness(now_ns)
            self._do(self._registry.end(self._verdict, now_ns))
        self._do(self._registry.timeout(now_ns))
        if is_second:  # Last, so that nothing else depends on it.
            self._note_own(now_ns)
            people = self._registry.counts()["participants"]
            self._load.measure(self._totals.total, people, now_ns)

    def _see_given_up(self, now_ns: int) -> None:
        self._reach.look()
        self._health.given_up = self._reach.given_up
        programs = self._health.programs(self._registry.counts(), now_ns, self._reach.faults)
        missing = {
            name: why for name, why in self._reach.given_up.items() if not programs[name].ready
        }
        self._do(self._registry.announce(GIVEN_UP, *given_up.words(missing), None, now_ns))

    def _check_readiness(self, now_ns: int) -> None:
        missing = self._health.missing(self._registry.counts(), now_ns, self._reach.faults)
        words = self._watch.update(missing, now_ns)
        if words:
            self._log.info("= waiting for %s", words)
        elif words is not None:
            self._log.info("= mixminus is ready: open %s", self._url)

    def _note_own(self, now_ns: int) -> None:
        """Signaling's own metrics, among those of the others."""
        self.metrics.values.update(process_usage.report())
        self.metrics.values.update(self._load.policy.gauges())
        self._totals.heard(PROGRAM, PROGRAM, os.getpid(), self.metrics.snapshot(), now_ns)

    def _tell_load(self, identity: str, pid: int) -> None:
        level = self._load.news_for(identity, pid)
        if level is not None:
            self._socket.send(identity.encode(), control.encode(control.LoadLevel(level)))

    def spent_elsewhere(self, spent: control.SpentElsewhere) -> None:
        """What the other nodes of the cluster have spent: each link hears it within a second."""
        self._spent, self._spent_version = spent, self._spent_version + 1

    def _tell_spent(self, identity: str, pid: int) -> None:
        if self._spent is None:
            return
        if self._spent_news.due(identity, pid, self._spent_version) is not None:
            self._socket.send(identity.encode(), control.encode(self._spent))

    # -- actions --------------------------------------------------------------------------------

    def _do(self, actions: Iterable[Action]) -> None:
        """Carry out actions in order, and those that follow when one cannot be sent."""
        queue = deque(actions)
        while queue:
            action = queue.popleft()
            if isinstance(action, SendToChild):
                queue.extend(self._send(action))
            elif isinstance(action, Joined | Left | LinkLost):
                self._note(action)
            else:
                self._reply(action)
        self._arm()
        is_empty = not self._registry.counts()["participants"] and not self.is_needed()
        if self._on_empty is not None and is_empty:
            self._on_empty()

    def _send(self, action: SendToChild) -> list[Action]:
        message = action.message
        if isinstance(message, control.Offer):
            servers = self._ice.current(int(time.time()))
            message = replace(message, ice_servers=servers, announced=self._outer.addresses)
        data = control.encode(message)
        if self._socket.send(action.identity.encode(), data):
            return []
        self.metrics.count("control_undelivered_total")
        return self._registry.undelivered(action.identity, time.monotonic_ns())

    def _reply(self, reply: Answered | ReplyProblem) -> None:
        future = self._waiting.get(reply.request)
        if future is None or future.done():
            return
        if isinstance(reply, ReplyProblem):
            future.set_exception(reply.error())
        else:
            future.set_result(reply)

    def _note(self, event: Joined | Left | LinkLost) -> None:
        about = {"room": event.room}
        if not isinstance(event, LinkLost):
            about["participant"] = event.participant
        if isinstance(event, Joined):
            self.metrics.count("joined_total")
            self.limiter.connected(event.client)
            self._log.info("= joined as %s", event.name, extra=about)
        elif isinstance(event, Left):
            self.metrics.count("left_total")
            self._ends.ended(event.participant, "lost" if event.lost else "left")
            self._log.info("= left: %s", event.reason, extra=about)
        else:
            self.metrics.count("links_lost_total")
            self._log.warning("! the assistant is lost: %s", event.reason, extra=about)

    def _arm(self) -> None:
        """Set the timer to the earliest time at which something is due."""
        due_ns = self._registry.next_timeout_ns(time.monotonic_ns())
        self._timer.arm(self._watch_ns if due_ns is None else min(due_ns, self._watch_ns))


def _share(places: int, percent: int) -> int:
    """Places that one address may have; 0: all. What is kept for others is rounded down."""
    return places - places * (100 - percent) // 100 if percent else 0
