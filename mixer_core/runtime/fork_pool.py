"""A host's pool of warm children: the shell around ``pool_policy``.

Children are forked from a server that has imported everything once (``fork_server``), and register
with the host on a socket in the runtime directory. They outlive the host and the fork server: a
host that starts adopts those that an earlier one has left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from . import logs, pool_wire
from .child_lines import ChildLines
from .errors import WireError
from .fork_server import NAME_BYTES, Plan
from .lazy_timer import LazyTimer
from .parent import Supervisor, our_supervisor
from .pool_policy import (
    Action,
    End,
    Exited,
    Fork,
    Kill,
    KillServer,
    PoolLimits,
    PoolPolicy,
    Retire,
    StartServer,
    Warn,
)
from .process import SUPERVISED_VARIABLE
from .settings import CommonSettings
from .units import MS_NS
from .upkeep import Upkeep

SETTLE_NS = 600 * MS_NS
"""Where an earlier host was here: its children register within this time."""


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What a program's pool is made of."""

    program: str
    preload: str
    """Module that imports, warms and freezes."""
    child_main: str
    """``module:function`` of a child."""
    socket_name: str
    """File in the runtime directory."""
    limits: PoolLimits


class ForkPool:
    """Keeps the wanted number of children idle; runs in one event loop."""

    def __init__(
        self, plan: PoolPlan, settings: CommonSettings, on_exit: Callable[[str, int], None]
    ) -> None:
        """``on_exit(child, exit_code)``. Nothing is started before ``fill``.

        Raises:
            RuntimeDirError: the socket cannot be bound.
        """
        self._plan = plan
        self._on_exit = on_exit
        self._log = logs.get(plan.program)
        self._loop = asyncio.get_running_loop()
        path = settings.runtime_dir / plan.socket_name
        was_here = path.exists()
        build = build_of(settings)
        self._lines = ChildLines(path, self._heard, self._ended, build)
        self._upkeep = Upkeep(self._log, self._lines.renew)
        supervised = SUPERVISED_VARIABLE in os.environ
        self._supervisor = our_supervisor() if supervised else Supervisor()
        self._build = build
        self._server_plan = Plan(
            plan.preload, plan.child_main, settings, str(path), build, self._supervisor
        )
        self._server: subprocess.Popen[bytes] | None = None
        self._server_line: socket.socket | None = None
        self._pids: dict[str, int] = {}
        now_ns = time.monotonic_ns()
        settle_ns = SETTLE_NS if was_here else 0
        self._policy = PoolPolicy(plan.limits, self._name, now_ns, settle_ns)
        self._timer = LazyTimer(self._loop, self._look)
        self._queue: deque[Action] = deque()
        self._working = False

    @property
    def idle_children(self) -> int:
        """Children that wait for work."""
        return self._policy.idle

    @property
    def children(self) -> int:
        """Children alive, those included that were ordered."""
        return self._policy.alive

    @property
    def is_ready(self) -> bool:
        """Whether work is taken at once, or there is no place left for any."""
        return self.idle_children > 0 or self.children >= self._plan.limits.most

    @property
    def trouble(self) -> str:
        """Why children are missing or cannot be reached, in words; empty: nothing is wrong."""
        return self._policy.trouble or self._upkeep.fault

    def metrics(self) -> dict[str, int | float | list[int]]:
        """For the host's heartbeat."""
        policy = self._policy
        return {
            "children": policy.alive,
            "idle_children": policy.idle,
            "children_started_total": policy.ordered_total,
            "children_adopted_total": policy.adopted_total,
            "children_frozen_total": policy.frozen_total,
            "children_over_memory_total": policy.over_memory_total,
        }

    def fill(self) -> None:
        """Begin to keep children."""
        self._do(self._policy.timeout(time.monotonic_ns()))

    def close(self) -> None:
        """End all children and the fork server."""
        self._do(self._policy.close("the gateway stops"))
        self._timer.close()
        self._drop_server()
        self._lines.close()

    def leave(self) -> None:
        """Let go of all children: the next host adopts those in a call, and replaces the others."""
        self._timer.close()
        self._drop_server()
        self._lines.leave()

    # What happens

    def _look(self) -> None:
        now_ns = time.monotonic_ns()
        self._upkeep.check()
        actions = self._policy.timeout(now_ns)
        if self._plan.limits.memory_bytes:
            for identity, pid in self._pids.items():
                actions += self._policy.memory(identity, resident_bytes(pid), now_ns)
        self._do(actions)

    def _heard(self, state: pool_wire.State, pid: int) -> None:
        self._pids[state.identity] = pid
        fresh = state.build == self._build
        now_ns = time.monotonic_ns()
        self._do(self._policy.heard(state.identity, state.idle, fresh, now_ns))

    def _ended(self, identity: str, exit_code: int | None) -> None:
        """A child's line has ended; ``exit_code``: what it said before."""
        self._do(self._policy.ended(identity, exit_code, time.monotonic_ns()))

    def _server_readable(self) -> None:
        assert self._server_line is not None
        try:
            packet = self._server_line.recv(pool_wire.MAX_BYTES)
            message = pool_wire.decode(packet) if packet else None
        except (OSError, WireError):
            message = None
        if message is None:
            code = self._drop_server()
            words = f"the fork server has ended ({code})"
            self._do(self._policy.server_lost(words, time.monotonic_ns()))
            return
        self._do(self._server_said(message, time.monotonic_ns()))

    def _server_said(self, message: pool_wire.Message, now_ns: int) -> list[Action]:
        match message:
            case pool_wire.Ready():
                return self._policy.server_ready(now_ns)
            case pool_wire.Forked(identity, pid):
                self._pids.setdefault(identity, pid)
                return self._policy.forked(identity, now_ns)
            case pool_wire.NotForked(identity, words):
                return self._policy.not_forked(identity, f"no child can be made ({words})", now_ns)
            case pool_wire.Reaped(identity, exit_code):
                return self._policy.ended(identity, exit_code, now_ns)
            case _:
                return []

    # Carrying out actions

    def _do(self, actions: Iterable[Action]) -> None:
        """Carry out actions in order, and those that follow from them."""
        self._queue.extend(actions)
        if self._working:
            return
        self._working = True
        try:
            while self._queue:
                self._carry_out(self._queue.popleft())
        finally:  # Whatever went wrong: somebody looks again.
            self._working = False
            self._timer.arm(self._policy.next_timeout_ns())

    def _carry_out(self, action: Action) -> None:
        match action:
            case StartServer():
                self._start_server()
            case KillServer():
                self._drop_server()
            case Fork(identity):
                self._order(identity)
            case Retire(identity):
                self._lines.tell(identity, pool_wire.Order("retire", "it is not needed"))
            case End(identity, reason):
                self._lines.tell(identity, pool_wire.Order("end", reason))
            case Kill(identity):
                kill(self._pids.get(identity, 0), identity)
            case Exited(identity, exit_code):
                self._pids.pop(identity, None)
                self._lines.drop(identity)
                if exit_code:
                    self._log.warning("! child %s ended with %s", identity, exit_code)
                self._on_exit(identity, exit_code)
            case Warn(words):
                self._log.warning("! %s", words)

    def _start_server(self) -> None:
        try:
            self._server, self._server_line = start_server(self._plan.program, self._server_plan)
        except OSError as error:
            words = f"the fork server cannot be started ({error.strerror or error})"
            self._do(self._policy.server_lost(words, time.monotonic_ns()))
            return
        self._loop.add_reader(self._server_line.fileno(), self._server_readable)

    def _order(self, identity: str) -> None:
        if self._server_line is None:
            return
        # What cannot be sent is an order without an answer, or the end of the server.
        with contextlib.suppress(OSError):
            self._server_line.send(identity.encode(), socket.MSG_DONTWAIT)

    def _drop_server(self) -> int | None:
        """End the fork server, whatever it does; returns its exit code."""
        line, server = self._server_line, self._server
        self._server_line = self._server = None
        if line is not None:
            self._loop.remove_reader(line.fileno())
            line.close()
        if server is None:
            return None
        server.kill()
        return server.wait()

    def _name(self) -> str:
        return f"{self._plan.program}-{secrets.token_hex(4)}"


