"""The whole gateway in virtual time: the programs that ship, over a simulated wire.

Real are signaling's gateway and registry, the mixer, the workers' children with their sessions, the
links' children with their rooms' shells and engines, and the control and audio clients. In place of
the rest: the wire (``bus``), hosts that fork (here), pages (``browser``), the simulator's engine
behind a transport and a journal in memory (``upstream``).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import zmq

import media_worker.child
import media_worker.session_shell
import mixer_core.bus.audio_client
import mixer_core.bus.control_client
import mixer_core.bus.endpoints
import mixer_core.runtime.process_usage
import openai_link.child
import openai_link.room.journal_feed
import openai_link.room.session_feed
import openai_link.room.shell
import signaling.gateway
import signaling.load_watch
from mixer_core.bus import control, frames
from mixer_core.bus.control_client import ControlClient
from mixer_core.mixer import Mixer
from mixer_core.runtime import logs
from mixer_core.runtime.errors import FrameError
from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.pool_policy import (
    End,
    Exited,
    Fork,
    Kill,
    KillServer,
    PoolLimits,
    PoolPolicy,
    Retire,
    StartServer,
)
from mixer_core.runtime.room_rules import Rooms
from mixer_core.runtime.settings import RuntimeSettings
from mixer_core.runtime.solitude import Solitude
from mixer_core.runtime.units import MS_NS, S_NS
from mixer_core.settings import MixerCoreSettings
from openai_link.settings import OpenaiLinkSettings
from openai_link.settings import Settings as LinkSettings
from signaling.programs import Findings
from signaling.registry.load_meter import HostCounters

from .browser import Page, Peer
from .bus import Wire
from .clock import START_NS, Process, VirtualLoop, virtual_time
from .upstream import Call, Disk, Journal, Upstream
from .watch import Watch

NOWHERE = Path("/nonexistent/mixminus-model")
SERVER_MS, FORK_MS = 300, 30
"""Until a fork server is there, and until a child is, at least."""
WORKERS, LINKS = "media_worker", "openai_link"
RESTART_MS = {"mixer": 1_200, "signaling": 500, WORKERS: 900, LINKS: 900, "upstream": 700}
"""ms until a program that has died works again, at least."""
IDLE_CHILDREN = 2
MIXER_SETTLE_NS = 500 * MS_NS
"""As ``mixer_core.service`` has it."""
TAKEOVER_MS = 60
"""Until a mixer in standby has the sockets, at least."""
SETTLE_NS = 600 * MS_NS
MOST_CHILDREN = 24


class _Context:
    """No libzmq."""

    def term(self) -> None:
        pass

    def destroy(self, linger: int = 0) -> None:
        pass


class _Reach:
    """Signaling's socket, whose path is always its own."""

    def __init__(self, *_: Any) -> None:
        self.socket = SimpleNamespace(side="bind", identity="")

    def look(self) -> Findings:
        return Findings()


class _Machine:
    """Of which nothing is known: the model's own load is no load."""

    def read(self) -> HostCounters:
        return HostCounters(2.0)


class _Http:
    async def close(self) -> None:
        pass


