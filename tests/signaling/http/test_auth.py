"""Who may talk to the gateway."""

from __future__ import annotations

import pytest

from mixer_core.runtime.errors import ProblemError, SettingsError
from signaling.http.auth import Gate, host_name, is_loopback, same_origin
from signaling.http.forwarded import Asker
from signaling.settings import SignalingSettings

TOKEN = {"MIXMINUS_TOKEN": "correct-horse-battery"}
LOCAL = Gate(SignalingSettings(), {})
LAN = Gate(SignalingSettings(http_host="0.0.0.0", allowed_hosts="Nano.local, mix.example"), TOKEN)


def status(
    gate: Gate,
    path: str = "/rooms",
    host: str = "localhost",
    forwarded: bool = False,
    **more: str,
) -> int:
    """HTTP status of the check; 200 where it passes."""
    try:
        asker = Asker("127.0.0.1", host, False, forwarded)
        gate.check(path, asker, more.pop("origin", None), **more)
    except ProblemError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST.", "[::1]"]
)
def test_this_host_is_known_by_its_names(host: str) -> None:
    assert status(LOCAL, host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "", "192.168.1.5", "localhost.evil.example", "[::"],
)
def test_a_foreign_host_is_403(host: str) -> None:
    assert status(LOCAL, host=host) == 403
    assert status(LOCAL, "/", host=host) == 403


def test_allowed_hosts_are_allowed() -> None:
    gate = Gate(SignalingSettings(allowed_hosts="nano.local"), {})
    assert status(gate, host="nano.local:8080") == 200


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://localhost:8080", 200),
        ("https://localhost:8080", 200),
        ("http://localhost", 403),
        ("http://evil.example", 403),
        ("http://localhost:9999", 403),
        ("null", 403),
        ("file://localhost:8080", 403),
        ("http://[", 403),
    ],
)
def test_the_origin_must_be_the_host(origin: str, expected: int) -> None:
    assert status(LOCAL, host="localhost:8080", origin=origin) == expected


def test_default_ports_are_the_same_origin() -> None:
    assert same_origin("https://nano.local", "nano.local:443")
    assert same_origin("http://nano.local", "nano.local")
    assert same_origin("https://nano.local", "nano.local")
    assert not same_origin("https://nano.local:444", "nano.local")


@pytest.mark.parametrize(
    "host", ["nano.local", "mix.example:8080", "192.168.1.5:8080", "[fe80::1]"]
)
def test_on_the_lan_a_token_is_needed(host: str) -> None:
    assert status(LAN, host=host) == 401
    assert status(LAN, host=host, authorization="Bearer correct-horse-battery") == 200
    assert status(LAN, host=host, authorization="bearer  correct-horse-battery") == 200
    assert status(LAN, host=host, query_token="correct-horse-battery") == 200
    assert status(LAN, host=host, authorization="Bearer wrong") == 401
    assert status(LAN, host=host, authorization="Basic correct-horse-battery") == 401
    assert status(LAN, host=host, query_token="correct-horse-batterÿ") == 401


def test_on_the_lan_the_host_header_does_not_replace_the_token() -> None:
    assert status(LAN, host="localhost:8080") == 401
    assert status(LAN, host="evil.example", query_token="correct-horse-battery") == 403


@pytest.mark.parametrize("path", ["/", "/web/app.js", "/healthz"])
def test_the_page_and_the_liveness_are_open(path: str) -> None:
    assert status(LAN, path, host="nano.local") == 200


@pytest.mark.parametrize("path", ["/readyz", "/metrics", "/rooms", "/web"])
def test_everything_else_is_not(path: str) -> None:
    assert status(LAN, path, host="nano.local") == 401


def test_without_a_token_only_loopback_can_be_listened_on() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "nano.local"):
        with pytest.raises(SettingsError, match="MIXMINUS_TOKEN") as caught:
            Gate(SignalingSettings(http_host=host), {"MIXMINUS_TOKEN": " "})
        assert caught.value.exit_code == 78
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        Gate(SignalingSettings(http_host=host), {})


def test_behind_a_proxy_a_token_that_is_set_is_asked_for() -> None:
    gate = Gate(SignalingSettings(allowed_hosts="mix.example"), TOKEN)
    assert status(gate, host="mix.example") == 401
    assert status(gate, host="localhost") == 200


def test_helpers() -> None:
    assert is_loopback("[::1]") and not is_loopback("10.0.0.1")
    assert host_name("A.b:80") == "a.b" and host_name("[::1]:80") == "::1"


def test_what_a_proxy_hands_on_is_never_local() -> None:
    with_token = Gate(SignalingSettings(), TOKEN)
    assert status(LOCAL, forwarded=True) == 401
    assert status(LOCAL, forwarded=True, authorization="Bearer ") == 401
    assert status(with_token, forwarded=True, query_token="correct-horse-battery") == 200


def test_the_gate_of_the_local_network_knows_this_hosts_names_and_no_local_visitor() -> None:
    gate = Gate(SignalingSettings(lan=True), TOKEN, ("mixminus.local",))
    bearer = {"authorization": "Bearer correct-horse-battery"}
    assert status(gate, "/", host="mixminus.local:8443") == 200
    for host in ("mixminus.local:8443", "192.168.1.5:8443", "localhost:8443", "127.0.0.1"):
        assert status(gate, host=host) == 401, host
        assert status(gate, host=host, **bearer) == 200, host
    assert status(gate, host="evil.example", **bearer) == 403
    with pytest.raises(SettingsError, match="MIXMINUS_TOKEN"):
        Gate(SignalingSettings(lan=True), {}, ())