def build_of(settings: CommonSettings) -> str:
    """A digest of this release and its settings: idle children of another one are replaced."""
    try:
        release = metadata.version("mixminus")
    except metadata.PackageNotFoundError:
        release = ""
    return sha256(f"{release} {settings!r}".encode()).hexdigest()[:16]


def start_server(program: str, plan: Plan) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A fork server and our end of the line to it. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    file = -1
    try:
        file = os.memfd_create(f"{program}-plan")
        os.write(file, pickle.dumps(plan))
        os.lseek(file, 0, os.SEEK_SET)
        passed = [fd for fd in (theirs.fileno(), file, plan.supervisor.fd) if fd >= 0]
        module = "mixer_core.runtime.fork_server"
        command = [sys.executable, "-m", module, program, str(theirs.fileno()), str(file)]
        server = subprocess.Popen(command, pass_fds=passed, stdin=subprocess.DEVNULL)
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
        if file >= 0:
            os.close(file)
    return server, ours


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM, shared pages included; 0 where it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def kill(pid: int, identity: str) -> None:
    """Kill a child; a later process with the same id has another name and is left alone."""
    with contextlib.suppress(OSError):
        name = Path(f"/proc/{pid}/comm").read_bytes().rstrip(b"\n")
        if pid and name == identity.encode()[:NAME_BYTES]:
            os.kill(pid, signal.SIGKILL)
