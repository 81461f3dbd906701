"""Who may talk to the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mixer_core.runtime.errors import ProblemError, SettingsError
from signaling.access.gate import Gate, host_name, is_loopback, same_origin
from signaling.access.identity import LOCAL, MACHINE, NOBODY, Facts, Identity
from signaling.access.ledger import Ledger
from signaling.settings import SignalingSettings

TOKEN = {"MIXMINUS_TOKEN": "correct-horse-battery"}
NOW_S = 1_800_000_000
LAN_NAMES = "Nano.local, mix.example"


class Gates:
    """Gates on one ledger."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder)
        self.local = self.make({})
        self.lan = self.make(TOKEN, http_host="0.0.0.0", allowed_hosts=LAN_NAMES)

    def make(self, env: dict[str, str], **settings: object) -> Gate:
        return Gate(SignalingSettings(**settings), env, self.ledger)  # type: ignore[arg-type]


@pytest.fixture(name="gates")
def _gates(tmp_path: Path) -> Iterator[Gates]:
    yield Gates(tmp_path)


def identity(gate: Gate, path: str = "/rooms", host: str = "localhost", **more: object) -> Identity:
    facts = Facts(str(more.pop("method", "GET")), path, host, **more)  # type: ignore[arg-type]
    return gate.identify(facts, NOW_S)


def status(gate: Gate, path: str = "/rooms", host: str = "localhost", **more: object) -> int:
    """HTTP status of the check; 200 where it passes."""
    try:
        identity(gate, path, host, **more)
    except ProblemError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST.", "[::1]"]
)
def test_this_host_is_known_by_its_names(gates: Gates, host: str) -> None:
    assert status(gates.local, host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "", "192.168.1.5", "localhost.evil.example", "[::"],
)
def test_a_foreign_host_is_403(gates: Gates, host: str) -> None:
    assert status(gates.local, host=host) == 403
    assert status(gates.local, "/", host=host) == 403


def test_allowed_hosts_are_allowed(gates: Gates) -> None:
    gate = gates.make({}, allowed_hosts="nano.local")
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
def test_the_origin_must_be_the_host(gates: Gates, origin: str, expected: int) -> None:
    assert status(gates.local, host="localhost:8080", origin=origin) == expected


def test_default_ports_are_the_same_origin() -> None:
    assert same_origin("https://nano.local", "nano.local:443")
    assert same_origin("http://nano.local", "nano.local")
    assert same_origin("https://nano.local", "nano.local")
    assert not same_origin("https://nano.local:444", "nano.local")


@pytest.mark.parametrize(
    "host", ["nano.local", "mix.example:8080", "192.168.1.5:8080", "[fe80::1]"]
)
def test_on_the_lan_a_token_is_needed(gates: Gates, host: str) -> None:
    assert status(gates.lan, host=host) == 401
    assert status(gates.lan, host=host, authorization="Bearer correct-horse-battery") == 200
    assert status(gates.lan, host=host, authorization="bearer  correct-horse-battery") == 200
    assert status(gates.lan, host=host, query_token="correct-horse-battery") == 200
    assert status(gates.lan, host=host, authorization="Bearer wrong") == 401
    assert status(gates.lan, host=host, authorization="Basic correct-horse-battery") == 401
    assert status(gates.lan, host=host, query_token="correct-horse-batterÿ") == 401


def test_on_the_lan_the_host_header_does_not_replace_the_token(gates: Gates) -> None:
    assert status(gates.lan, host="localhost:8080") == 401
    assert status(gates.lan, host="evil.example", query_token="correct-horse-battery") == 403


@pytest.mark.parametrize("path", ["/", "/web/app.js", "/healthz"])
def test_the_page_and_the_liveness_are_open(gates: Gates, path: str) -> None:
    assert status(gates.lan, path, host="nano.local") == 200


@pytest.mark.parametrize("path", ["/readyz", "/metrics", "/rooms", "/web"])
def test_everything_else_is_not(gates: Gates, path: str) -> None:
    assert status(gates.lan, path, host="nano.local") == 401


def test_without_a_token_only_loopback_can_be_listened_on(gates: Gates) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "nano.local"):
        with pytest.raises(SettingsError, match="MIXMINUS_TOKEN") as caught:
            gates.make({"MIXMINUS_TOKEN": " "}, http_host=host)
        assert caught.value.exit_code == 78
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        gates.make({}, http_host=host)


def test_behind_a_proxy_a_token_that_is_set_is_asked_for(gates: Gates) -> None:
    gate = gates.make(TOKEN, allowed_hosts="mix.example")
    assert status(gate, host="mix.example") == 401
    assert status(gate, host="localhost") == 200