class _Log(logging.Handler):
    """Errors in the log are faults."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.ERROR)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            words += f" ({record.exc_info[1]!r})"
        self._watch.fault(f"log: {words}")


class House:
    """See the module."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.loop = loop
        self.random = random.Random(f"model {seed}")
        self.watch = Watch(self)
        self.wire = Wire(loop, random.Random(f"wire {seed}"))
        self.disk = Disk()
        self.pages: dict[int, Page] = {}
        self.rooms = Rooms()
        """What the settings file says of rooms, as the programs may read it."""
        self.datagram_loss = 0.0
        self.upstream: Upstream | None = None
        self.gateway: signaling.gateway.Gateway | None = None
        self.mixer: Mixer | None = None
        self.programs: dict[str, Process] = {}
        self.children: dict[str, Child] = {}
        self.hosts: dict[str, Host] = {}
        self.is_calm = False
        """Programs are not to die any more."""
        self._peers: list[Peer] = []
        self._links: dict[Process, int] = {}
        self._names = itertools.count(1)
        self.calls = itertools.count(1)

    @property
    def elapsed_ns(self) -> int:
        """Since the beginning."""
        return self.loop.now_ns - START_NS

    def loses_datagram(self) -> bool:
        return self.random.random() < self.datagram_loss

    def note_peer(self, peer: Peer) -> int:
        self._peers.append(peer)
        return len(self._peers) - 1

    def peer_of(self, sdp: str) -> Peer:
        return self._peers[int(sdp.rpartition("a=peer:")[2])]

    def number_of(self, link: Process) -> int:
        """Of a link's process."""
        return self._links.setdefault(link, len(self._links) + 1)

    # -- programs ---------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """A program starts; when it dies it is started again."""
        process = self.programs[name] = Process(name)
        wait_ms = RESTART_MS[name]

        def again() -> None:
            in_standby = name == "mixer" and self.random.random() < 0.7
            least_ms = TAKEOVER_MS if in_standby else wait_ms
            self.after(self.random.uniform(least_ms, 2 * least_ms), self.start, name)

        process.at_death.append(again)
        begin = {
            "mixer": self._mixer,
            "signaling": self._signaling,
            "upstream": self._upstream,
        }.get(name)
        if begin is not None:
            process.run(begin, process)
        else:
            process.run(self._host, process, name)

    def after(self, ms: float, work: Callable[..., Any], *args: Any) -> None:
        """In nobody's process."""
        self.loop.call_at(self.loop.time() + ms / 1_000, work, *args)

    def _mixer(self, process: Process) -> None:
        mixer = self.mixer = Mixer(MixerCoreSettings(), Metrics())
        mixer.begin(self.loop.now_ns + MIXER_SETTLE_NS)
        shell = _MixerShell(self, mixer)
        process.at_death.append(self._mixer_died)
        self.wire.mixer_up(process, shell.take)

    def _mixer_died(self) -> None:
        self.mixer = None

    def _upstream(self, process: Process) -> None:
        self.upstream = Upstream(self.loop, process)

    def _signaling(self, process: Process) -> None:
        section = signaling.settings.SignalingSettings(max_pending_per_address=0)
        runtime = RuntimeSettings(str(NOWHERE))
        settings = signaling.settings.Settings(runtime, section, rooms=self.rooms)
        log = logs.get("signaling")
        self.gateway = signaling.gateway.Gateway(_Context(), settings, log, "http://x")  # type: ignore[arg-type]
        self._requests: list[Callable[[Any], None]] = []
        process.at_death.append(self._signaling_died)

    def link_settings(self) -> LinkSettings:
        """Of the links, as they are now."""
        link = OpenaiLinkSettings(greet=False, journal=True)
        return LinkSettings(RuntimeSettings(str(NOWHERE)), openai_link=link, rooms=self.rooms)

    def reload(self, rooms: Rooms) -> None:
        """The settings of rooms change: signaling is followed by another process of itself."""
        self.rooms = rooms
        self.programs["signaling"].kill()

    def _signaling_died(self) -> None:
        self.gateway = None
        for refuse in self._requests:
            refuse(ConnectionError("the connection was reset"))

    def post(self, make: Callable[[int], Any], then: Callable[[Any], None] | None) -> None:
        """A request of a page; ``then`` gets its one reply, or why there is none."""
        process = self.programs["signaling"]
        gateway = self.gateway
        replies: list[Any] = []

        def settle(reply: Any) -> None:
            if replies:
                if not isinstance(reply, ConnectionError):
                    self.watch.fault("a request has two replies")
                return
            replies.append(reply)
            if then is not None:
                then(reply)

        if gateway is None:
            settle(ConnectionError("refused"))
            return
        self._requests.append(settle)

        async def ask() -> None:
            try:
                settle(await gateway.ask(make))
            except Exception as error:
                settle(error)

        process.run(lambda: self.loop.create_task(ask()))

    def _host(self, process: Process, name: str) -> None:
        self.hosts[name] = Host(self, process, name)

    # -- what happens -----------------------------------------------------------------------------

    def begin(self, pages: int, rooms: int) -> None:
        """Everything starts, and people open pages."""
        for name in RESTART_MS:
            self.after(0, self.start, name)
        for number in range(1, pages + 1):
            page = self.pages[number] = Page(self, number, f"room-{number % rooms}")
            self.after(1_000 + self.random.uniform(0, 2_000), page.join)

    def run(self, ms: float) -> None:
        """Let time pass."""
        until_s = self.loop.time() + ms / 1_000

        async def wait() -> None:
            while self.loop.time() < until_s:
                await asyncio.sleep(min(0.25, until_s - self.loop.time()))
                self.look()

        self.loop.run_until_complete(wait())

    def look(self) -> None:
        """What must hold at any time."""
        for words in self.loop.failures:
            self.watch.fault(words)
        self.loop.failures.clear()
        self.watch.states.add(self.situation())

    def situation(self) -> tuple[Any, ...]:
        """All that decides what happens next, roughly."""
        kinds = sorted(f"{child.kind}:{child.status}" for child in self.children.values())
        pages = sorted(
            f"{page.is_wanted:d}{page.is_open:d}{page.state.get('assistant', '')}"
            f"{page.state.get('upstream', '')}{len(page.people)}"
            for page in self.pages.values()
        )
        up = tuple(sorted(name for name, process in self.programs.items() if process.is_alive))
        streams = 0 if self.mixer is None else len(self.mixer._streams)
        rooms = (
            ()
            if self.gateway is None
            else tuple((len(room.participants), room.link.status) for room in self.gateway.rooms())
        )
        return up, tuple(kinds), tuple(pages), streams, rooms

    def links_of(self, room: str) -> list[Child]:
        """Links of a room that live."""
        return [c for c in self.children.values() if c.kind == LINKS and c.room == room]


