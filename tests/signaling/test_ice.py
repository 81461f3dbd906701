"""What pages and workers are told about STUN and TURN servers."""

from __future__ import annotations

import pytest

from mixer_core.runtime.errors import SettingsError
from signaling.ice import IceServers
from signaling.settings import NetworkSettings

URLS = "stun:a.example, turn:a.example?transport=tcp"


def test_browsers_get_the_form_that_they_take() -> None:
    told = IceServers(
        NetworkSettings(ice_servers=URLS, turn_username="ada"), {"TURN_SECRET": " north\n"}
    ).as_json(1_000)
    assert told == {
        "ice_servers": [
            {"urls": ["stun:a.example"]},
            {"urls": ["turn:a.example?transport=tcp"], "username": "ada", "credential": "north"},
        ],
        "keep_s": 600,
    }


def test_credentials_outlast_what_a_page_keeps() -> None:
    settings = NetworkSettings(ice_servers=URLS, turn_lifetime_s=3_600)
    servers = IceServers(settings, {"TURN_SECRET": "north"})
    _, turn = servers.current(1_000)
    assert turn.username == "4600:mixminus"


def test_a_turn_server_needs_a_secret() -> None:
    settings = NetworkSettings(ice_servers=URLS, turn_secret_variable="RELAY_SECRET")
    with pytest.raises(SettingsError, match=r"turn:a\.example.*RELAY_SECRET is not set"):
        IceServers(settings, {})
    stun_only = NetworkSettings(ice_servers="stun:a.example")
    assert len(IceServers(stun_only, {}).current(0)) == 1
