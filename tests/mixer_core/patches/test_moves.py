"""A peer behind a NAT that gives it another port, and strangers who are in the way."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mixer_core.patches.aioice import datagrams as module
from mixer_core.patches.aioice.moves import MAX_LEARNED
from mixer_core.patches.aiortc.connections import bound_peer, listen_to
from mixer_core.patches.aiortc.fast_path import FastPath, split
from tests.support.loopback import negotiate, pair, run
from tests.support.waiting import until

pytestmark = pytest.mark.sockets
Address = tuple[str, int]


class Nat(asyncio.DatagramProtocol):
    """Between a caller and a callee: what the caller sends comes from its current port."""

    def __init__(self, inside: Address, outside: Address) -> None:
        self.inside, self.outside = inside, outside
        self.front: Any = None
        self.back: Any = None
        self.ports: list[int] = []

    async def open(self) -> int:
        """The port that stands for the callee."""
        loop = asyncio.get_running_loop()
        self.front, _ = await loop.create_datagram_endpoint(
            lambda: _Side(lambda data: self.back.sendto(data, self.outside)),
            local_addr=("127.0.0.1", 0),
        )
        await self.rebind()
        return int(self.front.get_extra_info("sockname")[1])

    async def rebind(self) -> None:
        """Another port towards the callee."""
        before, loop = self.back, asyncio.get_running_loop()
        self.back, _ = await loop.create_datagram_endpoint(
            lambda: _Side(lambda data: self.front.sendto(data, self.inside)),
            local_addr=("127.0.0.1", 0),
        )
        self.ports.append(self.back.get_extra_info("sockname")[1])
        if before is not None:
            before.close()

    def close(self) -> None:
        self.front.close()
        self.back.close()


class _Side(asyncio.DatagramProtocol):
    def __init__(self, pass_on: Callable[[bytes], None]) -> None:
        self._pass_on = pass_on

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._pass_on(data)


class Call:
    """A callee with its limits, and a caller whose datagrams take the way through a NAT."""

    def __init__(self, caller: Any, callee: Any) -> None:
        self.caller, self.callee = caller, callee
        self.heard: list[bytes] = []
        self.words: list[str] = []
        self.channel = caller.createDataChannel("audio")
        callee.on("datachannel", lambda channel: channel.on("message", self.heard.append))
        self.nat: Any = None
        self.fast: Any = None

    async def connect(self) -> None:
        await negotiate(self.caller, self.callee, gathered=self._take_over)
        await until(lambda: self.channel.readyState == "open")
        pair_of_caller = self._ice(self.caller)._nominated[1]
        callee_address = pair_of_caller.remote_addr
        self.nat = Nat(pair_of_caller.local_addr, callee_address)
        port = await self.nat.open()
        pair_of_caller.protocol.transport = _Detour(
            pair_of_caller.protocol.transport, callee_address, ("127.0.0.1", port)
        )

    def _take_over(self) -> None:
        bound_peer(self.callee, lambda words, is_over: self.words.append(words))
        self.fast = FastPath(self.callee.sctp, lambda: None)

    def _ice(self, connection: Any) -> Any:
        return connection.sctp.transport.transport._connection

    @property
    def used(self) -> Address:
        """Where the callee sends to."""
        address: Address = self._ice(self.callee)._nominated[1].remote_addr
        return address

    @property
    def own(self) -> Address:
        """Where the callee listens."""
        address: Address = self._ice(self.callee)._nominated[1].local_addr
        return address


class _Detour:
    """Sends to the NAT what is meant for the callee; the NAT's answers are the callee's."""

    def __init__(self, transport: Any, meant: Address, nat: Address) -> None:
        self._transport, self._meant, self._nat = transport, meant, nat
        protocol = transport.get_protocol()
        receive = protocol.datagram_received
        protocol.datagram_received = lambda data, address: receive(
            data, meant if tuple(address[:2]) == nat else address
        )

    def sendto(self, data: bytes, address: Any = None) -> None:
        self._transport.sendto(data, self._nat if tuple(address[:2]) == self._meant else address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def in_call(test: Callable[[Call], Any]) -> None:
    async def scenario() -> None:
        async with pair() as (caller, callee):
            call = Call(caller, callee)
            await call.connect()
            try:
                await test(call)
            finally:
                call.nat.close()

    run(scenario)


def test_a_peer_is_followed_to_another_port_by_what_it_encrypts() -> None:
    async def test(call: Call) -> None:
        for turn in range(3):
            await call.nat.rebind()
            message = bytes([turn]) * 9
            call.channel.send(message)
            await until(lambda message=message: message in call.heard, "it is heard")
            await until(lambda: call.used == ("127.0.0.1", call.nat.ports[-1]), "it is answered")
        arrivals = listen_to(call.callee)
        before_ns = arrivals.last_ns
        call.channel.send(b"alive")
        await until(lambda: arrivals.last_ns > before_ns)

    in_call(test)


def test_a_check_that_comes_before_what_is_encrypted_does_not_keep_it_from_being_followed() -> None:
    """The address is known then, and nobody has nominated it."""

    async def test(call: Call) -> None:
        for _ in range(2):
            await call.nat.rebind()
            ice = call._ice(call.caller)
            pair = ice._nominated[1]
            request = ice.build_request(pair, nominate=False)
            await pair.protocol.request(
                request, pair.remote_addr, integrity_key=ice.remote_password.encode()
            )
            call.channel.send(b"from there")
            await until(lambda: call.used == ("127.0.0.1", call.nat.ports[-1]), "it is answered")

    in_call(test)


def test_addresses_that_were_left_are_forgotten() -> None:
    async def test(call: Call) -> None:
        ice = call._ice(call.callee)
        protocol = ice._nominated[1].protocol
        for port in range(40_000, 40_000 + 3 * MAX_LEARNED):
            ice.check_incoming(_message(), ("127.0.0.1", port), protocol)
        learned = [known for known in ice._remote_candidates if known.type == "prflx"]
        assert len(learned) <= MAX_LEARNED
        assert len(ice._check_list) <= MAX_LEARNED + 2
        assert call.used in {pair.remote_addr for pair in ice._check_list}

    in_call(test)


def _message() -> Any:
    return SimpleNamespace(attributes={"PRIORITY": 1})


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\x01\x01", b"\x16" + bytes(40), b"\x80" + bytes(40), bytes(3_000)],
    ids=["empty", "one byte", "two", "DTLS", "RTP", "long"],
)
def test_datagrams_of_strangers_neither_end_a_call_nor_move_it(content: bytes) -> None:
    """An empty one made aiortc's task fail, and the call end."""

    async def test(call: Call) -> None:
        used = call.used
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(20):
                stranger.sendto(content, call.own)
        call.channel.send(b"goes on")
        await until(lambda: call.heard == [b"goes on"])
        assert call.callee.connectionState == "connected"
        assert call.used == used or call.used[1] in call.nat.ports

    in_call(test)