class _MixerShell:
    """As ``mixer_core.service`` does it, without sockets."""

    def __init__(self, house: House, mixer: Mixer) -> None:
        self._house, self._mixer = house, mixer
        self._timer: Any = None

    def take(self, message: bytes) -> None:
        """One message of a worker or link."""
        try:
            frame = frames.decode(message)
        except FrameError as error:
            self._house.watch.fault(f"the mixer got {error}")
            return
        self._publish(self._mixer.on_frame(frame, self._house.loop.now_ns))

    def _fire(self) -> None:
        self._timer = None
        self._publish(self._mixer.on_timeout(self._house.loop.now_ns))

    def _publish(self, messages: list[bytes]) -> None:
        for message in messages:
            self._house.wire.publish(message)
        due_ns = self._mixer.next_timeout_ns()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due_ns is not None:
            self._timer = self._house.loop.call_at(due_ns / S_NS, self._fire)


class Child:
    """A child process, and its line to a host (``parent.Parent``)."""

    def __init__(self, house: House, kind: str, identity: str) -> None:
        self.house, self.kind, self.identity = house, kind, identity
        self.process = Process(identity)
        self.is_idle = True
        self.is_held = False
        self.end_reason = ""
        self.program: Any = None
        self.host: Host | None = None
        self._solitude = Solitude(house.loop.now_ns)
        self._beat_ns = 0
        self._signaling_ns = 0
        self._read_rooms = house.rooms
        self.process.at_death.append(self._died)
        self.process.run(self._begin)

    @property
    def may_retire(self) -> bool:
        """It has no work, and none has come."""
        return self.is_idle and not self.is_held

    @property
    def room(self) -> str:
        """Of a link."""
        order = getattr(self.program, "_order", None)
        return order.room if order is not None else ""

    @property
    def status(self) -> str:
        """As it tells signaling."""
        return str(self.program._state().status) if self.program is not None else ""

    # -- as ``Parent`` ----------------------------------------------------------------------------

    @property
    def has_new_settings(self) -> bool:
        return self._read_rooms is not self.house.rooms

    def read_settings(self) -> None:
        self._read_rooms = self.house.rooms

    def taken(self) -> None:
        self.is_idle = False
        self._say()

    def hold(self, held: bool) -> None:
        self.is_held = held

    def beat(self, signaling_ns: int) -> None:
        self._signaling_ns = signaling_ns
        if self.house.loop.now_ns - self._beat_ns >= S_NS:
            self._beat_ns = self.house.loop.now_ns
            self._say()

    def end(self, reason: str) -> None:
        """It has to end."""
        if not self.end_reason:
            self.end_reason = reason
            for told in self.process.on_signal:
                self.process.run(told)
            self.house.after(2_000, self.process.kill)

    def end_within(self, limit_s: float) -> None:
        self.house.after(int(1_000 * limit_s), self.process.kill)

    def _say(self) -> None:
        if self.host is not None:
            self.host.tell(self.host.policy_heard, self.identity, self.is_idle)

    def look_for_host(self) -> None:
        """Again and again, while there is none."""
        now_ns = self.house.loop.now_ns
        host = self.house.hosts.get(self.kind)
        if self._solitude.attempts(now_ns) and host is not None and host.process.is_alive:
            self._solitude.found()
            self.host = host
            self._say()
            return
        reason = self._solitude.ends(self.is_idle, self._signaling_ns, now_ns)
        if reason:
            self.end(reason)
        elif self.process.is_alive:
            self.house.after(50, self.process.run, self.look_for_host)

    def lose_host(self) -> None:
        """The line has ended."""
        self.host = None
        self._solitude.lost(self.house.loop.now_ns)
        self.look_for_host()

    # -- the program ------------------------------------------------------------------------------

    def _begin(self) -> None:
        runtime = RuntimeSettings(str(NOWHERE))
        parent: Any = self
        if self.kind == WORKERS:
            settings = media_worker.settings.Settings(runtime)
            self.program = media_worker.child.Child(self.identity, settings, parent)
            # As ``media_worker.child._serve``, which ends with the process.
            self.process.on_signal.append(self.program.stop)
            self.house.loop.create_task(self._worker())
        else:
            self.program = openai_link.child._Child(
                self.identity, self.house.link_settings(), parent
            )
            self.house.loop.create_task(self._link())
        self.look_for_host()

    async def _worker(self) -> None:
        await self.program.done.wait()
        await self.program.close()
        self.process.kill()

    async def _link(self) -> None:
        await self.program.run()
        self.process.kill()

    def _died(self) -> None:
        self.house.children.pop(self.identity, None)
        if self.host is not None:
            self.host.tell(self.host.policy_ended, self.identity)


