"""Which of this host's addresses are offered to browsers."""

from __future__ import annotations

import ipaddress

import ifaddr

SKIPPED_INTERFACES = ("docker", "br-", "veth", "l4tbr", "virbr")
"""Name prefixes of container bridges and of the Jetson's USB gadget: no browser is there."""
LOOPBACK = "127.0.0.1"


def host_addresses(setting: str) -> list[str]:
    """Addresses for ICE candidates.

    ``setting``: ``auto`` (all of this host's except link-local IPv6 and bridges, loopback last) or
    a list separated by commas. They are looked up each time, because a laptop changes networks.
    """
    if setting.strip() != "auto":
        return [part.strip() for part in setting.split(",") if part.strip()]
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        if adapter.nice_name.startswith(SKIPPED_INTERFACES):
            continue
        for entry in adapter.ips:
            text = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            address = ipaddress.ip_address(text)
            link_local = address.version == 6 and address.is_link_local
            if not address.is_loopback and not link_local and text not in found:
                found.append(text)
    return [*found, LOOPBACK]
