"""Offers for many rooms at once: ``python -m benchmarks.rig.offers_process ADDRESS``."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import aiohttp
import uvloop
from aiortc import RTCConfiguration, RTCPeerConnection

from mixer_core.patches.aioice.gathering import offer_addresses

from ..report.results import quantiles
from .commands import serve

TIMEOUT_S = 120.0
RETRY_S = 1.0


class Offers:
    """One offer is made, and posted again and again: nobody ever connects."""

    async def do_offer(self, rooms: list[str], ways: list[str], token: str) -> dict[str, Any]:
        """Post it for all rooms at once, until all have been answered.

        For every third room to every node, for the others to one of them in turn.
        """
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.createDataChannel("audio")
        await peer.setLocalDescription(await peer.createOffer())
        self._offer = {"sdp": peer.localDescription.sdp, "type": "offer"}
        self._seconds: list[float] = []
        self._refusals: dict[str, int] = {}
        headers = {"Authorization": f"Bearer {token}"}
        timeout = aiohttp.ClientTimeout(TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(
            headers=headers, timeout=timeout, connector=connector
        ) as http:
            pairs = [
                (room, number)
                for place, room in enumerate(rooms)
                for number in range(len(ways))
                if place % 3 == 0 or place % len(ways) == number
            ]
            answers = await asyncio.gather(
                *(self._post(http, ways[number], room, number) for room, number in pairs)
            )
        await peer.close()
        nodes: dict[str, set[str]] = {room: set() for room in rooms}
        for (room, _), node in zip(pairs, answers, strict=True):
            if node:
                nodes[room].add(node)
        return {
            "nodes": {room: sorted(found) for room, found in nodes.items()},
            "seconds": quantiles(self._seconds, 0.5, 0.95),
            "refused": sum(self._refusals.values()),
            "refusals": [f"{times} × {words}" for words, times in self._refusals.items()][:10],
        }

    async def _post(
        self, http: aiohttp.ClientSession, way: str, room: str, number: int
    ) -> str | None:
        """The node in the answer; None: there was none in time."""
        url = f"{way}/rooms/{room}/participants"
        began_s = time.monotonic()
        while time.monotonic() - began_s < TIMEOUT_S:
            try:
                async with http.post(url, json=self._offer, params={"name": f"P{number}"}) as got:
                    if got.status == 201:
                        self._seconds.append(time.monotonic() - began_s)
                        return got.headers["Location"].rpartition("~")[2]
                    words = f"{got.status} {(await got.json()).get('title', '')}"
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                words = type(error).__name__
            self._refusals[words] = self._refusals.get(words, 0) + 1
            await asyncio.sleep(RETRY_S)
        return None


async def main() -> None:
    """Serve until standard input ends."""
    address = sys.argv[1]
    offer_addresses(lambda: [address])
    await serve(Offers())


if __name__ == "__main__":
    uvloop.run(main())