class Host:
    """Keeps children waiting by the real policy; its fork server is ours."""

    def __init__(self, house: House, process: Process, name: str) -> None:
        self.house, self.process, self.name = house, process, name
        self.server: Process | None = None
        now_ns = house.loop.now_ns
        limits = PoolLimits(IDLE_CHILDREN, MOST_CHILDREN, 0)
        self._policy = PoolPolicy(limits, self._new_name, now_ns, SETTLE_NS)
        self._timer = LazyTimer(house.loop, self._look)
        process.at_death.append(self._died)
        self._control = ControlClient(
            _Context(),  # type: ignore[arg-type]
            NOWHERE,
            name,
            lambda: control.Heartbeat(name, 1, True),
            lambda message: None,
            logs.get(name),
        )
        self._do(self._policy.timeout(now_ns))

    def tell(self, what: Callable[..., None], *args: Any) -> None:
        """A packet of a child arrives."""
        context = self.process.context.copy()
        self.house.loop.call_at(self.house.loop.time() + 0.001, what, *args, context=context)

    def policy_heard(self, identity: str, is_idle: bool) -> None:
        """A child's state."""
        self._do(self._policy.heard(identity, is_idle, True, self.house.loop.now_ns))

    def policy_ended(self, identity: str) -> None:
        """A child's line has ended."""
        self._do(self._policy.ended(identity, 0, self.house.loop.now_ns))

    def _new_name(self) -> str:
        return f"{self.name}-{next(self.house._names)}"

    def _look(self) -> None:
        self._do(self._policy.timeout(self.house.loop.now_ns))

    def _do(self, actions: Any) -> None:
        waiting = list(actions)
        while waiting:
            waiting[:1] = self._carry_out(waiting[0])
        self._timer.arm(self._policy.next_timeout_ns())

    def _carry_out(self, action: Any) -> Any:
        children = self.house.children
        match action:
            case StartServer():
                self.server = Process(f"fork server of {self.name}")
                self._later(SERVER_MS, self._server_ready, self.server)
            case KillServer():
                self.server = None
            case Fork(identity):
                self._later(FORK_MS, self._fork, self.server, identity)
            case Retire(identity) if identity in children and children[identity].may_retire:
                children[identity].end("it is not needed")
            case End(identity, reason) if identity in children:
                children[identity].end(reason)
            case Kill(identity) if identity in children:
                children[identity].process.kill()
            case Exited(identity, exit_code):
                self._control.send(control.ChildExited(self.name, identity, exit_code))
        return []

    def _later(self, ms: float, what: Callable[..., None], *args: Any) -> None:
        delay_s = ms / 1_000 * self.house.random.uniform(1, 3)
        self.house.loop.call_later(delay_s, what, *args)

    def _server_ready(self, server: Process) -> None:
        if server is self.server and server.is_alive:
            self._do(self._policy.server_ready(self.house.loop.now_ns))

    def _fork(self, server: Process | None, identity: str) -> None:
        if server is None or server is not self.server or not server.is_alive:
            return
        self.house.children[identity] = Child(self.house, self.name, identity)
        self._do(self._policy.forked(identity, self.house.loop.now_ns))

    def kill_server(self) -> None:
        """The fork server dies; its children live."""
        server = self.server
        if server is not None and server.is_alive:
            server.kill()
            self.tell(self._server_lost)

    def _server_lost(self) -> None:
        self.server = None
        self._do(self._policy.server_lost("it was killed", self.house.loop.now_ns))

    def _died(self) -> None:
        if self.server is not None:
            self.server.kill()
        for child in list(self.house.children.values()):
            if child.host is self:
                child.process.run(child.lose_host)