def test_strangers_use_up_their_own_share_and_end_nobodys_call() -> None:
    async def test(call: Call) -> None:
        arrivals = listen_to(call.callee)
        arrivals.limit_per_s = 100
        await call.nat.rebind()
        call.channel.send(b"here I am")
        await until(lambda: call.used[1] == call.nat.ports[-1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(400):
                stranger.sendto(b"\x16" + bytes(60), call.own)
        await until(lambda: arrivals.dropped_total > 0)
        call.channel.send(b"goes on")
        await until(lambda: b"goes on" in call.heard)
        assert not call.words

    in_call(test)


def test_a_peer_beyond_its_share_is_told() -> None:
    async def test(call: Call) -> None:
        arrivals = listen_to(call.callee)
        await call.nat.rebind()
        call.channel.send(b"here I am")
        await until(lambda: call.used[1] == call.nat.ports[-1])
        arrivals.limit_per_s = 10
        await until(lambda: call.words or call.nat.back.sendto(b"\x16" + bytes(9), call.own))
        assert "packets a second" in call.words[0]

    in_call(test)


def test_datagrams_before_the_handshake_wait_in_a_bounded_queue() -> None:
    async def scenario() -> None:
        async with pair() as (caller, callee):
            caller.createDataChannel("audio")
            await caller.setLocalDescription(await caller.createOffer())
            await callee.setRemoteDescription(caller.localDescription)
            await callee.setLocalDescription(await callee.createAnswer())
            arrivals = listen_to(callee)
            ice: Any = callee.sctp.transport.transport
            protocol = ice._connection._protocols[0]
            for _ in range(3 * module.MAX_QUEUED):
                protocol.datagram_received(b"\x16" + bytes(30), ("127.0.0.1", 9_999))
            assert ice._connection._queue.qsize() == module.MAX_QUEUED
            assert arrivals.dropped_total == 2 * module.MAX_QUEUED

    run(scenario)


def record(size: int, kind: int = 23) -> bytes:
    return bytes([kind, 0xFE, 0xFD]) + bytes(8) + size.to_bytes(2, "big") + bytes(size)


@pytest.mark.parametrize(
    ("datagram", "expected"),
    [
        (record(100), [record(100)]),
        (record(100) + record(7), [record(100), record(7)]),
        (record(3) * 20, [record(3)] * 8),
        (record(100) + b"rest", [record(100)]),
        (record(100)[:50], []),
        (record(3_000), []),
        (record(3_000) + record(5), [record(5)]),
        (b"\x17", []),
        (b"\x2f" + bytes(30), [b"\x2f" + bytes(30)]),
    ],
    ids=["one", "two", "many", "rest", "cut", "long", "after a long one", "a byte", "DTLS 1.3"],
)
def test_a_datagram_is_read_record_by_record(datagram: bytes, expected: list[bytes]) -> None:
    """OpenSSL reads one record for each call, and would keep the others without a bound."""
    assert split(datagram) == expected
