"""STUN and TURN servers: URLs, and credentials made from a shared secret."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.ice_servers import Credentials, IceServer, ice_servers, parse_ice_servers

GOOD = (
    "stun:stun.example.org",
    "stun:192.0.2.1:19302",
    "turn:turn.example.org:3478?transport=tcp",
    "turns:turn.example.org:443?transport=tcp",
    "turn:[2001:db8::1]:3478",
)


def test_urls_are_separated_by_commas() -> None:
    assert parse_ice_servers(" , ".join(GOOD) + ",") == GOOD
    assert parse_ice_servers("") == ()


@pytest.mark.parametrize(
    "url",
    [
        "turn.example.org",
        "http://turn.example.org",
        "turn://turn.example.org",
        "turn:host:port",
        "turn:host:99999",
        "turn:host?transport=sctp",
        "stun:host?transport=udp",
        "turn:user@host",
        ",".join(["stun:a.example"] * 9),
    ],
)
def test_a_wrong_url_is_named(url: str) -> None:
    with pytest.raises(SettingsError, match="ice_servers"):
        parse_ice_servers(url)


def test_a_long_term_user_is_passed_on() -> None:
    stun, turn = ice_servers(GOOD, Credentials("ada", "password"), 1_000)
    assert stun == IceServer(GOOD[:2])
    assert turn == IceServer(GOOD[2:], "ada", "password")


def test_a_shared_secret_makes_names_that_expire() -> None:
    (turn,) = ice_servers(GOOD[2:3], Credentials("", "north", 600), 1_000)
    assert turn.username == "1600:mixminus"
    expected = hmac.new(b"north", b"1600:mixminus", hashlib.sha1).digest()
    assert base64.b64decode(turn.credential) == expected


def test_without_servers_there_is_nothing() -> None:
    assert ice_servers((), Credentials(), 0) == []
