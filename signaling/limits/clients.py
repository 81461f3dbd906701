"""Which addresses count as one client. Sans-I/O."""

from __future__ import annotations

import ipaddress

_IPV6_PREFIX = 64
"""A host may choose any address of its network of this size."""


def client_of(address: str) -> str:
    """The key for an address: itself, or its network for IPv6; empty if it is not an address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    if found.is_loopback:
        return str(found)
    return str(ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))
