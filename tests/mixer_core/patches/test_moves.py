"""A peer behind a NAT that gives it another port, and strangers who are in the way."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aioice import Candidate

from mixer_core.patches.aioice import datagrams as module
from mixer_core.patches.aioice import moves
from mixer_core.patches.aioice.datagrams import _listen, _Peers, datagrams
from mixer_core.patches.aioice.moves import CHECK_EVERY_NS, MAX_LEARNED, RESTART_NS
from mixer_core.patches.aiortc.connections import bound_peer, listen_to
from mixer_core.patches.aiortc.fast_path import FastPath, split
from mixer_core.runtime.units import S_NS
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
        self.held: list[bytes] | None = None
        """Takes what the caller sends, where it is a list."""

    def _out(self, data: bytes) -> None:
        if self.held is None:
            self.back.sendto(data, self.outside)
        else:
            self.held.append(data)

    async def open(self) -> int:
        """The port that stands for the callee."""
        loop = asyncio.get_running_loop()
        self.front, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self._out),
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
        self.also: Any = None
        """Another address of the caller, which answers nothing so far."""

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
        if self.also is not None:
            self._ice(self.callee)._remote_candidates.append(self.also)
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


def test_a_way_whose_check_was_cancelled_when_another_was_complete_can_be_taken() -> None:
    """aioice leaves such a check in progress for ever: the slower addresses of a browser."""

    async def scenario() -> None:
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        second.bind(("127.0.0.1", 0))
        second.setblocking(False)
        address: Address = second.getsockname()
        async with pair() as (caller, callee):
            call = Call(caller, callee)
            call.also = Candidate("9", 1, "udp", 2**31 - 1, *address, "host")
            call.also._network_host = address[0]
            await call.connect()
            (slow,) = [p for p in call._ice(callee)._check_list if p.remote_addr == address]
            assert slow.task is None or slow.task.done()
            loop = asyncio.get_running_loop()
            call.nat.back, _ = await loop.create_datagram_endpoint(
                lambda: _Side(lambda data: call.nat.front.sendto(data, call.nat.inside)),
                sock=second,
            )
            for number in range(20):
                call.channel.send(bytes([number]))
                await asyncio.sleep(0.1)
                if call.used == address:
                    break
            assert call.used == address
            call.nat.close()

    run(scenario)


def test_a_check_whose_answers_are_lost_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """aioice would repeat it after 4 s, then after 8."""

    async def test(call: Call) -> None:
        lost = call.nat.held = []
        await call.nat.rebind()
        new: Address = ("127.0.0.1", call.nat.ports[-1])
        ice = call._ice(call.callee)
        moved = datagrams(ice).moved
        now_ns = time.monotonic_ns()
        monkeypatch.setattr(moves, "time", SimpleNamespace(monotonic_ns=lambda: now_ns))
        moved(ice._nominated[1].protocol, new)
        (under_way,) = [p for p in ice._check_list if p.remote_addr == new]
        first = under_way.task
        await until(lambda: lost, "it is answered, in vain")
        now_ns += RESTART_NS - 1
        moved(under_way.protocol, new)
        assert under_way.task is first
        now_ns += RESTART_NS
        call.nat.held = None
        moved(under_way.protocol, new)
        assert under_way.task is not first
        await until(lambda: call.used == new, "it is followed")

    in_call(test)


def test_what_a_peer_sends_to_another_of_our_sockets_is_answered_from_there() -> None:
    async def test(call: Call) -> None:
        ice = call._ice(call.callee)
        pair_in_use = ice._nominated[1]
        found = datagrams(ice)
        moved: list[tuple[Any, Address]] = []
        found.moved = lambda protocol, address: moved.append((protocol, address))
        other = SimpleNamespace(
            local_candidate=pair_in_use.protocol.local_candidate,
            receiver=pair_in_use.protocol.receiver,
            datagram_received=lambda data, address: None,
        )
        _listen(other, found, _Peers(ice, other))
        found.take, found.authentic = (lambda data: True), True
        other.datagram_received(b"\x17" + bytes(40), pair_in_use.remote_addr)
        assert moved == [(other, pair_in_use.remote_addr)]
        pair_in_use.protocol.datagram_received(b"\x17" + bytes(40), pair_in_use.remote_addr)
        assert len(moved) == 1, "it is in use there"

    in_call(test)


def test_a_peer_that_has_moved_is_sent_what_was_lost_at_once() -> None:
    async def test(call: Call) -> None:
        arrivals = listen_to(call.callee)
        resumed: list[Address] = []
        await call.nat.rebind()
        arrivals.resumed = lambda: resumed.append(call.used)
        call.channel.send(b"one")
        await until(lambda: call.used == ("127.0.0.1", call.nat.ports[-1]))
        call.channel.send(b"two")
        await until(lambda: ("127.0.0.1", call.nat.ports[-1]) in resumed)

    in_call(test)


def test_a_datagram_that_comes_late_does_not_lead_back_to_a_port_that_is_gone() -> None:
    async def test(call: Call) -> None:
        async def moves() -> None:
            call.channel.send(b"from there")
            await until(lambda: call.used == ("127.0.0.1", call.nat.ports[-1]), "it is answered")

        await call.nat.rebind()
        await moves()
        gone = call.nat.ports[-1]
        late = call.nat.held = []
        call.channel.send(b"late")
        await until(lambda: late)
        call.nat.held = None
        await call.nat.rebind()
        await moves()
        await asyncio.sleep(1.2 * CHECK_EVERY_NS / S_NS)
        used = call.used
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.1", gone))
            for data in late:
                sender.sendto(data, call.nat.outside)
        for _ in range(20):
            await asyncio.sleep(0.01)
            assert call.used == used, "a port that is gone is used again"

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
