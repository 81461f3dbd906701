"""The two ends of ``bench bus``: a sender for all streams, and our receivers beside libzmq's."""

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

from mixer_core.audio_server import AudioServer
from mixer_core.bus import endpoints, frames
from mixer_core.bus.audio_client import AudioPush, AudioSub
from mixer_core.bus.drain import DrainedSocket
from mixer_core.bus.pcm import FRAME_BYTES, FRAME_NS
from mixer_core.runtime.units import MS_NS, S_NS

Way = Literal["audio_in", "audio_out"]
SETTLE_NS = 200 * MS_NS
"""Messages of the first 0.2 s are not counted: the sockets are still connecting."""
PAYLOAD = bytes(range(240)) * (FRAME_BYTES // 240)


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


def receive_as_mixer(folder: Path, meter: Meter) -> None:
    """The mixer's own end, on a thread that does nothing else."""
    server = AudioServer(folder)
    more = True

    def on_message(message: bytes) -> None:
        nonlocal more
        more = meter.take(message) and more

    while more:
        server.receive(server.poll(S_NS), on_message)


def receive_by_libzmq(folder: Path, meter: Meter) -> None:
    """libzmq's poller, on a thread that does nothing else."""
    socket = endpoints.open_socket(zmq.Context(), endpoints.AUDIO_IN, folder, "bind")
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    while True:
        poller.poll()
        while endpoints.readable(socket):
            if not meter.take(socket.recv(zmq.NOBLOCK)):
                return


def receive_as_client(folder: Path, meter: Meter) -> None:
    """The workers' and links' own end, on uvloop."""

    async def main() -> None:
        done = asyncio.Event()

        def on_message(message: bytes) -> None:
            if not meter.take(message):
                done.set()

        AudioSub(asyncio.get_running_loop(), folder, b"", on_message)
        await done.wait()

    uvloop.run(main())


def receive_drained(folder: Path, meter: Meter) -> None:
    """libzmq through ``bus.drain``, on uvloop."""

    async def main() -> None:
        done = asyncio.Event()

        def on_message(parts: list[bytes]) -> None:
            if not meter.take(parts[-1]):
                done.set()

        DrainedSocket(asyncio.get_running_loop(), subscriber(folder), on_message)
        await done.wait()

    uvloop.run(main())


def receive_zmq_asyncio(folder: Path, meter: Meter) -> None:
    """``await socket.recv()`` of ``zmq.asyncio``, on uvloop."""

    async def main() -> None:
        wrapped = zmq.asyncio.Socket.from_socket(subscriber(folder))
        while meter.take(await wrapped.recv()):
            pass

    uvloop.run(main())


def subscriber(folder: Path) -> zmq.Socket[bytes]:
    """A libzmq socket that receives everything that is published."""
    socket = endpoints.open_socket(zmq.Context(), endpoints.AUDIO_OUT, folder, "connect")
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    return socket


OURS = "ours"
RECEIVERS: dict[Way, dict[str, Callable[[Path, Meter], None]]] = {
    "audio_in": {OURS: receive_as_mixer, "libzmq": receive_by_libzmq},
    "audio_out": {
        OURS: receive_as_client,
        "libzmq, drained": receive_drained,
        "zmq.asyncio": receive_zmq_asyncio,
    },
}
"""Way → receiver → how it receives."""


def receiving(pipe: Connection, folder: str, receiver: str, way: Way, seconds: float) -> None:
    """A process that receives; reports a ``Tally``."""
    pipe.send(("ready", None))
    pipe.recv()
    gc.disable()
    meter = Meter(seconds)
    RECEIVERS[way][receiver](Path(folder), meter)
    pipe.send(("tally", meter.finish()))
    pipe.recv()


def sending(pipe: Connection, folder: str, way: Way, streams: int, seconds: float) -> None:
    """A process that sends for ``streams`` streams, each at 50 Hz; reports what it sent."""
    pipe.send(("ready", None))
    pipe.recv()
    gc.disable()
    began_cpu_ns = time.process_time_ns()
    until_ns = time.monotonic_ns() + SETTLE_NS + int((seconds + 0.1) * S_NS)
    if way == "audio_in":
        sent = uvloop.run(send_as_clients(Path(folder), streams, until_ns))
    else:
        sent = send_as_mixer(Path(folder), streams, until_ns)
    pipe.send(("sent", (sent, time.process_time_ns() - began_cpu_ns)))
    pipe.recv()


async def send_as_clients(folder: Path, streams: int, until_ns: int) -> int:
    """Send as workers and links do, over a socket for each stream; the number of messages."""
    loop = asyncio.get_running_loop()
    sockets = [AudioPush(loop, folder) for _ in range(streams)]
    due_ns, sent = time.monotonic_ns(), 0
    while due_ns < until_ns:
        await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / S_NS)
        sockets[sent % streams].send(message(sent, streams))
        sent += 1
        due_ns += FRAME_NS // streams
    return sent


def send_as_mixer(folder: Path, streams: int, until_ns: int) -> int:
    """Publish as the mixer does; the number of messages."""
    server = AudioServer(folder)
    due_ns, sent = time.monotonic_ns(), 0
    while due_ns < until_ns:
        while (wait_ns := due_ns - time.monotonic_ns()) > 0:
            server.receive(server.poll(wait_ns), lambda _: None)
        server.publish(message(sent, streams))
        sent += 1
        due_ns += FRAME_NS // streams
    return sent


def message(number: int, streams: int) -> bytes:
    """Message ``number`` of all streams together, stamped now."""
    seq, stream = divmod(number, streams)
    return frames.encode_audio(stream + 1, 0, seq, 0, time.monotonic_ns(), PAYLOAD)
