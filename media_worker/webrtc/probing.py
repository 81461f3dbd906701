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

from mixer_core.runtime.units import S_NS

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
GIVEN_BACK_NS = 5 * S_NS
"""How often one more check of each sort may be sent, up to these numbers: a phone may pass through
networks where nothing is answered."""
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
        self._offered = _Allowance(MAX_CHECKS)
        self._triggered = _Allowance(MAX_TRIGGERED)
        self._endpoints = frozenset(offered)
        self._proven: dict[Endpoint, None] = {}
        self.refused_total = 0
        """Checks that were not sent."""

    def allow(self, endpoint: Endpoint, now_ns: int) -> bool:
        """Whether one more check may go to ``endpoint``."""
        if endpoint in self._proven or self._allowance(endpoint).take(endpoint, now_ns):
            return True
        self.refused_total += 1
        return False

    def answered(self, endpoint: Endpoint) -> None:
        """``endpoint`` has answered a check: it is the browser, and may be checked any time.

        What it took to find it is given back: a browser may move as often as it likes.
        """
        self._allowance(endpoint).give_back(endpoint)
        self._proven.pop(endpoint, None)
        self._proven[endpoint] = None
        if len(self._proven) > MAX_PROVEN:
            del self._proven[next(iter(self._proven))]

    def _allowance(self, endpoint: Endpoint) -> _Allowance:
        return self._offered if endpoint in self._endpoints else self._triggered


class _Allowance:
    """So many checks at once, and one more now and then."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._since_ns: int | None = None
        """Since when the next one is on its way; None: all are there."""
        self._unanswered: dict[Endpoint, int] = {}

    def take(self, endpoint: Endpoint, now_ns: int) -> bool:
        self._refill(now_ns)
        if self._left <= 0:
            return False
        self._left -= 1
        if self._since_ns is None:
            self._since_ns = now_ns
        self._unanswered[endpoint] = self._unanswered.pop(endpoint, 0) + 1
        if len(self._unanswered) > self._most:
            del self._unanswered[next(iter(self._unanswered))]
        return True

    def give_back(self, endpoint: Endpoint) -> None:
        self._left = min(self._most, self._left + self._unanswered.pop(endpoint, 0))

    def _refill(self, now_ns: int) -> None:
        if self._since_ns is None:
            return
        more = (now_ns - self._since_ns) // GIVEN_BACK_NS
        self._left = min(self._most, self._left + more)
        self._since_ns = None if self._left >= self._most else self._since_ns + more * GIVEN_BACK_NS
