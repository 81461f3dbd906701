"""Which of this host's interfaces browsers can be behind. Sans-I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .probing import Network

LOOPBACK = "127.0.0.1"
AUTO = "auto"
CONTAINERS = (
    *("docker*", "br-*", "veth*", "podman*", "nerdctl*", "lxc*", "lxdbr*", "incusbr*"),
    *("cni*", "flannel*", "cali*", "kube-*"),
    *("virbr*", "vnet*", "vmnet*", "vboxnet*"),
    "l4tbr*",
)
"""Bridges of containers and virtual machines, and the Jetson's USB gadget: no browser is there."""
TUNNELS = ("tun*", "tap*", "utun*", "ipsec*")
"""Tunnels to a company or a provider: browsers do not come that way."""
MESHES = ("tailscale*", "wg*", "zt*", "nebula*")
"""Virtual networks that people's own devices are in: offered, after the real ones."""
MAX_IPV6 = 2
"""Most IPv6 addresses of one interface: its temporary addresses would fill the answer."""
MAX_ADDRESSES = 8
"""Most addresses in all: a browser has a socket at each."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One of this host's network interfaces."""

    name: str
    addresses: tuple[str, ...]
    networks: tuple[Network, ...] = ()
    """The subnets of ``addresses``."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Patterns of interface names."""

    allowed: tuple[str, ...] = (AUTO,)
    denied: tuple[str, ...] = ()

    def take(self, name: str) -> bool:
        """Whether the addresses of this interface are offered."""
        is_allowed = any(
            _is_usual(name) if pattern == AUTO else fnmatchcase(name, pattern)
            for pattern in self.allowed
        )
        return is_allowed and not matches(name, self.denied)


def read_rules(text: str) -> Rules:
    """Patterns separated by commas; ``-`` before one leaves its interfaces out.

    ``auto`` stands for the usual interfaces, also where only exclusions are listed.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    allowed = tuple(part for part in parts if not part.startswith("-"))
    denied = tuple(part[1:].strip() for part in parts if part.startswith("-"))
    return Rules(allowed or (AUTO,), denied)


def choose(interfaces: Iterable[Interface], rules: Rules) -> list[str]:
    """The addresses to offer: real networks before virtual ones, loopback last, none twice."""
    taken = [interface for interface in interfaces if rules.take(interface.name)]
    taken.sort(key=lambda interface: matches(interface.name, MESHES))
    found: list[str] = []
    for interface in taken:
        usable = [address for address in interface.addresses if _is_usable(address)]
        six = [address for address in usable if ":" in address][:MAX_IPV6]
        found += [a for a in usable if (":" not in a or a in six) and a not in found]
    return [*found[:MAX_ADDRESSES], LOOPBACK]


def inner_networks(interfaces: Iterable[Interface], rules: Rules) -> list[Network]:
    """This host's own addresses, and the networks behind interfaces that are left out."""
    found: list[Network] = []
    for interface in interfaces:
        if rules.take(interface.name):
            found += [ipaddress.ip_network(address) for address in interface.addresses]
        else:
            found += interface.networks
    return found


def _is_usual(name: str) -> bool:
    return not matches(name, CONTAINERS) and not matches(name, TUNNELS)


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether an interface has a name of one of these shapes."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _is_usable(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return not address.is_loopback and not address.is_link_local
