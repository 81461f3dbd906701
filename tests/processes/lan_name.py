"""Announces mixminus.local in a network of its own and asks for it; prints the answers."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import subprocess

from zeroconf import AddressResolver
from zeroconf.asyncio import AsyncZeroconf

from mixer_core.runtime import logs
from signaling.tls.addresses import SHARED_NAME
from signaling.tls.announcer import Announcer

FIRST, SECOND = "10.7.0.1", "10.7.0.2"


async def asked() -> list[str]:
    """The addresses of the name, as another host hears them."""
    asker = AsyncZeroconf(interfaces=[FIRST])
    try:
        resolver = AddressResolver(f"{SHARED_NAME}.")
        await resolver.async_request(asker.zeroconf, 3000)
        return resolver.parsed_addresses()
    finally:
        await asker.async_close()


async def announce() -> dict[str, object]:
    """One address, another one, none."""
    announcer = Announcer(8443, "nano", logs.get("signaling"))
    found: dict[str, object] = {}
    for address in (FIRST, SECOND):
        await announcer.follow([ipaddress.ip_address(address)])
        found[address] = await asked()
    found["warning"] = announcer.warning
    await announcer.close()
    found["closed"] = await asked()
    await announcer.follow([ipaddress.ip_address("10.99.0.1")])
    found["not ours"] = announcer.warning
    return found


def main() -> None:
    """Make the network, announce, print."""
    for words in (
        "link set lo up",
        "link add v0 type veth peer name v1",
        f"address add {FIRST}/24 dev v0",
        f"address add {SECOND}/24 dev v0",
        "link set v0 up",
        "link set v1 up",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    print(json.dumps(asyncio.run(announce())))


if __name__ == "__main__":
    main()
