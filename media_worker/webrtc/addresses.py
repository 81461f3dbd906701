"""This host's interfaces, looked up each time, because a laptop changes networks."""

from __future__ import annotations

import ipaddress

import ifaddr

from .interfaces import Interface


def host_interfaces() -> list[Interface]:
    """All interfaces that have addresses, in the system's order."""
    found = []
    for adapter in ifaddr.get_adapters():
        pairs = [
            (entry.ip if isinstance(entry.ip, str) else entry.ip[0], entry.network_prefix)
            for entry in adapter.ips
        ]
        networks = tuple(ipaddress.ip_network(f"{a}/{p}", strict=False) for a, p in pairs)
        found.append(Interface(adapter.nice_name, tuple(a for a, _ in pairs), networks))
    return found
