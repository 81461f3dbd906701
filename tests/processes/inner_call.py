"""Calls inside a network namespace of their own, started by ``test_networks`` as a process.

``bridge``: beside the bridge of a container engine. ``nat``: through another address that passes
one port on, as Docker's ``-p`` does. Prints the addresses that the worker offered.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

from media_worker.webrtc import peer
from media_worker.webrtc.network import NetworkSettings
from mixer_core.runtime import logs
from tests.media_worker.edges import Browser
from tests.support.waiting import PATIENCE_S

INNER, OUTER, PORT = "10.77.0.1", "10.77.0.99", 20_400
COMMANDS = (
    "link set lo up",
    "link add docker0 type bridge",
    "address add 172.17.0.1/16 dev docker0",
    "link set docker0 up",
    "link add eth0 type veth peer name other",
    f"address add {INNER}/24 dev eth0",
    "address add fd77::1/64 dev eth0 nodad",
    "link set eth0 up",
    "link set other up",
)
BESIDE_A_BRIDGE = NetworkSettings()
BEHIND_A_NAT = NetworkSettings((INNER,), announced=(OUTER,), ports=range(PORT, PORT + 1))


class PortMapping(asyncio.DatagramProtocol):
    """Passes datagrams between one browser and the worker; only the outer side is public."""

    def __init__(self) -> None:
        self._browser: tuple[str, int] | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr == (INNER, PORT):
            self._transport.sendto(data, self._browser)
        else:
            self._browser = addr
            self._transport.sendto(data, (INNER, PORT))


async def call(network: NetworkSettings) -> list[str]:
    """The addresses in the answer of a worker, once the call is up."""
    opened = asyncio.Event()
    events = peer.PeerEvents(lambda framed: opened.set(), print, print, print, lambda detail: None)
    browser = Browser(framed=True)
    sdp = await browser.sdp()
    peer.prepare_ice(network)
    callee = peer.Peer(events, logs.get("media_worker", "test"), network)
    answer = await callee.answer(sdp)
    lines = answer.splitlines(keepends=True)
    if network.announced:
        lines = [line for line in lines if "candidate:" not in line or OUTER in line]
    await browser.accept("".join(lines))
    await asyncio.wait_for(opened.wait(), PATIENCE_S)
    await callee.close()
    await browser.close()
    return sorted(line.split()[4] for line in answer.splitlines() if "candidate:" in line)


async def main(case: str) -> None:
    if case == "bridge":
        print(*await call(BESIDE_A_BRIDGE))
        return
    subprocess.run(["ip", "address", "add", f"{OUTER}/32", "dev", "lo"], check=True)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(PortMapping, local_addr=(OUTER, PORT))
    print(*await call(BEHIND_A_NAT))


if __name__ == "__main__":
    for command in COMMANDS:
        subprocess.run(["ip", *command.split()], check=True)
    asyncio.run(main(sys.argv[1]))
