"""What aioice is made to do: offer chosen addresses, check consent, give datagrams away."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import time
from collections.abc import Iterator
from typing import Any

import aioice.ice
import pytest

from mixer_core.patches.aioice import gathering
from mixer_core.patches.aioice.datagrams import Datagrams
from mixer_core.patches.aiortc.connections import answer_dtls_as, gate, listen_to
from tests.support.loopback import negotiate, pair, run
from tests.support.waiting import until

pytestmark = pytest.mark.sockets


@pytest.fixture
def restored() -> Iterator[None]:
    yield
    gathering.offer_addresses(None)
    gathering.check_consent()


@pytest.mark.usefixtures("restored")
def test_the_addresses_offered_are_exactly_the_chosen_ones() -> None:
    chosen = ["127.0.0.1"]
    gathering.offer_addresses(lambda: chosen)

    async def hosts() -> list[str]:
        connection = aioice.Connection(ice_controlling=True)
        await connection.gather_candidates()
        found = [candidate.host for candidate in connection.local_candidates]
        await connection.close()
        return found

    assert asyncio.run(hosts()) == chosen
    gathering.offer_addresses(None)
    assert "127.0.0.1" not in asyncio.run(hosts())
    assert gathering.host_addresses(include_loopback=True)[-1] == "127.0.0.1"
    assert "127.0.0.1" not in gathering.host_addresses(include_loopback=False)


def test_the_figures_restored_are_aioices_own() -> None:
    spec = importlib.util.spec_from_file_location("aioice.untouched", aioice.ice.__file__)
    assert spec is not None and spec.loader is not None
    untouched = importlib.util.module_from_spec(spec)  # Others may have changed the loaded one.
    spec.loader.exec_module(untouched)
    own = (gathering.CONSENT_INTERVAL_S, gathering.CONSENT_FAILURES)
    assert own == (untouched.CONSENT_INTERVAL, untouched.CONSENT_FAILURES)


def test_consent_checks_are_as_often_as_asked_and_seen_as_datagrams() -> None:
    async def scenario() -> None:
        gathering.check_consent(0.02)
        async with pair() as (ours, peer):
            ours.createDataChannel("events")
            await negotiate(ours, peer)
            arrivals = listen_to(ours)
            assert listen_to(ours) is arrivals
            others = leave_and_note(arrivals)
            times_ns = set[int]()
            await until(lambda: times_ns.add(arrivals.last_ns) or len(times_ns - {0}) > 20)
            assert max(times_ns) <= time.monotonic_ns()
            assert len(others) < 15, "STUN is not offered"

    run(scenario)


def leave_and_note(arrivals: Datagrams) -> list[bytes]:
    """The datagrams that are offered from now on; all are left to aioice."""
    offered: list[bytes] = []

    def take(data: bytes) -> bool:
        offered.append(data)
        return False

    arrivals.take = take
    return offered


def test_a_peer_that_falls_silent_ends_the_connection() -> None:
    async def scenario() -> None:
        gathering.check_consent(0.02, failures=2)
        async with pair() as (ours, peer):
            ours.createDataChannel("events")
            await negotiate(ours, peer)
            gate(peer, lambda: True)
            await until(lambda: ours.connectionState in ("failed", "closed"))

    run(scenario)


@pytest.mark.parametrize("repeats", [0, 2])
def test_a_long_way_ends_no_connection_where_answers_may_take_their_time(repeats: int) -> None:
    """A round trip of 0.6 s: each question is answered, 0.1 s too late for aioice."""

    async def scenario() -> None:
        gathering.check_consent(0.05, 4, repeats)
        async with pair() as (ours, peer):
            ours.createDataChannel("events")
            await negotiate(ours, peer)
            for end in (ours, peer):
                for protocol in end.sctp.transport.transport._connection._protocols:
                    protocol.transport = Slow(protocol.transport)
            if repeats:
                await asyncio.sleep(5.0)  # Twice as long as the other one lasts.
                assert ours.connectionState == "connected"
            else:
                await until(lambda: ours.connectionState in ("failed", "closed"))

    run(scenario)


class Slow:
    """A datagram transport over a way of 0.3 s."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def sendto(self, data: bytes, address: Any = None) -> None:
        asyncio.get_running_loop().call_later(0.3, self._transport.sendto, data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def test_datagrams_that_are_not_taken_take_their_usual_way() -> None:
    async def scenario() -> None:
        async with pair() as (ours, peer):
            heard: list[str] = []
            channel = ours.createDataChannel("events")
            peer.on("datachannel", lambda channel: channel.on("message", heard.append))
            await negotiate(ours, peer)
            await until(lambda: channel.readyState == "open")
            offered = leave_and_note(listen_to(peer))
            channel.send("through")
            await until(lambda: heard == ["through"])
            assert offered and all(19 < data[0] < 64 for data in offered), "DTLS only"

    run(scenario)


def test_datagrams_of_strangers_are_no_sign_of_life() -> None:
    """A port may have belonged to a connection whose peer does not know yet that it is over."""

    async def scenario() -> None:
        async with pair() as (ours, peer):
            ours.createDataChannel("events")
            await negotiate(ours, peer)
            arrivals = listen_to(ours)
            offered = leave_and_note(arrivals)
            await until(lambda: arrivals.last_ns > 0)
            gate(peer, lambda: True)
            socket_of = ours.sctp.transport.transport._connection._nominated[1].local_addr
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                before_ns = 0
                while before_ns != arrivals.last_ns:  # What the peer sent before it fell silent.
                    before_ns = arrivals.last_ns
                    stranger.sendto(b"\x80 sound of somebody else", socket_of)
                    seen = len(offered)
                    await until(lambda: len(offered) > seen)  # noqa: B023
            assert offered[-1].startswith(b"\x80")

    run(scenario)


def test_a_gate_holds_back_both_ways_even_what_is_taken() -> None:
    async def scenario() -> None:
        is_shut = False
        async with pair() as (ours, peer):
            heard: list[str] = []
            channel = ours.createDataChannel("events")
            peer.on("datachannel", lambda channel: channel.on("message", heard.append))
            await negotiate(ours, peer, gathered=lambda: gate(peer, lambda: is_shut))
            await until(lambda: channel.readyState == "open")
            arrivals = listen_to(peer)
            offered = leave_and_note(arrivals)
            is_shut = True
            before_ns = arrivals.last_ns
            channel.send("late")
            await until(lambda: any(chunk._sent_count > 1 for chunk in ours.sctp._sent_queue))
            assert not offered and arrivals.last_ns == before_ns
            is_shut = False
            await until(lambda: heard == ["late"])

    run(scenario)


@pytest.mark.parametrize(("role", "setup"), [("active", "active"), ("passive", "passive")])
def test_the_side_of_the_dtls_handshake_can_be_chosen(role: str, setup: str) -> None:
    async def scenario() -> None:
        async with pair() as (ours, peer):
            ours.createDataChannel("events")
            await negotiate(ours, peer, offered=lambda: answer_dtls_as(peer, role))  # type: ignore[arg-type]
            assert f"a=setup:{setup}\r\n" in peer.localDescription.sdp

    run(scenario)
