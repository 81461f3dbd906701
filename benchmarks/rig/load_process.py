"""Several clients in one process: ``python -m benchmarks.rig.load_process``, by JSON lines."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import uvloop

from mixer_core.bus.pcm import FRAME_NS

from . import datagrams
from .commands import serve
from .impairment import ImpairedNetwork
from .load_client import LoadClient
from .voice import Style

READY_TIMEOUT_S = 40.0


class Load(ImpairedNetwork):
    """The clients of this process, and their network."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: list[LoadClient] = []

    async def do_join(self, url: str, seats: list[tuple[str, int, int]], framed: bool) -> None:
        """Join one after the other, and wait until their assistants are there.

        ``seats``: room, index, number of talkers in the room. ``framed``: the gateway's wire
        format, else bare PCM.
        """
        joined = []
        for room, index, talkers in seats:
            client = LoadClient(url, room, index, talkers, framed)
            self._clients.append(client)
            await client.join()
            joined.append(client)
        if framed:
            waits = (asyncio.wait_for(client.ready.wait(), READY_TIMEOUT_S) for client in joined)
            await asyncio.gather(*waits)
        gc.collect()
        gc.freeze()

    async def do_rejoin(self, clients: list[int], style: Style) -> None:
        """These clients leave, all of them first, and come in again as new ones."""
        left = [self._clients[index] for index in clients]
        await asyncio.gather(*(client.leave() for client in left))
        for index, before in zip(clients, left, strict=True):
            self._clients[index] = client = before.again()
            await client.join()
            await asyncio.wait_for(client.ready.wait(), READY_TIMEOUT_S)
            client.behave(style)

    async def do_setup(self) -> list[dict[str, float]]:
        """How long the steps of joining took, ms, per client."""
        return [client.setup_ms() for client in self._clients]

    async def do_behave(self, style: Style) -> None:
        """All clients speak in this style from now on."""
        for client in self._clients:
            client.behave(style)

    async def do_drift(self, ppm: float) -> None:
        """The clock of all clients is faster by this, in parts per million."""
        for client in self._clients:
            client.frame_ns = round(FRAME_NS * (1 - ppm / 1e6))

    async def do_speak(self, client: int, frames: int) -> None:
        """One client speaks once."""
        self._clients[client].speak(frames)

    async def do_look(self) -> list[dict[str, Any]]:
        """What every client sent and received since the last look."""
        return [client.look() for client in self._clients]

    async def do_epochs(self) -> list[dict[str, Any]]:
        """Per client: its epoch, when it last heard each epoch, and when each was announced."""
        return [
            {
                "epoch": client.epoch,
                "heard_ns": client.epoch_heard_ns,
                "flushed_ns": client.flushed_ns,
                "loud_ns": client.loud_ns,
            }
            for client in self._clients
        ]


async def main() -> None:
    """Serve until standard input ends."""
    datagrams.use_loopback()
    gc.disable()
    await serve(Load())


if __name__ == "__main__":
    uvloop.run(main())
