"""Whose X-Forwarded headers are believed, and what follows from one that is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from multidict import CIMultiDict

from mixer_core.runtime.errors import SettingsError
from signaling.http.api import HttpApi
from signaling.http.forwarded import OWN_NAMES, Proxies, clean_path, own_path
from tests.signaling.edge import asynchronous, running

NAMED = Proxies("127.0.0.1, 10.0.0.0/24, ::1")
HEADERS = {
    "Host": "127.0.0.1:8080",
    "X-Forwarded-For": "6.6.6.6, 203.0.113.7",
    "X-Forwarded-Host": "talk.example",
    "X-Forwarded-Proto": "https",
}


def test_a_named_proxy_is_believed() -> None:
    asker = NAMED.asker("127.0.0.1", HEADERS, False)
    assert (asker.address, asker.host, asker.secure) == ("203.0.113.7", "talk.example", True)
    assert asker.forwarded


@pytest.mark.parametrize("peer", ["192.168.1.9", "10.0.1.1", "::2", "", "nonsense"])
def test_nobody_else_is_believed(peer: str) -> None:
    asker = NAMED.asker(peer, HEADERS, False)
    assert (asker.address, asker.host, asker.secure) == (peer, "127.0.0.1:8080", False)


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.5", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.5, ::1", "203.0.113.7"),
        ("spoofed, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ('"[2001:db8::7]:4711"', "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("10.0.0.9", "10.0.0.9"),
        ("nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_the_client_is_the_last_one_that_no_named_proxy_is(chain: str, address: str) -> None:
    headers = {"Host": "a", "X-Forwarded-For": chain}
    assert NAMED.asker("127.0.0.1", headers, False).address == address


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "x-forwarded-host", "Forwarded", "Via", "CF-Connecting-IP"]
)
def test_a_proxy_that_nobody_named_leaves_a_trace(header: str) -> None:
    assert Proxies("").asker("127.0.0.1", {"Host": "localhost", header: "x"}, False).forwarded


def test_a_direct_request_was_not_forwarded() -> None:
    asker = Proxies("").asker("127.0.0.1", {"Host": "localhost:8080"}, True)
    assert not asker.forwarded and asker.secure


def test_a_named_proxy_always_counts_as_one() -> None:
    asker = NAMED.asker("127.0.0.1", {"Host": "localhost"}, False)
    assert asker.forwarded and asker.host == "localhost"


def test_what_is_no_network_is_named() -> None:
    with pytest.raises(SettingsError, match="'nginx' is neither"):
        Proxies("127.0.0.1, nginx")


@pytest.mark.parametrize(
    ("setting", "path"),
    [("", ""), ("/", ""), ("voice", "/voice"), ("/a/b-c/", "/a/b-c"), (" /v1.0_x ", "/v1.0_x")],
)
def test_a_public_path_is_cleaned(setting: str, path: str) -> None:
    assert clean_path(setting) == path


@pytest.mark.parametrize("setting", ["/a b", "/{room}", "/..", "/ä", "/a?b", "/%2e"])
def test_a_public_path_with_other_characters_is_refused(setting: str) -> None:
    with pytest.raises(SettingsError, match="public_path"):
        clean_path(setting)


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/voice", "/"),
        ("/voice/", "/"),
        ("/voice/rooms", "/rooms"),
        ("/voices", "/voices"),
        ("/rooms", "/rooms"),
    ],
)
def test_a_path_is_the_same_with_and_without_the_public_path(path: str, own: str) -> None:
    assert own_path(path, "/voice") == own
    assert own_path(own, "") == own


def test_a_proxy_that_adds_a_line_of_its_own_is_read_to_the_end() -> None:
    """HAProxy leaves what the browser sent as it is, and adds a header of the same name."""
    headers = CIMultiDict(
        [
            ("Host", "127.0.0.1:8080"),
            ("X-Forwarded-For", "6.6.6.6"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-For", "203.0.113.7"),
            ("X-Forwarded-Host", "talk.example"),
            ("X-Forwarded-Proto", "https"),
        ]
    )
    asker = NAMED.asker("127.0.0.1", headers, False)
    assert (asker.address, asker.host, asker.secure) == ("203.0.113.7", "talk.example", True)


@pytest.mark.parametrize(
    "path", ["/web", "rooms", "/session/", "/rooms/voice", "/ice", "/healthz", "/favicon.ico"]
)
def test_a_public_path_does_not_hide_the_gateways_own(path: str) -> None:
    with pytest.raises(SettingsError, match="choose another"):
        clean_path(path)


@pytest.mark.sockets
@asynchronous
async def test_every_own_path_is_reserved(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        api = HttpApi(edge.gateway, edge.gate, edge.settings.signaling, edge.log)
        routes = api.application().router.resources()
        assert {route.canonical.split("/")[1] for route in routes} - {""} == OWN_NAMES


@pytest.mark.parametrize("path", ["/..", "/a/../b", ".", "/./a", "/voice/.hidden/.."])
def test_a_public_path_has_no_dots_alone(path: str) -> None:
    with pytest.raises(SettingsError):
        clean_path(path)
