"""Several clients in one process: ``python -m benchmarks.load_process``, driven by JSON lines."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import aioice.ice
import uvloop

from . import impairment
from .helper_process import serve
from .load_client import Heard, LoadClient, Sent

READY_TIMEOUT_S = 20.0


class Load:
    """The clients of this process, and the network that they have."""

    def __init__(self) -> None:
        self._clients: list[LoadClient] = []
        self._network = impairment.Impairment()
        impairment.install(self._network)

    async def handle(self, command: dict[str, Any]) -> Any:
        """Carry out one command; the result goes back as JSON."""
        name = command.pop("do")
        method = getattr(self, f"do_{name}")
        return await method(**command)

    async def do_join(
        self, url: str, seats: list[tuple[str, int, int]], framed: bool, wait_ready: bool
    ) -> list[dict[str, float]]:
        """Join, one after the other; ``seats``: room, index, number of talkers of the room."""
        joined = []
        for room, index, talkers in seats:
            client = LoadClient(url, room, index, talkers, framed)
            self._clients.append(client)
            await client.join()
            joined.append(client)
        if wait_ready and framed:
            waits = (asyncio.wait_for(client.ready.wait(), READY_TIMEOUT_S) for client in joined)
            await asyncio.gather(*waits)
        gc.collect()
        gc.freeze()
        return [client.setup_ms() for client in joined]

    async def do_setup(self) -> list[dict[str, float]]:
        """How long the steps of joining took, per client."""
        return [client.setup_ms() for client in self._clients]

    async def do_behave(self, style: Any) -> None:
        """All clients speak in this style."""
        for client in self._clients:
            client.behave(style)

    async def do_speak(self, client: int, frames: int) -> None:
        """One client speaks once."""
        self._clients[client].speak(frames)

    async def do_network(self, loss: float = 0.0, jitter_ms: float = 0.0) -> None:
        """The network is like this from now on."""
        self._network.loss, self._network.jitter_ms = loss, jitter_ms

    async def do_outage(self, seconds: float) -> int:
        """Nothing passes for so long, from now on. The time of its end (monotonic ns)."""
        self._network.outage_until_ns = time.monotonic_ns() + int(seconds * 1e9)
        return self._network.outage_until_ns

    async def do_look(self) -> list[dict[str, Any]]:
        """What every client sent and heard since the last look."""
        result = []
        for client in self._clients:
            heard, sent = client.heard, client.sent
            client.heard, client.sent = Heard(), Sent()
            marks = client.voice.marks.take()
            result.append(
                {
                    "room": client.room,
                    "sent": sent.frames,
                    "skipped": sent.skipped,
                    "sent_marks": marks,
                    "sent_total": client.sent_total,
                    "received": heard.frames,
                    "received_total": client.received,
                    "lost_total": client.lost(),
                    "misordered": heard.misordered,
                    "concealed": heard.concealed,
                    "late_us": list(heard.late_us),
                    "arrived_ms": list(heard.arrived_ms),
                    "heard_marks": heard.marks,
                }
            )
        return result

    async def do_epochs(self) -> list[dict[str, Any]]:
        """Per client: its epoch, and when it last heard each epoch."""
        return [
            {
                "epoch": client.epoch,
                "heard_ns": client.epoch_heard_ns,
                "flushed_ns": client.flushed_ns,
                "loud_ns": client.loud_ns,
            }
            for client in self._clients
        ]

    async def do_leave(self) -> None:
        """All clients hang up."""
        clients, self._clients = self._clients, []
        await asyncio.gather(*(client.leave() for client in clients))


def main() -> None:
    """Serve until standard input ends."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]

    async def run() -> None:
        gc.disable()
        await serve(Load().handle)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


if __name__ == "__main__":
    main()
