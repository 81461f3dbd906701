"""Ports, addresses, UDP and the certificate of the page. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator

from media_worker.webrtc.interfaces import CONTAINERS, TUNNELS, matches

from .facts import Facts
from .findings import Finding

CERTIFICATE_DAYS = 14.0


def ports(facts: Facts) -> Iterator[Finding]:
    """What the gateway listens on."""
    for words in facts.network.ports_trouble:
        yield Finding(
            "ports", "error", words, "`ss -ltnp` shows who listens there; one of the two has to go"
        )


def interfaces(facts: Facts) -> Iterator[Finding]:
    """Addresses that browsers are told, and cannot reach."""
    network = facts.network
    bad = [name for name in network.offered if matches(name, CONTAINERS)]
    if bad:
        yield Finding(
            "interfaces",
            "warning",
            f"browsers are told the addresses of {', '.join(bad)}, where none of them is: "
            "joining takes longer",
            'set [media_worker] ice_interfaces = "auto"',
        )
    if not network.offered:
        yield Finding(
            "interfaces",
            "warning",
            "no interface has an address that another device could reach"
            + (f"; left out: {', '.join(network.left_out)}" if network.left_out else ""),
            "connect the network, or name the interface in [media_worker] ice_interfaces",
        )
    if matches(network.default_route, TUNNELS):
        yield Finding(
            "vpn",
            "warning",
            f"all traffic goes through the tunnel {network.default_route}: phones of the local "
            "network may not be answered, and the server is further away",
            "end the VPN, or let it leave out the local network (split tunnel)",
        )


def udp(facts: Facts) -> Iterator[Finding]:
    """UDP out, and to ourselves."""
    network = facts.network
    if network.udp_out_trouble:
        yield Finding(
            "udp",
            "warning",
            f"UDP does not leave this machine: {network.udp_out_trouble}",
            "allow outgoing UDP in the firewall; until then the server is reached by WebSocket",
        )
    if network.udp_self_trouble:
        yield Finding(
            "udp",
            "error",
            f"UDP does not even reach this machine itself: {network.udp_self_trouble}",
            "allow UDP from the local network in the firewall (ufw allow proto udp from …)",
        )
    if network.stun_trouble:
        yield Finding(
            "stun",
            "warning",
            network.stun_trouble,
            "check [media_worker] ice_servers, and that UDP to them is allowed",
        )
    if facts.server.udp_trouble:
        yield Finding(
            "udp",
            "warning",
            f"the server is reached by WebSocket only: {facts.server.udp_trouble}",
            "allow outgoing UDP; a WebSocket works, and is worse on bad networks",
        )


def certificate(facts: Facts) -> Iterator[Finding]:
    """The certificate of the page."""
    network = facts.network
    if network.certificate_trouble:
        yield Finding(
            "certificate",
            "error",
            network.certificate_trouble,
            'name a valid pair in tls_certificate and tls_key, or set tls = "auto"',
        )
    elif network.certificate_days is not None and network.certificate_days < CERTIFICATE_DAYS:
        is_over = network.certificate_days <= 0
        days = max(network.certificate_days, 0)
        yield Finding(
            "certificate",
            "error" if is_over else "warning",
            "the certificate has ended" if is_over else f"the certificate ends in {days:.0f} days",
            "renew it and write it to the same file: it is read again without a restart",
        )
