"""A gateway set up for measuring, with a Realtime server and clients in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any, Literal

from . import usage
from .closing import Closing
from .gateway_process import BaselineProcess, GatewayProcess, RunningGateway
from .helper_process import HelperError, HelperProcess
from .metrics_page import MetricsPage
from .window import Look, Window

CLIENTS_PER_PROCESS = 5
METRICS_DELAY_S = 1.2
"""Delay after which the metrics page contains what has happened so far."""
SETTLE_READS = 8
"""Readings after which speech has ended: a reply of 3 s may have just begun."""
MOVING = (
    ("media_worker", "frames_in_total"),
    ("media_worker", "frames_out_total"),
    ("openai_link", "downlink_frames_total"),
)
"""Counters that stand still when nobody speaks."""
SESSION_TIMEOUT_S = 40.0

Subject = Literal["ours", "baseline"]


class Rig(Closing):
    """``with Rig(...) as rig: rig.join(); rig.behave("continuous"); rig.window(10)``."""

    def __init__(
        self,
        rooms: Sequence[int],
        *,
        subject: Subject = "ours",
        upstream: str = "talk",
        reply_ms: int = 3_000,
        per_process: int = CLIENTS_PER_PROCESS,
        **settings: str | int,
    ) -> None:
        """Nothing is started yet.

        Args:
            rooms: clients in each room (the baseline has one room).
            upstream: style of the Realtime server, see ``upstream``.
            reply_ms: length of its replies.
            per_process: clients per process.
            settings: the gateway's.
        """
        self.rooms = list(rooms)
        self.sessions = sum(rooms)
        self._subject = subject
        self._style, self._reply_ms = upstream, reply_ms
        self._per_process = per_process
        own: dict[str, str | int] = {
            "SIGNALING__MAX_PARTICIPANTS": max(20, self.sessions),
            "SIGNALING__MAX_ROOMS": max(10, len(self.rooms)),
            "SIGNALING__REFUSE_WHEN_BUSY": 0,
            "SIGNALING__MAX_PERCENT_PER_ADDRESS": 0,
            "OPENAI_LINK__GREET": 0,
            "MEDIA_WORKER__MAX_CHILDREN": self.sessions + 4,
            "OPENAI_LINK__MAX_CHILDREN": len(self.rooms) + 2,
        }
        self._settings = own | settings
        self._started = ExitStack()
        self.loads: list[HelperProcess] = []
        """Processes of clients."""
        self._rooms_of_sessions: dict[str, str] = {}
        """Session of the Realtime server → room."""

    def start(self) -> None:
        """Start the server, then the gateway. Raises HelperError or GatewayError."""
        self.server = HelperProcess(
            "benchmarks.rig.upstream", self._style, f"--reply-ms={self._reply_ms}"
        )
        self._started.callback(self.server.close)
        port = int(self.server.ask("port"))
        self.gateway: RunningGateway = (
            BaselineProcess(port)
            if self._subject == "baseline"
            else GatewayProcess(port, **self._settings)
        )
        self._started.enter_context(self.gateway)

    def close(self) -> None:
        """End all processes, the clients first."""
        self._started.close()

    def join(self, pause_s: float = 0.0) -> None:
        """Join all clients, room by room, and wait for every assistant. Raises HelperError.

        ``pause_s``: between two clients.
        """
        seats = iter(
            [
                (f"room-{room}", index, talkers)
                for room, talkers in enumerate(self.rooms)
                for index in range(talkers)
            ]
        )
        framed = self._subject == "ours"
        while group := list(islice(seats, self._per_process)):
            load = HelperProcess("benchmarks.rig.load_process")
            self._started.callback(load.close)
            self.loads.append(load)
            for seat in group:
                load.ask("join", url=self.gateway.url, seats=[seat], framed=framed)
                self._note_session(seat[0])
                time.sleep(pause_s)

    def behave(self, style: str) -> None:
        """How all clients speak from now on."""
        self._all("behave", style=style)

    def drift(self, ppm: float) -> None:
        """By how much the clock of all clients is faster from now on, parts per million."""
        self._all("drift", ppm=ppm)

    def converse(self, style: str) -> None:
        """How clients and server speak from now on: ``continuous`` or ``conversation``."""
        self.server.ask("style", style="talk" if style == "continuous" else "answer")
        self.behave(style)

    def window(
        self,
        seconds: float,
        meanwhile: Callable[[], None] | None = None,
        every_s: float = 0.0,
    ) -> Window:
        """Measure for ``seconds``; ``meanwhile`` runs every ``every_s``, first after half of it."""
        processes = self.gateway.processes()
        load = [usage.Process(helper.pid, "load") for helper in self.loads]
        server = [usage.Process(self.server.pid, "upstream")]
        self.look()
        before = usage.read([*processes, *load, *server])
        end_s = time.monotonic() + seconds
        due_s = time.monotonic() + every_s / 2
        while meanwhile is not None and due_s < end_s:
            time.sleep(max(0.0, due_s - time.monotonic()))
            meanwhile()
            due_s += every_s
        time.sleep(max(0.0, end_s - time.monotonic()))
        used = usage.between(before, usage.read([*processes, *load, *server]))
        ended_ns = time.monotonic_ns()
        clients, upstream = self.look()
        for role in ("load", "upstream"):
            used.wakeups_per_s.pop(role, None)
        return Window(
            load_percent=used.cpu_percent.pop("load", 0.0),
            upstream_percent=used.cpu_percent.pop("upstream", 0.0),
            machine_percent=used.machine_percent,
            usage=used,
            ended_ns=ended_ns,
            clients=clients,
            upstream=upstream,
            rooms_of_sessions=dict(self._rooms_of_sessions),
        )

    def look(self) -> tuple[list[Look], Look]:
        """What clients and server saw since the last look."""
        clients = [look for looks in self._all("look") for look in looks]
        return clients, dict(self.server.ask("look"))

    def backlog_ms(self) -> dict[str, float]:
        """Stage → audio that waits there, ms, as reported within the last second."""
        assert isinstance(self.gateway, GatewayProcess)
        return self.gateway.metrics().backlog_ms

    def metrics(self) -> MetricsPage:
        """The gateway's counters, with everything that has happened until now."""
        assert isinstance(self.gateway, GatewayProcess)
        time.sleep(METRICS_DELAY_S)
        return self.gateway.metrics()

    def metrics_now(self) -> MetricsPage:
        """The counters as they have been reported by now."""
        assert isinstance(self.gateway, GatewayProcess)
        return self.gateway.metrics()

    def settled_metrics(self) -> MetricsPage:
        """The same once nobody speaks any more, so that no frame is on its way."""
        page = self.metrics()
        for _ in range(SETTLE_READS):
            earlier, page = page, self.metrics()
            if not any(page.since(earlier, *counter) for counter in MOVING):
                break
        return page

    def _all(self, command: str, **arguments: Any) -> list[Any]:
        for load in self.loads:
            load.order(command, **arguments)
        return [load.answer() for load in self.loads]

    def _note_session(self, room: str) -> None:
        """Learn which of the server's sessions belongs to a room that has just been opened."""
        if room in self._rooms_of_sessions.values():
            return
        deadline_s = time.monotonic() + SESSION_TIMEOUT_S
        while time.monotonic() < deadline_s:
            fresh = set(self.server.ask("sessions")) - set(self._rooms_of_sessions)
            if fresh:
                self._rooms_of_sessions[fresh.pop()] = room
                return
            time.sleep(0.05)
        raise HelperError(f"{room}: the Realtime server got no session")
