"""Which addresses of an offer are checked, and how often."""

from __future__ import annotations

import ipaddress

import pytest

from media_worker.webrtc.probing import (
    GIVEN_BACK_NS,
    MAX_CHECKS,
    MAX_ENDPOINTS,
    MAX_PROVEN,
    MAX_TRIGGERED,
    Kind,
    ProbeBudget,
    ProbePolicy,
    choose,
    kind_of,
    read_candidate,
)

OWN = [ipaddress.ip_network("192.168.1.5"), ipaddress.ip_network("172.17.0.0/16")]


def candidate(host: str, port: int = 50_000, kind: str = "host", transport: str = "udp") -> str:
    return f"a=candidate:1 1 {transport} 2113937151 {host} {port} typ {kind}"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("192.168.1.7", "private"),
        ("10.0.0.1", "private"),
        ("100.64.1.1", "private"),
        ("fd00::7", "private"),
        ("8.8.8.8", "public"),
        ("2a00:1450:4001::7", "public"),
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("169.254.169.254", "link_local"),
        ("fe80::1", "link_local"),
        ("192.168.1.5", "own"),
        ("172.17.3.4", "own"),
        ("0.0.0.0", None),
        ("0.1.2.3", None),
        ("::", None),
        ("224.0.0.251", None),
        ("ff02::fb", None),
        ("255.255.255.255", None),
        ("240.0.0.1", None),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link_local"),
        ("::ffff:192.168.1.5", "own"),
        ("64:ff9b::a9fe:a9fe", "link_local"),
        ("64:ff9b::e000:1", None),
        ("2002:7f00:1::", "loopback"),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", "loopback"),
        ("2001:0:4136:e378:8000:63bf:5601:5601", "link_local"),
        ("64:ff9b:1::7f00:1", None),
        ("::7f00:1", None),
        ("::ffff:0:7f00:1", None),
    ],
)
def test_kinds_of_addresses(address: str, kind: Kind | None) -> None:
    assert kind_of(ipaddress.ip_address(address), OWN) == kind


def test_only_kinds_of_the_setting_are_checked() -> None:
    lines = [candidate(h) for h in ("10.0.0.1", "8.8.8.8", "127.0.0.1", "192.168.1.5")]
    usual = choose(lines, ProbePolicy(own=OWN))
    assert [remote.endpoint[0] for remote in usual] == ["10.0.0.1", "8.8.8.8"]
    private = choose(lines, ProbePolicy(frozenset({"private"}), OWN))
    assert [remote.endpoint[0] for remote in private] == ["10.0.0.1"]
    assert choose(lines, ProbePolicy(frozenset(), OWN)) == []


@pytest.mark.parametrize(
    "line",
    [
        candidate("0d8a7f5e-9c3b.local"),
        candidate("10.0.0.1", transport="tcp"),
        candidate("10.0.0.1", port=53),
        candidate("10.0.0.1", port=70_000),
        "a=candidate:1 2 udp 1 10.0.0.1 50000 typ host",
        "a=candidate:1 1 udp 1 10.0.0.1 port typ host",
        "a=candidate:junk",
    ],
)
def test_names_tcp_and_ports_of_services_are_left_out(line: str) -> None:
    assert read_candidate(line) is None


def test_an_address_has_few_ports() -> None:
    lines = [candidate("10.0.0.1", port) for port in range(50_000, 50_020)]
    assert len(choose(lines, ProbePolicy())) == 2


def test_every_type_of_candidate_has_a_place() -> None:
    hosts = [candidate(f"10.0.0.{i}") for i in range(1, 60)]
    others = [candidate("8.8.8.8", kind="srflx"), candidate("9.9.9.9", kind="relay")]
    chosen = choose([*hosts, *others], ProbePolicy())
    assert len(chosen) == MAX_ENDPOINTS
    assert {remote.type for remote in chosen} == {"host", "srflx", "relay"}


def test_silent_addresses_share_a_budget() -> None:
    offered = [(f"10.0.0.{i}", 50_000) for i in range(8)]
    budget = ProbeBudget(offered)
    allowed = [endpoint for _ in range(20) for endpoint in offered if budget.allow(endpoint, 0)]
    assert len(allowed) == MAX_CHECKS
    assert budget.refused_total == 160 - MAX_CHECKS
    triggered = sum(budget.allow(("10.9.9.9", port), 0) for port in range(2000, 2100))
    assert triggered == MAX_TRIGGERED


def test_who_has_answered_is_checked_without_limit() -> None:
    browser = ("10.0.0.1", 50_000)
    budget = ProbeBudget([browser])
    budget.answered(browser)
    assert all(budget.allow(browser, 0) for _ in range(10 * MAX_CHECKS))
    assert budget.refused_total == 0


def test_a_browser_may_move_as_often_as_it_likes() -> None:
    budget = ProbeBudget(())
    for port in range(2_000, 2_000 + 4 * MAX_TRIGGERED):
        assert budget.allow(("10.0.0.1", port), 0) and budget.allow(("10.0.0.1", port), 0)
        budget.answered(("10.0.0.1", port))
    assert len(budget._proven) == MAX_PROVEN
    assert budget.allow(("10.0.0.1", port), 0)
    silent = sum(budget.allow(("10.9.9.9", port), 0) for port in range(2_000, 2_100))
    assert silent == MAX_TRIGGERED
    assert budget.refused_total == 100 - MAX_TRIGGERED


def test_what_nobody_answers_is_given_back_with_time() -> None:
    """Networks that let nothing through do not use up the ways of a phone for good."""
    offered, browser = ("10.0.0.1", 50_000), ("10.9.9.9", 2_000)
    budget = ProbeBudget([offered])
    for endpoint, most in ((offered, MAX_CHECKS), (browser, MAX_TRIGGERED)):
        assert sum(budget.allow(endpoint, 0) for _ in range(2 * most)) == most
        assert not budget.allow(endpoint, GIVEN_BACK_NS - 1)
        assert budget.allow(endpoint, GIVEN_BACK_NS)
        assert not budget.allow(endpoint, 2 * GIVEN_BACK_NS - 1)
        later_ns = 10 * most * GIVEN_BACK_NS
        assert sum(budget.allow(endpoint, later_ns) for _ in range(2 * most)) == most


def test_who_answers_again_is_not_the_oldest() -> None:
    home = ("10.0.0.1", 2_000)
    budget = ProbeBudget(())
    budget.answered(home)
    for port in range(3_000, 3_000 + 2 * MAX_PROVEN):
        budget.answered(("10.0.0.2", port))
        budget.answered(home)
    assert all(budget.allow(home, 0) for _ in range(2 * MAX_TRIGGERED))


def test_addresses_that_never_answer_are_not_remembered_for_ever() -> None:
    budget = ProbeBudget(())
    sent = [budget.allow(("10.0.0.1", port), port * GIVEN_BACK_NS) for port in range(2_000, 3_000)]
    assert all(sent)
    assert len(budget._triggered._unanswered) <= MAX_TRIGGERED
