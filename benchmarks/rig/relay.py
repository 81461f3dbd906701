"""A relay between a browser and the gateway: ``python -m benchmarks.rig.relay``, by JSON lines.

It stands in for a network namespace with netem, which many kernels and users do not have. UDP: each
flow of the browser has a socket of its own towards the gateway, like the port at a NAT. TCP: what
is said in an outage arrives when TCP would have tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import uvloop

from mixer_core.runtime.units import S_NS

from .commands import serve
from .network_path import CONNECT_RETRIES_S, RETRIES_S, Network
from .shapes import BY_NAME

Address = tuple[str, int]
READ_BYTES = 65_536


class Outer(asyncio.DatagramProtocol):
    """Where the browser sends to; stands for one address of the gateway."""

    def __init__(self, network: Network, gateway: Address) -> None:
        self._network, self.gateway = network, gateway
        self._flows: dict[Address, Flow] = {}
        self._opening: set[Address] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        browser = (address[0], address[1])
        flow = self._flows.get(browser)
        if flow is not None:
            flow.up(data)
        elif browser not in self._opening:  # Its first datagram opens it, as at a NAT.
            self._opening.add(browser)
            task = asyncio.get_running_loop().create_task(self._open(browser, data))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self, browser: Address, data: bytes) -> None:
        flow = Flow(self._network, self, browser)
        await flow.bind()
        self._flows[browser] = flow
        flow.up(data)

    async def rebind(self) -> None:
        """All flows get another port."""
        for flow in self._flows.values():
            await flow.bind()

    def close(self) -> None:
        """Close all sockets."""
        self.transport.close()
        for flow in self._flows.values():
            flow.close()


class Flow(asyncio.DatagramProtocol):
    """One socket of the browser, as the gateway sees it."""

    def __init__(self, network: Network, outer: Outer, browser: Address) -> None:
        self._network, self._outer, self._browser = network, outer, browser
        self._number = network.number
        self._transport: Any = None

    async def bind(self) -> None:
        """Take a new port; the old one is closed."""
        before, host = self._transport, self._outer.gateway[0]
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        if before is not None:
            before.close()

    def up(self, data: bytes) -> None:
        """A datagram of the browser."""
        self._pass(True, data)

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._pass(False, data)

    def _pass(self, is_up: bool, data: bytes) -> None:
        now_ns, loop = time.monotonic_ns(), asyncio.get_running_loop()
        for at_ns in self._network.fate(is_up, len(data), self._number, now_ns):
            if at_ns <= now_ns:
                self._send(is_up, data)
            else:
                loop.call_later((at_ns - now_ns) / S_NS, self._send, is_up, data)

    def _send(self, is_up: bool, data: bytes) -> None:
        transport = self._transport if is_up else self._outer.transport
        if transport is not None and not transport.is_closing():
            transport.sendto(data, self._outer.gateway if is_up else self._browser)

    def close(self) -> None:
        """Close its socket."""
        if self._transport is not None:
            self._transport.close()


class Relay:
    """The commands, and the network that all flows share."""

    def __init__(self) -> None:
        self._network = Network(time.monotonic_ns())
        self._outers: dict[Address, Outer] = {}
        self._streams: set[asyncio.StreamWriter] = set()
        self._servers: list[asyncio.Server] = []
        self._clock = asyncio.get_running_loop().create_task(self._rebind())

    async def do_udp(self, host: str, port: int) -> int:
        """The port at which the gateway's UDP port is reached through this network."""
        known = self._outers.get((host, port))
        if known is None:
            known = Outer(self._network, (host, port))
            await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: known, local_addr=(host, 0)
            )
            self._outers[(host, port)] = known
        return int(known.transport.get_extra_info("sockname")[1])

    async def do_tcp(self, port: int) -> int:
        """The port at which the gateway's TCP port is reached through this network."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._carry(reader, writer, port)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def do_shape(self, name: str) -> None:
        """The network is like this from now on."""
        self._network.set_shape(BY_NAME[name], time.monotonic_ns())

    async def do_outage(self, seconds: float) -> int:
        """Nothing passes for a while; returns until when (monotonic ns)."""
        return self._network.outage(seconds, time.monotonic_ns())

    async def do_change(self, name: str, gap_s: float) -> int:
        """Another network, after a while in none; returns from when (monotonic ns)."""
        up_ns = self._network.change(BY_NAME[name], gap_s, time.monotonic_ns())
        for writer in list(self._streams):  # A device that leaves a network resets its sockets.
            writer.transport.abort()
        return up_ns

    async def do_rebind(self) -> int:
        """A NAT gives all flows another port; returns when (monotonic ns)."""
        for outer in self._outers.values():
            await outer.rebind()
        return time.monotonic_ns()

    async def do_counts(self) -> dict[str, int]:
        """Datagrams since the shape was set."""
        up, down = self._network.way.up, self._network.way.down
        return {
            "up": up.passed,
            "up_lost": up.lost,
            "down": down.passed,
            "down_lost": down.lost,
            "too_long": up.too_long + down.too_long,
            "rebinds": self._network.rebinds,
        }

    async def _rebind(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            if self._network.rebinds_now(time.monotonic_ns()):
                await self.do_rebind()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
    ) -> None:
        if time.monotonic_ns() < self._network.up_ns:  # In no network there is no way at all.
            writer.transport.abort()
            return
        self._streams.add(writer)
        try:
            await self._until(CONNECT_RETRIES_S)
            theirs, to_them = await asyncio.open_connection("127.0.0.1", port)
            self._streams.add(to_them)
            ways = (self._pump(reader, to_them), self._pump(theirs, writer))
            await asyncio.gather(*ways)
            self._streams.discard(to_them)
        except OSError:
            writer.transport.abort()
        finally:
            self._streams.discard(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(READ_BYTES):
                await self._until(RETRIES_S)
                writer.write(data)
                await writer.drain()
            with contextlib.suppress(OSError, RuntimeError):  # uvloop's word for closed.
                writer.write_eof()
        except OSError:
            writer.transport.abort()

    async def _until(self, retries_s: tuple[float, ...]) -> None:
        now_ns = time.monotonic_ns()
        at_ns = self._network.stream_arrival_ns(now_ns, retries_s)
        await asyncio.sleep((at_ns - now_ns) / S_NS)


async def main() -> None:
    """Serve until standard input ends."""
    await serve(Relay())


if __name__ == "__main__":
    uvloop.run(main())