def test_helpers() -> None:
    assert is_loopback("[::1]") and not is_loopback("10.0.0.1")
    assert host_name("A.b:80") == "a.b" and host_name("[::1]:80") == "::1"


def test_at_the_own_screen_everybody_is_local(gates: Gates) -> None:
    guarded = gates.make({}, require_invitation=True, allowed_hosts="nano.local")
    assert identity(guarded) is LOCAL
    assert identity(guarded, "/") is NOBODY
    for elsewhere in ({"address": "192.168.1.9"}, {"forwarded": True}, {"address": ""}):
        assert status(guarded, **elsewhere) == 401
    assert status(guarded, host="nano.local") == 401


def test_the_machine_token_is_an_admin(gates: Gates) -> None:
    bearer = "Bearer correct-horse-battery"
    assert identity(gates.lan, host="nano.local", authorization=bearer) is MACHINE


@pytest.mark.parametrize(
    "token", ["a", "short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabcabc"]
)
def test_a_weak_machine_token_is_refused(gates: Gates, token: str) -> None:
    with pytest.raises(SettingsError, match="easy to guess") as caught:
        gates.make({"MIXMINUS_TOKEN": token})
    assert caught.value.exit_code == 78
    assert token not in str(caught.value).split()


def test_a_session_counts_where_it_is_needed_and_not(gates: Gates) -> None:
    made, token = gates.lan.desk.invite(["home"], "speak", "Anna", 60, False, NOW_S)
    who, cookie = gates.lan.desk.exchange(token, "", NOW_S)
    assert (who.role, who.name, who.verified, who.rooms) == ("speak", "Anna", True, ("home",))
    assert identity(gates.lan, host="nano.local", cookie=cookie) == who
    assert identity(gates.local, cookie=cookie) == who
    assert status(gates.lan, host="nano.local", cookie=token) == 401
    gates.lan.desk.revoke(made.id, NOW_S)
    assert status(gates.lan, host="nano.local", cookie=cookie) == 401
    assert identity(gates.local, cookie=cookie) is LOCAL


def test_a_session_is_exchanged_by_anybody_but_asked_for_by_somebody(gates: Gates) -> None:
    for method in ("POST", "DELETE"):
        assert identity(gates.lan, "/session", "nano.local", method=method) is NOBODY
    assert status(gates.lan, "/session", "nano.local") == 401


def test_what_a_proxy_hands_on_is_never_local(gates: Gates) -> None:
    with_token = gates.make(TOKEN)
    assert status(gates.local, forwarded=True) == 401
    assert status(gates.local, forwarded=True, authorization="Bearer ") == 401
    assert status(with_token, forwarded=True, query_token="correct-horse-battery") == 200


def test_the_gate_of_the_local_network_knows_this_hosts_names_and_no_local_visitor(
    gates: Gates,
) -> None:
    gate = Gate(SignalingSettings(lan=True), TOKEN, gates.ledger, ("mixminus.local",))
    bearer = {"authorization": "Bearer correct-horse-battery"}
    assert status(gate, "/", host="mixminus.local:8443") == 200
    for host in ("mixminus.local:8443", "192.168.1.5:8443", "localhost:8443", "127.0.0.1"):
        assert status(gate, host=host) == 401, host
        assert status(gate, host=host, **bearer) == 200, host
    assert status(gate, host="evil.example", **bearer) == 403
    without = Gate(SignalingSettings(lan=True), {}, gates.ledger, ())
    assert status(without, host="192.168.1.5") == 401


def test_what_another_node_vouches_for_counts_here_but_for_names_of_hosts(gates: Gates) -> None:
    entry = gates.local.vouch(Facts("GET", "/rooms", "localhost:8080"))
    assert entry.is_own_screen and not entry.needs_invitation
    for owner in (gates.local, gates.lan):
        assert identity(owner, host="node-7.example", vouch=entry) == LOCAL
    guest = replace(entry, is_own_screen=False)
    assert status(gates.local, vouch=guest) == 200, "neither node asks for an invitation"
    assert status(gates.lan, vouch=guest) == 401
    stranger = gates.lan.vouch(Facts("GET", "/rooms", "nano.local", address="192.0.2.9"))
    assert not stranger.is_own_screen and stranger.needs_invitation
    assert status(gates.local, vouch=stranger) == 401, "the entry asks for one"
    with pytest.raises(ProblemError, match="not a name of this gateway"):
        gates.local.vouch(Facts("GET", "/rooms", "evil.example"))
    with pytest.raises(ProblemError, match="own page"):
        gates.local.vouch(Facts("GET", "/rooms", "localhost", origin="http://evil.example"))
