"""Where a worker may send because an offer says so, and how often. Sans-I/O.

ICE sends connectivity checks to every address in an offer, so an offer could aim a worker at
anything. Checks to an address that has not answered yet are therefore limited in kind and number.
Little is lost: a browser that can reach one of the worker's addresses is found by its own checks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["private", "public", "loopback", "link_local", "own"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Endpoint = tuple[str, int]

MAX_ENDPOINTS = 8
"""Most addresses of one offer that are checked."""
MAX_PORTS = 2
"""Most ports of one address: a browser has its own there, or a relay for UDP and one for TCP."""
LOWEST_PORT = 1024
"""Services are below; browsers, address translators and relays are above."""
MAX_CHECKS = 24
"""Most checks to addresses of the offer that have not answered, per connection."""
MAX_TRIGGERED = 24
"""Most checks to other addresses that have not answered, each of which sent one first."""
MAX_PROVEN = 32
"""Most addresses that are remembered because they have answered; the oldest is forgotten."""
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
"""Any IPv4 address may be behind it, at any place (RFC 8215)."""
SHARED = ipaddress.IPv4Network("100.64.0.0/10")
"""Carrier-grade NAT, and Tailscale (RFC 6598)."""
THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")


@dataclass(frozen=True, slots=True)
class ProbePolicy:
    """Which addresses of an offer may be checked."""

    kinds: frozenset[Kind] = frozenset({"private", "public"})
    own: Sequence[Network] = ()
    """This host's addresses, and the networks that only it can reach."""

    def allows(self, address: Address) -> bool:
        """Whether checks may go to ``address``."""
        kind = kind_of(address, self.own)
        return kind is not None and kind in self.kinds


@dataclass(frozen=True, slots=True)
class Remote:
    """A candidate of an offer."""

    line: str
    endpoint: Endpoint
    address: Address
    type: str


def kind_of(address: Address, own: Iterable[Network] = ()) -> Kind | None:
    """What an address is; None for one that no browser has: multicast, broadcast, reserved."""
    address = _embedded(address) or address
    if address.is_multicast or address.is_unspecified or address in LOCAL_NAT64:
        return None
    if address.is_loopback:
        return "loopback"
    if any(address in network for network in own):
        return "own"
    if address.is_link_local:
        return "link_local"
    if address in SHARED:
        return "private"
    if address.is_reserved or address in THIS_NETWORK:
        return None
    return "private" if address.is_private else "public"


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside an IPv6 address, where there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


def read_candidate(line: str) -> Remote | None:
    """A line ``a=candidate:…`` with a UDP address; None for names, TCP and what is not readable."""
    parts = line.split()
    try:
        component, transport, host, port, kind = (parts[i] for i in (1, 2, 4, 5, 7))
        address, number = ipaddress.ip_address(host), int(port)
    except (IndexError, ValueError):
        return None
    if component != "1" or transport.lower() != "udp" or not LOWEST_PORT <= number <= 65_535:
        return None
    return Remote(line, (str(address), number), address, kind)


def choose(lines: Iterable[str], policy: ProbePolicy) -> list[Remote]:
    """The candidates to check: of each type in turn, few ports per address, none twice."""
    by_type: dict[str, list[Remote]] = {}
    ports: dict[Address, set[int]] = {}
    for line in lines:
        remote = read_candidate(line)
        if remote is None or not policy.allows(remote.address):
            continue
        known = ports.setdefault(remote.address, set())
        if remote.endpoint[1] in known or len(known) >= MAX_PORTS:
            continue
        known.add(remote.endpoint[1])
        by_type.setdefault(remote.type, []).append(remote)
    chosen: list[Remote] = []
    queues = list(by_type.values())
    while any(queues) and len(chosen) < MAX_ENDPOINTS:
        chosen += [queue.pop(0) for queue in queues if queue]
    return chosen[:MAX_ENDPOINTS]


class ProbeBudget:
    """Counts the checks of one connection that have no answer."""

    def __init__(self, offered: Collection[Endpoint]) -> None:
        self._offered = frozenset(offered)
        self._proven: dict[Endpoint, None] = {}
        self._unanswered: dict[Endpoint, int] = {}
        self._left = {True: MAX_CHECKS, False: MAX_TRIGGERED}
        self.refused_total = 0
        """Checks that were not sent."""

    def allow(self, endpoint: Endpoint) -> bool:
        """Whether one more check may go to ``endpoint``."""
        if endpoint in self._proven:
            return True
        is_offered = endpoint in self._offered
        if self._left[is_offered] <= 0:
            self.refused_total += 1
            return False
        self._left[is_offered] -= 1
        self._unanswered[endpoint] = self._unanswered.get(endpoint, 0) + 1
        return True

    def answered(self, endpoint: Endpoint) -> None:
        """``endpoint`` has answered a check: it is the browser, and may be checked any time.

        What it took to find it is given back: a browser may move as often as it likes.
        """
        self._left[endpoint in self._offered] += self._unanswered.pop(endpoint, 0)
        self._proven[endpoint] = None
        if len(self._proven) > MAX_PROVEN:
            del self._proven[next(iter(self._proven))]
