"""The local authority: what it may certify, and what it may not."""

from __future__ import annotations

import ipaddress
import plistlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from signaling.tls import authority, trust_page
from signaling.tls.addresses import host_names, lan_addresses
from signaling.tls.authority import Address, Authority
from tests.signaling.tls.forging import forged
from tests.signaling.tls.handshakes import problem, server

NOW = datetime.now(UTC)
NAMES = ("mixminus.local", "nano-1.local", "nano-1")
LAN = [ipaddress.ip_address(text) for text in ("192.168.1.20", "fd00::20")]
OURS = authority.create(NAMES, NOW)


def leaf(
    names: tuple[str, ...] = NAMES, addresses: list[Address] = LAN, now: datetime = NOW
) -> bytes:
    return authority.issue(OURS, names, addresses, now)


@pytest.mark.parametrize("name", ["mixminus.local", "nano-1", "192.168.1.20", "fd00::20"])
def test_who_trusts_the_root_gets_no_warning(name: str) -> None:
    assert problem(OURS.root_pem(), server(leaf()), name) == ""


def test_who_trusts_another_authority_gets_one() -> None:
    other = authority.create(NAMES, NOW)
    assert "issuer" in problem(other.root_pem(), server(leaf()), "mixminus.local")


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (x509.DNSName("bank.example"), "bank.example"),
        (x509.DNSName("www.google.com"), "www.google.com"),
        (x509.IPAddress(ipaddress.ip_address("8.8.8.8")), "8.8.8.8"),
        (x509.IPAddress(ipaddress.ip_address("2001:4860:4860::8888")), "2001:4860:4860::8888"),
    ],
)
def test_a_forged_public_name_is_refused_by_its_constraints(
    given: x509.GeneralName, asked: str
) -> None:
    assert (
        problem(OURS.root_pem(), server(forged(OURS, given, NOW)), asked)
        == "permitted subtree violation"
    )


def test_the_forger_can_forge_what_is_permitted() -> None:
    assert (
        problem(OURS.root_pem(), server(forged(OURS, x509.DNSName("a.local"), NOW)), "a.local")
        == ""
    )


def test_a_leaf_lives_for_at_most_397_days() -> None:
    certificate = x509.load_pem_x509_certificate(leaf())
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life <= timedelta(days=397)
    assert certificate.not_valid_before_utc < NOW


def test_names_that_are_not_permitted_are_left_out() -> None:
    addresses = [*LAN, ipaddress.ip_address("8.8.8.8")]
    certificate = x509.load_pem_x509_certificate(leaf((*NAMES, "bank.example"), addresses))
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == list(NAMES)
    assert found.get_values_for_type(x509.IPAddress) == LAN


def test_a_leaf_is_current_until_something_changes() -> None:
    pem = leaf()

    def current(names: tuple[str, ...] = NAMES, days: int = 0, by: Authority = OURS) -> bool:
        return authority.is_current(pem, by, names, LAN, NOW + timedelta(days=days))

    assert current() and current(days=360) and current(names=NAMES[:1])
    assert not current(days=370), "its end is near"
    assert not current(days=-2), "the clock was set back"
    assert not current((*NAMES, "new.local"))
    assert not current(by=authority.create(NAMES, NOW))
    fewer = authority.issue(OURS, NAMES, LAN[:1], NOW)
    assert not authority.is_current(fewer, OURS, NAMES, LAN, NOW)
    assert not authority.is_current(b"", OURS, NAMES, LAN, NOW)


def test_an_authority_survives_its_files() -> None:
    again = authority.load(OURS.root_pem(), OURS.issuer_pem())
    assert problem(OURS.root_pem(), server(authority.issue(again, NAMES, LAN, NOW)), "nano-1") == ""
    other = authority.create(NAMES, NOW)
    with pytest.raises(ValueError, match="did not sign"):
        authority.load(other.root_pem(), OURS.issuer_pem())
    with pytest.raises(ValueError):
        authority.load(b"", b"")


def test_an_authority_made_before_the_clock_was_set_is_valid_today() -> None:
    early = authority.create(NAMES, datetime(1970, 1, 1, 0, 5, tzinfo=UTC))
    assert (
        problem(early.root_pem(), server(authority.issue(early, NAMES, LAN, NOW)), "nano-1") == ""
    )


@pytest.mark.parametrize(
    ("name", "harmless"),
    [
        ("nano-1", True),
        ("pc7", True),
        ("kitchen", False),
        ("dev", False),
        ("xn--p1ai", False),
        ("nano.home.example", True),
        ("a..b", False),
        ("", False),
        ("küche", False),
    ],
)
def test_a_name_that_may_be_a_top_level_domain_is_no_constraint(name: str, harmless: bool) -> None:
    assert authority.is_constrainable(name) is harmless
    permitted, _ = authority.permitted_by(authority.create([name], NOW), [name, f"x.{name}"], [])
    assert bool(permitted) is harmless


def test_of_the_addresses_the_private_ones_count() -> None:
    found = [
        ("lo", "127.0.0.1"),
        ("eth0", "192.168.1.20"),
        ("eth0", "fe80::1%2"),
        ("eth0", "2001:db8::5"),
        ("wlan0", "fd00::20"),
        ("eth0", "203.0.113.9"),
        ("docker0", "172.17.0.1"),
        ("tailscale0", "100.100.1.1"),
    ]
    shown = [str(address) for address in lan_addresses(found)]
    assert shown == ["100.100.1.1", "192.168.1.20", "fd00::20"]


def test_a_host_has_its_names() -> None:
    assert host_names("Nano.home.arpa", True) == ("mixminus.local", "nano.local", "nano.home.arpa")
    assert host_names("localhost", False) == ()


def test_the_profile_holds_the_root_and_stays_the_same() -> None:
    profile = plistlib.loads(trust_page.mobile_config(OURS.root))
    (payload,) = profile["PayloadContent"]
    root = x509.load_der_x509_certificate(payload["PayloadContent"])
    assert root == OURS.root
    assert authority.fingerprint(OURS.root) in profile["PayloadDescription"]
    assert trust_page.mobile_config(OURS.root) == trust_page.mobile_config(OURS.root)


@pytest.mark.parametrize(
    ("agent", "platform"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1", "ios"),
        ("Mozilla/5.0 (Linux; Android 16; Pixel 9) Chrome/156.0 Mobile", "android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko Firefox/153.0", "firefox"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/156.0", "windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Safari/605", "macos"),
        ("curl/8", ""),
    ],
)
def test_the_steps_of_the_visitors_system_are_open(agent: str, platform: str) -> None:
    assert trust_page.platform_of(agent) == platform
    page = trust_page.page('<details id="ios"><b>{{url}}</b>', OURS.root, "https://a&b", agent)
    assert ("open" in page) is (platform == "ios")
    assert "https://a&amp;b" in page
