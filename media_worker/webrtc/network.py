"""The network settings of a worker, read and checked once. Sans-I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import cast

from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.ice_servers import (
    PORT,
    TLS_PORT,
    URL,
    Endpoint,
    IceServer,
    Servers,
    TurnServer,
)
from mixer_core.runtime.outer_addresses import MAX_ANNOUNCED, parse_announced

from .interfaces import AUTO, Rules, read_rules
from .probing import KINDS, LOWEST_PORT, Kind


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
    """Take an address at a TURN server, too."""

    def announcing(self, more: Iterable[str]) -> NetworkSettings:
        """The same with more outer addresses."""
        announced = tuple(dict.fromkeys((*self.announced, *more)))
        return replace(self, announced=announced[:MAX_ANNOUNCED])


def read_network(
    addresses: str, interfaces: str, announced: str, ports: str, probed: str, relay: bool
) -> NetworkSettings:
    """Read the settings of these names.

    Raises:
        SettingsError: names the key, what is wrong with it, and what is possible.
    """
    listed = () if addresses.strip() == AUTO else _read_addresses("ice_addresses", addresses)
    outer = parse_announced(announced).addresses  # Signaling looks up the names.
    return NetworkSettings(
        listed, read_rules(interfaces), outer, _read_ports(ports), _read_kinds(probed), relay
    )


def usable_servers(servers: Iterable[IceServer], relay: bool) -> Servers:
    """What a worker itself asks, in the order of the setting: STUN, TURN only with ``relay``.

    Left out are TLS without TCP, STUN over TLS and literal IPv6 addresses, which aioice cannot.
    """
    stun: list[Endpoint] = []
    turn: list[TurnServer] = []
    for server in servers:
        for url in server.urls:
            match = URL.fullmatch(url)
            if match is None or "[" in url:
                continue
            scheme, transport = match["scheme"], match["transport"]
            is_secure = scheme.endswith("s")
            port = int(match["port"] or (TLS_PORT if is_secure else PORT))
            endpoint = (match["host"], port)
            if scheme == "stun":
                stun.append(endpoint)
            elif scheme.startswith("turn") and relay and not (is_secure and transport == "udp"):
                transport = transport or ("tcp" if is_secure else "udp")
                name, secret = server.username, server.credential
                turn.append(TurnServer(endpoint, name, secret, transport, is_secure))
    return Servers(tuple(stun), tuple(turn))


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
