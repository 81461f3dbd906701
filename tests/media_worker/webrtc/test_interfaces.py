"""Which of a host's addresses are offered."""

from __future__ import annotations

import ipaddress

import pytest

from media_worker.webrtc.addresses import host_interfaces
from media_worker.webrtc.interfaces import (
    MAX_ADDRESSES,
    Interface,
    choose,
    inner_networks,
    read_rules,
)


def interface(name: str, *addresses: str, prefix: int = 24) -> Interface:
    networks = [ipaddress.ip_network(f"{a}/{prefix}", strict=False) for a in addresses]
    return Interface(name, addresses, tuple(networks))


HOST = [
    interface("lo", "127.0.0.1"),
    interface("tailscale0", "100.101.1.2"),
    interface("docker0", "172.17.0.1", prefix=16),
    interface("br-5b1f", "172.18.0.1"),
    interface("tun0", "10.8.0.6"),
    interface("eth0", "192.168.1.5", "fe80::1", "2001:db8::5", "2001:db8::6", "2001:db8::7"),
    interface("wlan0", "192.168.1.9"),
]


@pytest.mark.parametrize(
    ("setting", "offered"),
    [
        (
            "auto",
            ["192.168.1.5", "2001:db8::5", "2001:db8::6", "192.168.1.9", "100.101.1.2"],
        ),
        ("wlan*", ["192.168.1.9"]),
        ("-eth0, -tailscale*", ["192.168.1.9"]),
        ("auto, tun0, -eth0", ["10.8.0.6", "192.168.1.9", "100.101.1.2"]),
        ("*, -eth*, -wlan*, -tun0, -br-*", ["172.17.0.1", "100.101.1.2"]),
        ("nothing", []),
    ],
)
def test_interfaces_are_chosen_by_patterns(setting: str, offered: list[str]) -> None:
    assert choose(HOST, read_rules(setting)) == [*offered, "127.0.0.1"]


def test_a_host_of_many_addresses_offers_some() -> None:
    many = [interface(f"eth{i}", f"10.0.{i}.1") for i in range(30)]
    assert len(choose(many, read_rules("auto"))) == MAX_ADDRESSES + 1


def test_networks_behind_interfaces_left_out_are_this_hosts_own() -> None:
    own = inner_networks(HOST, read_rules("auto"))

    def is_own(address: str) -> bool:
        return any(ipaddress.ip_address(address) in network for network in own)

    assert is_own("172.17.0.9") and is_own("192.168.1.5") and is_own("10.8.0.1")
    assert not is_own("192.168.1.6")


@pytest.mark.sockets
def test_this_host_has_loopback() -> None:
    found = host_interfaces()
    assert any("127.0.0.1" in one.addresses for one in found)
    assert all(len(one.addresses) == len(one.networks) for one in found)
    assert choose(found, read_rules("auto"))[-1] == "127.0.0.1"
