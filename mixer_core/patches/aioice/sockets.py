"""The sockets of an ICE connection: in a range of ports, announced under other addresses too.

Replaces aioice's gathering, which takes any port and waits five seconds for a silent server.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import random
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aioice.ice
from aioice import Candidate

from mixer_core.runtime.ice_servers import Servers

from .servers import ask_stun, ask_turn

RECEIVE_BUFFER_BYTES = 262_144
"""As aioice has it."""

_ice: Any = aioice.ice
_own_gathering = aioice.ice.Connection.get_component_candidates


@dataclass(frozen=True, slots=True)
class Sockets:
    """How connections open their sockets."""

    ports: Sequence[int] = ()
    """UDP ports to choose from; empty: any."""
    announced: Sequence[str] = ()
    """Outer addresses, at which a NAT passes every port of this host to itself."""
    servers: Servers = field(default_factory=Servers)
    """STUN and TURN servers; those that a connection itself was given are not asked."""
    servers_s: float = 1.5
    """Longest wait for STUN and TURN servers."""


def open_sockets(plan: Sockets | None) -> None:
    """Open the sockets of all later connections by ``plan``; None restores aioice's own way."""

    async def get_component_candidates(
        self: Any, component: int, addresses: list[str], timeout: int = 5
    ) -> list[Candidate]:
        assert plan is not None
        return await _gather(self, plan, component, addresses)

    connection: Any = aioice.ice.Connection
    replaced = get_component_candidates if plan is not None else _own_gathering
    connection.get_component_candidates = replaced


async def _gather(
    connection: Any, plan: Sockets, component: int, addresses: Iterable[str]
) -> list[Candidate]:
    bound, candidates = [], []
    for address in addresses:
        protocol = await _open(connection, plan.ports, component, address)
        if protocol is not None:
            bound.append(protocol)
            candidates.append(protocol.local_candidate)
            candidates += _outer(protocol.local_candidate, plan.announced)
    connection._protocols += bound
    outer, relayed = await asyncio.gather(
        ask_stun(plan.servers.stun, bound, plan.servers_s),
        ask_turn(plan.servers.turn, connection, component, plan.servers_s),
    )
    known = {(candidate.host, candidate.port) for candidate in candidates}
    candidates += [found for found in outer if (found.host, found.port) not in known]
    if relayed is not None:
        connection._protocols.append(relayed[1])
        candidates.append(relayed[0])
    return candidates


async def _open(
    connection: Any, ports: Sequence[int], component: int, address: str
) -> aioice.ice.StunProtocol | None:
    """A socket at ``address``; None where there is no such address or no port is free."""
    bound = _bind(address, ports)
    if bound is None:
        return None
    host, port = bound.getsockname()[:2]
    _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: aioice.ice.StunProtocol(connection), sock=bound
    )
    protocol.local_candidate = _candidate("host", component, host, port, host)
    return protocol


def _bind(address: str, ports: Sequence[int]) -> socket.socket | None:
    """A UDP socket at ``address``, at a port that nobody uses."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    bound.setblocking(False)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    for port in random.sample(ports, len(ports)) if ports else (0,):
        try:
            bound.bind((address, port))
            return bound
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                break
    bound.close()
    return None


def _outer(own: Candidate, announced: Iterable[str]) -> list[Candidate]:
    """The same socket as it is seen from outside; loopback is not."""
    inner = ipaddress.ip_address(own.host)
    if inner.is_loopback:
        return []
    versions = [text for text in announced if ipaddress.ip_address(text).version == inner.version]
    return [
        _candidate("srflx", own.component, text, own.port, own.host, own.port)
        for text in versions
        if text != own.host
    ]


def _candidate(
    kind: str, component: int, host: str, port: int, base: str, base_port: int | None = None
) -> Candidate:
    return Candidate(
        foundation=_ice.candidate_foundation(kind, "udp", base),
        component=component,
        transport="udp",
        priority=_ice.candidate_priority(component, kind),
        host=host,
        port=port,
        type=kind,
        related_address=None if base_port is None else base,
        related_port=base_port,
    )
