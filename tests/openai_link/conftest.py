"""A bench for the link: real host, real simulator; the test plays signaling and the mixer."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import zmq

from mixer_core.bus import control, endpoints, events, frames
from mixer_core.bus.control import LinkState, OpenLink
from mixer_core.bus.frames import Frame, Kind
from tests.support.gateway import ROOT, free_port
from tests.support.waiting import PATIENCE_S, wait_until

STREAM = 0xA5515
ROOM = "kitchen"


@dataclass
class Program:
    """A process of the gateway and what it printed."""

    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def deep(endpoint: endpoints.Endpoint) -> endpoints.Endpoint:
    """The same without a limit: a test that waits for something else loses nothing meanwhile."""
    return replace(endpoint, high_water_mark=0)


@dataclass
class Bench:
    """ROUTER, PULL and PUB of the test, in a runtime directory of its own."""

    dir: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port = free_port()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.router = endpoints.open_socket(self.context, endpoints.CONTROL, self.dir, "bind")
        self.pull = endpoints.open_socket(self.context, deep(endpoints.AUDIO_IN), self.dir, "bind")
        self.pub = endpoints.open_socket(self.context, endpoints.AUDIO_OUT, self.dir, "bind")
        self.states: dict[str, list[LinkState]] = {}
        self.exits: list[control.ChildExited] = []
        self.beats: list[control.Heartbeat] = []
        self.frames: list[tuple[int, Frame]] = []
        """Arrival time and frame, of everything but START."""
        self.starts: list[Frame] = []
        self.epoch = 0
        self.acknowledge = True
        self.programs: list[Program] = []
        self._seq = 0

    # Processes

    def start(self, module: str, **variables: str) -> Program:
        own = {
            "MIXMINUS_RUNTIME__DIR": str(self.dir),
            "MIXMINUS_RUNTIME__STATE_DIR": str(self.dir / "state"),
            "MIXMINUS_SIMULATOR__HTTP_PORT": str(self.port),
            **self.settings,
            **variables,
        }
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MIXMINUS_")}
        clean.pop("OPENAI_API_KEY", None)
        log_path = self.dir / f"{module}-{len(self.programs)}.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module], cwd=ROOT, env=clean | own, stdout=log, stderr=log
            )
        self.programs.append(Program(process, log_path))
        return self.programs[-1]

    def simulator(self, **variables: str) -> Program:
        program = self.start("openai_link.simulator", **variables)
        self.until(lambda: _listens(self.port))
        return program

    def host(self, **variables: str) -> Program:
        return self.start("openai_link", **variables)

    def close(self) -> None:
        for program in self.programs:
            if program.process.poll() is None:
                program.process.terminate()
        for program in self.programs:
            try:
                program.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                program.process.kill()
                program.process.wait(PATIENCE_S)
        self.context.destroy(linger=0)

    # Signaling's part

    def idle_link(self) -> str:
        """The identity of a link that waits."""

        def idle() -> str | None:
            for link, states in self.states.items():
                if states[-1].status == "idle":
                    return link
            return None

        self.until(lambda: idle() is not None)
        return str(idle())

    def open(self, mode: Any = "assistant") -> str:
        """Open the room on an idle link; returns its identity."""
        link = self.idle_link()
        message = control.encode(OpenLink(ROOM, STREAM, mode))
        self.router.send_multipart([link.encode(), message])
        if self.acknowledge:
            self.until(lambda: bool(self.starts))
            seen = 0
            while seen < len(self.starts):  # Until it no longer repeats: it has heard the answer.
                seen = len(self.starts)
                self.pump(time.monotonic() + 0.15)
        return link

    def state(self, link: str) -> LinkState:
        return self.states[link][-1]

    def until_status(self, link: str, status: str) -> LinkState:
        self.until(lambda: self.state(link).status == status)
        return self.state(link)

    # The mixer's part

    def publish(self, frame: Frame) -> None:
        self.pub.send(frames.encode(frame))

    def event(self, content: dict[str, Any]) -> None:
        self.publish(Frame(Kind.EVENT, STREAM, self.epoch, payload=events.encode_map(content)))

    def roster(self, *participants: str) -> None:
        entries = [{"participant": p, "name": p, "muted": False} for p in participants]
        self.event({"type": "participants", "participants": entries})

    def audio(self, pcm: bytes, flags: int = 0) -> None:
        stamp_ns = time.monotonic_ns()
        self.publish(Frame(Kind.AUDIO, STREAM, self.epoch, self._seq, flags, stamp_ns, pcm))
        self._seq += 1

    def speak(self, pcm: bytes, seconds_after: float = 0.0) -> None:
        """Say ``pcm`` in real time, then pause."""
        pieces = [pcm[i : i + 960] for i in range(0, len(pcm) - 959, 960)]
        due = time.monotonic()
        for index, piece in enumerate(pieces):
            last = index == len(pieces) - 1
            self.audio(piece, frames.FLAG_PAUSE if last else 0)
            due += 0.02
            self.pump(due)
        self.pump(due + seconds_after)

    # What came

    def events_of(self, kind: str) -> list[dict[str, Any]]:
        return [e for e in self.all_events() if e["type"] == kind]

    def all_events(self) -> list[dict[str, Any]]:
        return [
            events.decode_event(frame.payload)
            for _, frame in self.frames
            if frame.kind is Kind.EVENT
        ]

    def heard(self) -> list[Frame]:
        return [frame for _, frame in self.frames if frame.kind is Kind.AUDIO]

    @property
    def log(self) -> str:
        return "\n".join(program.log for program in self.programs)

    # The loop

    def until(self, condition: Callable[[], object]) -> None:
        def state() -> str:
            return f"{self.log}\n{self.all_events()[-8:]}"

        wait_until(condition, state=state, turn=lambda: self._poll(0.05))

    def pump(self, until_s: float) -> None:
        while (left := until_s - time.monotonic()) > 0:
            self._poll(left)

    def _poll(self, seconds: float) -> None:
        poller = zmq.Poller()
        poller.register(self.router, zmq.POLLIN)
        poller.register(self.pull, zmq.POLLIN)
        for ready, _ in poller.poll(max(1, int(seconds * 1000))):
            if ready is self.router:
                self._control(self.router.recv_multipart())
            else:
                self._frame(frames.decode(self.pull.recv()))

    def _control(self, parts: list[bytes]) -> None:
        message = control.decode(parts[-1])
        if isinstance(message, LinkState):
            self.states.setdefault(message.link, []).append(message)
        elif isinstance(message, control.ChildExited):
            self.exits.append(message)
            self.states.pop(message.child, None)
        elif isinstance(message, control.Heartbeat):
            self.beats.append(message)

    def _frame(self, frame: Frame) -> None:
        if frame.kind is Kind.START:
            self.starts.append(frame)
            self.epoch = frames.newest_epoch(frame.epoch, self.epoch)
            if self.acknowledge:
                self.publish(Frame(Kind.START, STREAM, self.epoch, payload=frame.payload))
            return
        if frame.kind is Kind.FLUSH:
            self.epoch = frames.newest_epoch(frame.epoch, self.epoch)
        self.frames.append((time.monotonic_ns(), frame))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def bench() -> Iterator[Bench]:
    path = Path(tempfile.mkdtemp(prefix="mml-", dir="/tmp"))
    path.chmod(0o700)
    made = Bench(path)
    yield made
    made.close()
    shutil.rmtree(path, ignore_errors=True)
