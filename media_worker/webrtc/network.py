"""The network settings of a worker, read and checked once. Sans-I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.ice_servers import IceServer, is_turn

from .interfaces import AUTO, Rules, read_rules
from .probing import KINDS, LOWEST_PORT, Kind

MAX_ANNOUNCED = 4


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """How browsers reach a worker."""

    addresses: tuple[str, ...] = ()
    """Exactly these are offered; empty: those of the interfaces."""
    interfaces: Rules = field(default_factory=Rules)
    announced: tuple[str, ...] = ()
    """Outer addresses of this host, offered beside its own."""
    ports: range = range(0)
    """UDP ports; empty: any."""
    probed: frozenset[Kind] = frozenset({"private", "public"})
    """Kinds of addresses in an offer that are checked."""
    relay: bool = False
    """Take an address at the TURN server, too."""


def read_network(
    addresses: str, interfaces: str, announced: str, ports: str, probed: str, relay: bool
) -> NetworkSettings:
    """Read the settings of these names.

    Raises:
        SettingsError: names the key, what is wrong with it, and what is possible.
    """
    listed = () if addresses.strip() == AUTO else _read_addresses("ice_addresses", addresses)
    outer = _read_addresses("announce_address", announced)
    if len(outer) > MAX_ANNOUNCED:
        raise _wrong("announce_address", announced, f"at most {MAX_ANNOUNCED} addresses")
    return NetworkSettings(
        listed, read_rules(interfaces), outer, _read_ports(ports), _read_kinds(probed), relay
    )


def usable_servers(servers: Iterable[IceServer], relay: bool) -> list[IceServer]:
    """What a worker itself uses: STUN, TURN only with ``relay``, and no literal IPv6 address."""
    found = []
    for server in servers:
        urls = tuple(url for url in server.urls if "[" not in url and (relay or not is_turn(url)))
        if urls:
            found.append(IceServer(urls, server.username, server.credential))
    return found


def _read_addresses(key: str, text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in parts:
        try:
            address = ipaddress.ip_address(part)
        except ValueError as error:
            raise _wrong(key, part, "write IP addresses separated by commas") from error
        if address.is_unspecified or address.is_multicast:
            raise _wrong(key, part, "browsers cannot send to it: write an address of this host")
    return parts


def _read_ports(text: str) -> range:
    if not text.strip():
        return range(0)
    first, separator, last = text.partition("-")
    try:
        ports = range(int(first), int(last) + 1 if separator else int(first) + 1)
    except ValueError as error:
        raise _wrong("udp_ports", text, "write a range such as 50000-50099") from error
    if not ports or ports[0] < LOWEST_PORT or ports[-1] > 65_535:
        raise _wrong("udp_ports", text, f"ports are {LOWEST_PORT} to 65535, the lower one first")
    return ports


def _read_kinds(text: str) -> frozenset[Kind]:
    parts = {part.strip() for part in text.split(",") if part.strip()}
    if parts == {"none"}:
        return frozenset()
    if not parts or not parts <= set(KINDS):
        raise _wrong("probe_addresses", text, f"write some of {', '.join(KINDS)}, or none")
    return frozenset(cast(set[Kind], parts))


def _wrong(key: str, value: str, cure: str) -> SettingsError:
    return SettingsError(f"[media_worker] {key} = {value!r} is not possible: {cure}")
