"""A server that is killed is known by its port, and one whose refusals say nothing is not."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest
from aioice import stun

from mixer_core.patches.aiortc.connections import Route
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.transport.port_doubt import LEARNING, LOOK_NS, QUIET_NS, PortDoubt
from openai_link.transport.port_watch import PortProbe, watched


class Watch:
    """A doubt that looks when it wants to, at a server that is heard every ``every_ns``."""

    def __init__(self, every_ns: int) -> None:
        self.doubt = PortDoubt()
        self.now_ns = self.heard_ns = 0
        self.every_ns = every_ns
        self.asked = 0

    def run(self, until_ns: int, refused: bool, heard: bool = True) -> bool:
        """Whether the port was found to be nobody's until then."""
        while self.now_ns < until_ns:
            self.now_ns = self.doubt.next_look_ns(self.heard_ns, self.now_ns)
            if heard:
                self.heard_ns = self.now_ns // self.every_ns * self.every_ns
            if self.doubt.wants(self.heard_ns, self.now_ns):
                self.asked += 1
                if self.doubt.is_gone(refused, self.heard_ns, self.now_ns):
                    return True
        return False


@pytest.mark.parametrize("every_ns", [20 * MS_NS, 400 * MS_NS, S_NS])
def test_a_killed_server_is_known_within_a_second(every_ns: int) -> None:
    watch = Watch(every_ns)
    assert not watch.run(10 * S_NS, refused=False)
    killed_ns = watch.now_ns
    assert watch.run(killed_ns + 9 * S_NS, refused=True, heard=False)
    assert watch.now_ns - killed_ns <= QUIET_NS + 3 * LOOK_NS


def test_a_server_that_talks_is_asked_only_at_first() -> None:
    watch = Watch(20 * MS_NS)
    watch.run(60 * S_NS, refused=False)
    assert watch.asked == LEARNING


@pytest.mark.parametrize("every_ns", [20 * MS_NS, S_NS, 2 * S_NS])
def test_a_firewall_that_refuses_strangers_says_nothing(every_ns: int) -> None:
    watch = Watch(every_ns)
    assert not watch.run(60 * S_NS, refused=True)
    assert watch.doubt.says_nothing
    assert not watch.run(120 * S_NS, refused=True, heard=False)


def test_one_refusal_is_not_enough_and_what_is_heard_between_two_counts() -> None:
    watch = Watch(20 * MS_NS)
    watch.run(5 * S_NS, refused=False)
    doubt, at_ns = watch.doubt, watch.now_ns + S_NS
    assert not doubt.is_gone(True, watch.heard_ns, at_ns)
    assert not doubt.is_gone(False, watch.heard_ns, at_ns + LOOK_NS)
    assert not doubt.is_gone(True, watch.heard_ns, at_ns + 2 * LOOK_NS)
    later_ns = at_ns + 3 * LOOK_NS
    assert not doubt.is_gone(True, later_ns - QUIET_NS, later_ns)
    assert doubt.is_gone(True, later_ns - QUIET_NS, later_ns + LOOK_NS)


@pytest.fixture(name="server")
def _server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        yield server


@pytest.mark.sockets
def test_the_kernel_says_whether_somebody_has_the_port(server: socket.socket) -> None:
    probe = PortProbe(Route("127.0.0.1", server.getsockname()))
    try:
        assert not any(probe.is_refused() for _ in range(3))
        message = stun.parse_message(server.recv(99))
        assert message.message_class is stun.Class.INDICATION
        assert message.message_method is stun.Method.BINDING and "FINGERPRINT" in message.attributes
        server.close()
        assert any(probe.is_refused() for _ in range(3))
    finally:
        probe.close()


@pytest.mark.sockets
def test_the_watch_tells_once_and_stops(server: socket.socket) -> None:
    async def watch() -> float:
        gone: list[float] = []
        loop = asyncio.get_running_loop()
        told = asyncio.Event()

        def on_gone() -> None:
            gone.append(loop.time())
            told.set()

        heard_ns = time.monotonic_ns()
        watching = watched(Route("127.0.0.1", server.getsockname()), lambda: heard_ns, on_gone)
        assert watching is not None
        server.setblocking(False)
        for _ in range(LEARNING + 1):  # Until it has learnt that strangers are not refused.
            await loop.sock_recv(server, 99)
        server.close()
        async with asyncio.timeout(20):
            await told.wait()
        watching.close()
        return len(gone)

    assert asyncio.run(watch()) == 1


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "host.local", ""])
def test_nothing_is_asked_outside_of_the_household(host: str) -> None:
    assert watched(Route("127.0.0.1", (host, 9)), lambda: 0, lambda: None) is None
    assert watched(None, lambda: 0, lambda: None) is None
