"""The network settings: how they are read, and what is said about a wrong one."""

from __future__ import annotations

import pytest

from media_worker.settings import MediaWorkerSettings
from media_worker.webrtc.network import NetworkSettings, usable_servers
from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.ice_servers import IceServer, Servers, TurnServer


def test_the_defaults() -> None:
    assert MediaWorkerSettings().network() == NetworkSettings()


def test_lists_and_ranges() -> None:
    network = MediaWorkerSettings(
        ice_addresses=" 192.0.2.1, ::1 ,",
        announce_address="198.51.100.7",
        udp_ports="50000-50009",
        probe_addresses="none",
    ).network()
    assert network.addresses == ("192.0.2.1", "::1")
    assert network.announced == ("198.51.100.7",)
    assert network.ports == range(50_000, 50_010)
    assert network.probed == frozenset()
    assert MediaWorkerSettings(udp_ports="50000").network().ports == range(50_000, 50_001)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("ice_addresses", "eth0", "IP addresses"),
        ("ice_addresses", "0.0.0.0", "cannot send to it"),
        ("announce_address", "router", "host names"),
        ("announce_address", "192.0.2.300", "IP addresses"),
        ("announce_address", "http://voice.example.org", "host names"),
        ("announce_address", "voice_example.org", "host names"),
        ("announce_address", "0.0.0.0", "cannot send to it"),
        ("announce_address", ",".join(f"192.0.2.{i}" for i in range(9)), "at most 4"),
        ("udp_ports", "50009-50000", "the lower one first"),
        ("udp_ports", "53", "1024"),
        ("udp_ports", "60000-70000", "65535"),
        ("udp_ports", "many", "50000-50099"),
        ("probe_addresses", "everything", "private, public"),
        ("probe_addresses", "", "or none"),
    ],
)
def test_a_wrong_setting_is_named(key: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        MediaWorkerSettings(**{key: value}).network()  # type: ignore[arg-type]
    assert key in str(caught.value) and words in str(caught.value)


def test_a_worker_asks_every_server_that_it_can_in_order() -> None:
    stun = IceServer(
        ("stun:a.example", "stuns:b.example", "stun:[2001:db8::1]", "stun:192.0.2.9:19302")
    )
    urls = (
        "turn:a.example",
        "turns:a.example?transport=udp",
        "turn:a.example:80?transport=tcp",
        "turns:b.example:443",
    )
    turn = IceServer(urls, "user", "password")
    asked = (("a.example", 3478), ("192.0.2.9", 19_302))
    assert usable_servers([stun, turn], relay=False) == Servers(asked)
    relays = (
        TurnServer(("a.example", 3478), "user", "password", "udp", False),
        TurnServer(("a.example", 80), "user", "password", "tcp", False),
        TurnServer(("b.example", 443), "user", "password", "tcp", True),
    )
    assert usable_servers([stun, turn], relay=True) == Servers(asked, relays)


def test_names_are_left_to_signaling_and_come_with_the_offer() -> None:
    network = MediaWorkerSettings(announce_address="192.0.2.1, Voice.Example.org.").network()
    assert network.announced == ("192.0.2.1",)
    more = ("192.0.2.1", "198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4")
    assert network.announcing(more).announced == more[:4]
