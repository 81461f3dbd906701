"""Under which addresses and names the local network finds this host."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import ifaddr

from .authority import PRIVATE_NETWORKS, Address

BRIDGES = ("docker", "br-", "veth", "l4tbr", "virbr", "lxcbr", "cni", "flannel", "podman")
"""Name prefixes of interfaces that lead to containers or a USB gadget: no browser is there."""
SHARED_NAME = "mixminus.local"


@dataclass(frozen=True, slots=True)
class Lan:
    """What the local network can call this host."""

    addresses: tuple[Address, ...]
    """IPv4 first; public ones are left out, the local authority may not certify them."""
    names: tuple[str, ...]
    """Lower case; the announced name first."""


def look(mdns: bool) -> Lan:
    """The state now. ``mdns``: whether ``mixminus.local`` is announced."""
    return Lan(
        lan_addresses(
            (adapter.nice_name, entry.ip if isinstance(entry.ip, str) else entry.ip[0])
            for adapter in ifaddr.get_adapters()
            for entry in adapter.ips
        ),
        host_names(socket.gethostname(), mdns),
    )


def lan_addresses(found: Iterable[tuple[str, str]]) -> tuple[Address, ...]:
    """Private addresses, sorted, of pairs of interface and address."""
    result: set[Address] = set()
    for interface, text in found:
        address = ipaddress.ip_address(text.partition("%")[0])
        if interface.startswith(BRIDGES) or address.is_loopback or address.is_link_local:
            continue
        if any(address in network for network in PRIVATE_NETWORKS):
            result.add(address)
    return tuple(sorted(result, key=lambda address: (address.version, int(address))))


def host_names(hostname: str, mdns: bool) -> tuple[str, ...]:
    """The names of a host that calls itself ``hostname``."""
    full = hostname.strip().strip(".").lower()
    short = full.partition(".")[0]
    names = [SHARED_NAME] if mdns else []
    if short and short != "localhost":
        names += [f"{short}.local", full]
    return tuple(dict.fromkeys(name for name in names if name.isascii()))


def url_host(address: Address) -> str:
    """An address as it stands in a URL."""
    return f"[{address}]" if address.version == 6 else str(address)
