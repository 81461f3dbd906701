"""The sockets of ICE: in a range of ports, announced under outer addresses; whom checks go to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aioice
import pytest
import uvloop
from aioice import stun

from mixer_core.patches.aioice import gathering
from mixer_core.patches.aioice.checks import Endpoint, limit_checks
from mixer_core.patches.aioice.servers import first_answer
from mixer_core.patches.aioice.sockets import Sockets, open_sockets
from mixer_core.runtime.ice_servers import Servers, TurnServer
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.sockets

LOOPBACK = "127.0.0.1"
PORTS = range(20_300, 20_303)
SILENT = ("127.0.0.9", 20_399)
OUTER = ("198.51.100.9", 4_242)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    gathering.offer_addresses(lambda: [LOOPBACK])
    yield
    gathering.offer_addresses(None)
    open_sockets(None)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """In the loop that workers use."""

    async def main() -> None:
        await asyncio.wait_for(scenario(), PATIENCE_S)

    uvloop.run(main())


async def gathered(**options: object) -> aioice.Connection:
    connection = aioice.Connection(ice_controlling=False, **options)  # type: ignore[arg-type]
    await connection.gather_candidates()
    return connection


def test_every_connection_has_a_port_of_the_range_until_there_is_none() -> None:
    open_sockets(Sockets(ports=PORTS))

    async def scenario() -> None:
        made = [await gathered() for _ in range(len(PORTS) + 1)]
        ports = [c.port for connection in made for c in connection.local_candidates]
        assert sorted(ports) == list(PORTS)
        assert made[-1].local_candidates == []
        await made[0].close()
        again = await gathered()
        assert [c.port for c in again.local_candidates] == ports[:1]
        for connection in (*made, again):
            await connection.close()

    run(scenario)


def test_an_address_that_this_host_does_not_have_is_left_out() -> None:
    gathering.offer_addresses(lambda: ["192.0.2.77", LOOPBACK])
    open_sockets(Sockets())

    async def scenario() -> None:
        connection = await gathered()
        assert [c.host for c in connection.local_candidates] == [LOOPBACK]
        await connection.close()

    run(scenario)


def own_address() -> str | None:
    """An IPv4 address of this host that is not loopback."""
    found = [a for a in gathering.host_addresses(include_loopback=False) if ":" not in a]
    return found[0] if found else None


@pytest.mark.skipif(own_address() is None, reason="this host has loopback only")
def test_an_outer_address_has_the_port_of_the_inner_one() -> None:
    inner = own_address()
    assert inner is not None
    gathering.offer_addresses(lambda: [inner, LOOPBACK])
    open_sockets(Sockets(announced=["198.51.100.7", "2001:db8::7"]))

    async def scenario() -> None:
        connection = await gathered()
        own, outer, loopback = connection.local_candidates
        assert (own.host, own.type, loopback.host) == (inner, "host", LOOPBACK)
        assert (outer.host, outer.port, outer.type) == ("198.51.100.7", own.port, "srflx")
        assert (outer.related_address, outer.related_port) == (inner, own.port)
        assert outer.priority < own.priority
        await connection.close()

    run(scenario)


SILENT_TURN = TurnServer(SILENT, "user", "password", "udp", False)


@pytest.mark.parametrize("servers", [Servers((SILENT,)), Servers((), (SILENT_TURN, SILENT_TURN))])
def test_silent_servers_cost_the_time_that_was_set(servers: Servers) -> None:
    open_sockets(Sockets(servers=servers, servers_s=0.05))

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        connection = await gathered()
        assert loop.time() - began_s >= 0.04
        assert [c.type for c in connection.local_candidates] == ["host"]
        await connection.close()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(SILENT)
        run(scenario)


class StunServer(asyncio.DatagramProtocol):
    """Tells everybody the same outer address."""

    asked = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Endpoint) -> None:
        self.asked += 1
        question = stun.parse_message(data)
        answer = stun.Message(
            stun.Method.BINDING, stun.Class.RESPONSE, transaction_id=question.transaction_id
        )
        answer.attributes["XOR-MAPPED-ADDRESS"] = OUTER
        self._transport.sendto(bytes(answer), addr)


NOWHERE = ("no-such-name.invalid", 3_478)


@pytest.mark.parametrize(
    "before", [(), (SILENT,), (SILENT, NOWHERE), (NOWHERE,)], ids=lambda them: f"after {len(them)}"
)
def test_the_first_stun_server_that_answers_tells_the_outer_address(
    before: tuple[Endpoint, ...],
) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(StunServer, local_addr=(LOOPBACK, 0))
        address = server.get_extra_info("sockname")
        open_sockets(Sockets(servers=Servers((*before, address)), servers_s=PATIENCE_S))
        connection = await gathered()
        own, outer = connection.local_candidates
        assert (own.type, outer.type) == ("host", "srflx")
        assert (outer.host, outer.port) == OUTER
        assert (outer.related_address, outer.related_port) == (LOOPBACK, own.port)
        await connection.close()
        server.close()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(SILENT)
        run(scenario)


def test_later_servers_are_not_asked_where_the_first_one_answers() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_datagram_endpoint(StunServer, local_addr=(LOOPBACK, 0))
            for _ in range(3)
        ]
        addresses = tuple(transport.get_extra_info("sockname") for transport, _ in made)
        open_sockets(Sockets(servers=Servers(addresses), servers_s=PATIENCE_S))
        connection = await gathered()
        assert [protocol.asked for _, protocol in made] == [1, 0, 0]
        await connection.close()
        for transport, _ in made:
            transport.close()

    run(scenario)


def test_an_answer_that_comes_too_late_is_given_back() -> None:
    given_back: list[str] = []

    async def scenario() -> None:
        opened = asyncio.Event()

        async def stubborn() -> str:
            with contextlib.suppress(asyncio.CancelledError):  # Its answer comes in this moment.
                await opened.wait()
            return "late"

        async def quick() -> str:
            return "first"

        assert await first_answer([stubborn, quick], 1.0, given_back.append) == "first"
        assert given_back == ["late"]
        assert await first_answer([], 1.0, given_back.append) is None

    run(scenario)


def test_ipv6_carries_a_connection() -> None:
    gathering.offer_addresses(lambda: ["::1"])
    open_sockets(Sockets())

    async def scenario() -> None:
        one, two = aioice.Connection(ice_controlling=True), aioice.Connection(ice_controlling=False)
        await connect(one, two)
        await one.send(b"hello")
        assert await two.recv() == b"hello"
        await one.close()
        await two.close()

    run(scenario)


async def connect(one: aioice.Connection, two: aioice.Connection) -> None:
    await one.gather_candidates()
    await two.gather_candidates()
    for here, there in ((one, two), (two, one)):
        for candidate in there.local_candidates:
            await here.add_remote_candidate(candidate)
        here.remote_username, here.remote_password = there.local_username, there.local_password
    await asyncio.gather(one.connect(), two.connect())


def test_checks_go_only_where_they_are_allowed_and_answers_are_told() -> None:
    open_sockets(Sockets())

    async def scenario() -> None:
        one, two = aioice.Connection(ice_controlling=True), aioice.Connection(ice_controlling=False)
        asked: Counter[Endpoint] = Counter()
        answered: list[Endpoint] = []

        def allow(endpoint: Endpoint, now_ns: int) -> bool:
            asked[endpoint] += 1
            return endpoint != SILENT

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(SILENT)
            silent.setblocking(False)
            await one.gather_candidates()
            await two.gather_candidates()
            limit_checks(two, allow, answered.append)
            decoy = aioice.Candidate.from_sdp(f"1 1 udp 9 {SILENT[0]} {SILENT[1]} typ host")
            await two.add_remote_candidate(decoy)
            await connect(one, two)
            with pytest.raises(BlockingIOError):
                silent.recv(100)
        (candidate,) = one.local_candidates
        assert answered[0] == (candidate.host, candidate.port)
        assert asked[answered[0]] >= 1
        await one.close()
        await two.close()

    run(scenario)
