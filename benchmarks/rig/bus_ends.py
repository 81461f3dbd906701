"""The two ends of ``bench bus``: a sender for all streams, and four ways to receive."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import uvloop
import zmq
import zmq.asyncio

from mixer_core.bus import endpoints, frames
from mixer_core.bus.drain import DrainedSocket
from mixer_core.bus.pcm import FRAME_BYTES, FRAME_NS
from mixer_core.runtime.units import MS_NS, S_NS

Socket = zmq.Socket[bytes]
SETTLE_NS = 200 * MS_NS
"""Messages of the first 0.2 s are not counted: the sockets are still connecting."""
PAYLOAD = bytes(range(240)) * (FRAME_BYTES // 240)
TABLE = {endpoint.name: endpoint for endpoint in endpoints.ENDPOINTS}


@dataclass
class Tally:
    """What one receiver saw."""

    cpu_ns: int = 0
    messages: int = 0
    lost: int = 0
    sender_cpu_ns: int = 0
    sent: int = 0
    latencies_us: list[float] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add another round."""
        self.cpu_ns += other.cpu_ns
        self.messages += other.messages
        self.lost += other.lost
        self.sender_cpu_ns += other.sender_cpu_ns
        self.sent += other.sent
        self.latencies_us += other.latencies_us


class Meter:
    """Counts messages as they are received, and the processor time they took."""

    def __init__(self, seconds: float) -> None:
        self._from_ns = time.monotonic_ns() + SETTLE_NS
        self.until_ns = self._from_ns + int(seconds * S_NS)
        self._began_cpu_ns = -1
        self._next_seq: dict[int, int] = {}
        self.tally = Tally()

    def take(self, message: bytes) -> bool:
        """Count one message; False once the time is over."""
        now_ns = time.monotonic_ns()
        if now_ns >= self.until_ns:
            return False
        if now_ns < self._from_ns:
            return True
        if self._began_cpu_ns < 0:
            self._began_cpu_ns = time.process_time_ns()
        stream, _, _, _, seq, _, stamp_ns = frames.HEADER.unpack_from(message)
        self.tally.messages += 1
        self.tally.lost += max(0, seq - self._next_seq.get(stream, seq))
        self._next_seq[stream] = seq + 1
        self.tally.latencies_us.append((now_ns - stamp_ns) / 1000)
        return True

    def finish(self) -> Tally:
        """The result; call it as soon as the time is over."""
        self.tally.cpu_ns = time.process_time_ns() - max(0, self._began_cpu_ns)
        return self.tally


def receive_zmq_asyncio(socket: Socket, meter: Meter) -> None:
    """``await socket.recv()`` of ``zmq.asyncio`` on uvloop."""
    wrapped = zmq.asyncio.Socket.from_socket(socket)

    async def main() -> None:
        while meter.take(await wrapped.recv()):
            pass

    uvloop.run(main())


def receive_drained(socket: Socket, meter: Meter) -> None:
    """``bus.drain`` on uvloop: what workers and links do."""

    async def main() -> None:
        done = asyncio.Event()

        def on_message(parts: list[bytes]) -> None:
            if not meter.take(parts[-1]):
                done.set()

        DrainedSocket(asyncio.get_running_loop(), socket, on_message)
        await done.wait()

    uvloop.run(main())


def receive_blocking(socket: Socket, meter: Meter) -> None:
    """A thread that does nothing else: what the mixer does."""
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    while True:
        poller.poll()
        while endpoints.readable(socket):
            if not meter.take(socket.recv(zmq.NOBLOCK)):
                return


def receive_by_tick(socket: Socket, meter: Meter) -> None:
    """Everything that waits, every 20 ms: fewest wake-ups, latency of the tick."""
    due_ns = time.monotonic_ns()
    while True:
        due_ns += FRAME_NS
        time.sleep(max(0, due_ns - time.monotonic_ns()) / S_NS)
        while endpoints.readable(socket):
            if not meter.take(socket.recv(zmq.NOBLOCK)):
                return


RECEIVERS: dict[str, Callable[[Socket, Meter], None]] = {
    "zmq.asyncio": receive_zmq_asyncio,
    "drain on uvloop": receive_drained,
    "blocking": receive_blocking,
    "each 20 ms": receive_by_tick,
}


def receiving(pipe: Connection, folder: str, receiver: str, endpoint: str, seconds: float) -> None:
    """A process that receives; reports a ``Tally``."""
    context: zmq.Context[Socket] = zmq.Context()
    side: Literal["bind", "connect"] = "bind" if endpoint == "audio_in" else "connect"
    socket = endpoints.open_socket(context, TABLE[endpoint], Path(folder), side)
    if endpoint == "audio_out":
        socket.setsockopt(zmq.SUBSCRIBE, b"")
    pipe.send(("ready", None))
    pipe.recv()
    gc.disable()
    meter = Meter(seconds)
    RECEIVERS[receiver](socket, meter)
    pipe.send(("tally", meter.finish()))
    pipe.recv()


def sending(pipe: Connection, folder: str, endpoint: str, streams: int, seconds: float) -> None:
    """A process that sends for ``streams`` streams, each at 50 Hz; reports what it sent."""
    context: zmq.Context[Socket] = zmq.Context()
    row, path = TABLE[endpoint], Path(folder)
    if endpoint == "audio_in":
        sockets = [endpoints.open_socket(context, row, path, "connect") for _ in range(streams)]
    else:
        sockets = [endpoints.open_socket(context, row, path, "bind")] * streams
    pipe.send(("ready", None))
    pipe.recv()
    gc.disable()
    began_cpu_ns = time.process_time_ns()
    due_ns = time.monotonic_ns()
    until_ns = due_ns + SETTLE_NS + int((seconds + 0.1) * S_NS)
    sent = 0
    while due_ns < until_ns:
        time.sleep(max(0, due_ns - time.monotonic_ns()) / S_NS)
        seq, number = divmod(sent, streams)
        stamp_ns = time.monotonic_ns()
        message = frames.encode_audio(number + 1, 0, seq, 0, stamp_ns, PAYLOAD)
        endpoints.try_send(sockets[number], message)
        sent += 1
        due_ns += FRAME_NS // streams
    pipe.send(("sent", (sent, time.process_time_ns() - began_cpu_ns)))
    pipe.recv()
