"""A call inside a network namespace of its own, with the bridge of a container engine in it.

Started by ``test_networks`` as a process of its own. Prints the addresses that a worker offered.
"""

from __future__ import annotations

import asyncio
import subprocess

from media_worker.webrtc import peer
from media_worker.webrtc.network import NetworkSettings
from mixer_core.runtime import logs
from tests.media_worker.edges import Browser
from tests.support.waiting import PATIENCE_S

COMMANDS = (
    "link set lo up",
    "link add docker0 type bridge",
    "address add 172.17.0.1/16 dev docker0",
    "link set docker0 up",
    "link add eth0 type veth peer name other",
    "address add 10.77.0.1/24 dev eth0",
    "address add fd77::1/64 dev eth0 nodad",
    "link set eth0 up",
    "link set other up",
)


async def call() -> None:
    opened = asyncio.Event()
    events = peer.PeerEvents(lambda framed: opened.set(), print, print, print, lambda detail: None)
    network = NetworkSettings()
    browser = Browser(framed=True)
    peer.prepare_ice(network)
    callee = peer.Peer(events, logs.get("media_worker", "test"), network)
    answer = await callee.answer(await browser.sdp())
    await browser.accept(answer)
    await asyncio.wait_for(opened.wait(), PATIENCE_S)
    await callee.close()
    await browser.close()
    print(*sorted(line.split()[4] for line in answer.splitlines() if "candidate:" in line))


if __name__ == "__main__":
    for command in COMMANDS:
        subprocess.run(["ip", *command.split()], check=True)
    asyncio.run(call())