async def _at_once(function: Callable[..., Any], *args: Any) -> Any:
    """In place of a thread."""
    return function(*args)


@contextmanager
def house(seed: int) -> Iterator[House]:
    """A house, whose edges are ours."""
    with virtual_time() as loop, ExitStack() as stack:
        made = House(loop, seed)
        quiet = SimpleNamespace(disable=lambda: None, collect=lambda: 0)
        edges: list[tuple[Any, str, Any]] = [
            (zmq, "Context", _Context),
            (mixer_core.bus.audio_client, "_Line", made.wire.line),
            (mixer_core.bus.endpoints, "open_socket", made.wire.open_socket),
            (mixer_core.bus.control_client, "DrainedSocket", made.wire.drained),
            (signaling.gateway, "DrainedSocket", made.wire.drained),
            (signaling.gateway, "Reach", _Reach),
            (signaling.gateway, "secrets", SimpleNamespace(randbits=made.random.getrandbits)),
            (signaling.load_watch, "Host", _Machine),
            (mixer_core.runtime.process_usage, "report", dict),
            (media_worker.child, "gc", quiet),
            (media_worker.child, "prepare_ice", lambda network: None),
            (media_worker.session_shell, "Peer", lambda events, *_: Peer(made, events)),
            (openai_link.room.shell, "open_http", lambda *_: _Http()),
            (openai_link.room.session_feed, "make_transport", lambda *a: Call(made, a[6])),
            (
                openai_link.room.journal_feed,
                "Journal",
                SimpleNamespace(open=lambda _, room, *__, **___: Journal(made.disk, room)),
            ),
            (openai_link.child, "load", lambda *_: made.link_settings()),
            (asyncio, "to_thread", _at_once),
            (openai_link.room.shell, "random", made.random),
            (
                openai_link.room.shell,
                "secrets",
                SimpleNamespace(token_hex=lambda n: f"{made.random.getrandbits(8 * n):0{2 * n}x}"),
            ),
        ]
        for owner, name, replacement in edges:
            stack.enter_context(mock.patch.object(owner, name, replacement))
        handler = _Log(made.watch)
        logger = logging.getLogger("mixminus")
        logger.addHandler(handler)
        stack.callback(logger.removeHandler, handler)
        yield made
