"""The sockets of an ICE connection: in a range of ports, announced under other addresses too.

Replaces aioice's gathering, which takes any port and waits five seconds for a silent server.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import random
import socket
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import aioice.ice
from aioice import Candidate

RECEIVE_BUFFER_BYTES = 262_144
"""As aioice has it."""
OTHERS_S = 0.3
"""After one socket has heard from the STUN server, the others get this long."""
LOOPBACK = "127."

_ice: Any = aioice.ice
_own_gathering = aioice.ice.Connection.get_component_candidates


@dataclass(frozen=True, slots=True)
class Sockets:
    """How connections open their sockets."""

    ports: Sequence[int] = ()
    """UDP ports to choose from; empty: any."""
    announced: Sequence[str] = ()
    """Outer addresses, at which a NAT passes every port of this host to itself."""
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
        _ask_stun(connection, bound, plan.servers_s),
        _ask_turn(connection, component, plan.servers_s),
    )
    known = {(candidate.host, candidate.port) for candidate in candidates}
    candidates += [found for found in outer if (found.host, found.port) not in known]
    for candidate, protocol in relayed:
        connection._protocols.append(protocol)
        candidates.append(candidate)
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


async def _ask_stun(connection: Any, bound: Iterable[Any], servers_s: float) -> list[Candidate]:
    """The outer addresses of the IPv4 sockets, as far as a server tells in time."""
    server = connection.stun_server
    if server is None:
        return []
    is_local = server[0].startswith(LOOPBACK)
    hosts = {protocol: protocol.local_candidate.host for protocol in bound}
    asked = [p for p, host in hosts.items() if ":" not in host and _is_local(host) == is_local]
    found = await _answers(
        [_ice.server_reflexive_candidate(protocol, server) for protocol in asked],
        servers_s,
        OTHERS_S,
    )
    return [candidate for candidate, _ in found]


def _is_local(host: str) -> bool:
    return host.startswith(LOOPBACK)


async def _ask_turn(
    connection: Any, component: int, servers_s: float
) -> list[tuple[Candidate, Any]]:
    """An address at the TURN server and its socket; nothing if the server refuses or is silent."""
    if connection.turn_server is None:
        return []
    asking = _ice.relayed_candidate(
        component=component,
        hide_related_address=False,
        protocol_factory=lambda: aioice.ice.StunProtocol(connection),
        turn_server=connection.turn_server,
        turn_username=connection.turn_username,
        turn_password=connection.turn_password,
        turn_ssl=connection.turn_ssl,
        turn_transport=connection.turn_transport,
    )
    return await _answers([asking], servers_s, servers_s)


async def _answers(
    questions: list[Coroutine[Any, Any, Any]], wait_s: float, others_s: float
) -> list[Any]:
    """What comes back within ``wait_s``, and within ``others_s`` of the first answer."""
    pending = {asyncio.ensure_future(question) for question in questions}
    found: list[Any] = []
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    while pending and loop.time() < until_s:
        done, pending = await asyncio.wait(
            pending, timeout=until_s - loop.time(), return_when=asyncio.FIRST_COMPLETED
        )
        answers = [task.result() for task in done if task.exception() is None]
        if answers and not found:
            until_s = min(until_s, loop.time() + others_s)
        found += answers
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return found
