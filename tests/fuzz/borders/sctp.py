"""SCTP packets of a browser's data channels, within their limits: the fast path beside aiortc's."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

from google_crc32c import value as crc32c

from mixer_core.patches.aiortc.sctp_limits import SctpLimits
from mixer_core.patches.aiortc.sctp_parameters import check_parameters
from mixer_core.patches.aiortc.sctp_wire import DATA, SACK
from tests.fuzz.border import Border, joined, pieces
from tests.mixer_core.patches.aiortc.test_sctp_fast_path import NO_WRAP_TSN, OWN_TAG, End

CHUNKS, RAW, SEND = range(3)
PORTS = (5000).to_bytes(2, "big") * 2
MOST_PACKETS = 40
MOST_HELD = 200_000
"""Bytes that an input of a few thousand may leave behind."""


def attempt(data: bytes) -> None:
    """Same packets in, same messages, channels, state and exceptions out; none by a timer."""

    async def main() -> None:
        check_parameters()
        stock, fast = _End(fast=False), _End(fast=True)
        raised: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
        for kind, body in pieces(data, MOST_PACKETS):
            for end in (stock, fast):
                end.take(kind, body)
            assert stock.raised == fast.raised, (stock.raised, fast.raised)
            if stock.raised:  # The call ends.
                break
            assert stock.seen() == fast.seen()
            assert fast.held_bytes() <= MOST_HELD
        for end in (stock, fast):
            end.acknowledge()
        assert not raised, raised

    _loop().run_until_complete(main())


class _End:
    """One end of an association, and what became of what it was given."""

    def __init__(self, *, fast: bool) -> None:
        self.end = End(fast=fast, first_tsn=NO_WRAP_TSN)
        self.limits = SctpLimits(self.end.sctp, lambda words, is_over: None, lambda: 0)
        self.end.sctp._get_inbound_stream(1)
        self.channels: list[tuple[Any, ...]] = []
        self.end.sctp.on("datachannel", self._came)
        self.raised = ""

    def _came(self, channel: Any) -> None:
        kinds = (channel.ordered, channel.maxRetransmits, channel.maxPacketLifeTime)
        self.channels.append((channel.id, channel.label, channel.protocol, *kinds))

    def take(self, kind: int, body: bytes) -> None:
        try:
            if kind == SEND:
                self.end.send(body[:1_000] or b"\0")
            elif kind == RAW:
                self._receive(body)
            else:
                self._receive(packet(body))
        except Exception as error:
            self.raised = f"{type(error).__name__}: {error}"

    def _receive(self, data: bytes) -> None:
        end = self.end
        if end.fast is None or not end.fast.receive(data):
            _run(end.sctp._handle_data(data))

    def acknowledge(self) -> None:
        """What a timer does later."""
        _run(self.end.sctp._send_sack())

    def seen(self) -> dict[str, Any]:
        sctp = self.end.sctp
        state = str(sctp._association_state)
        return {**self.end.state(), "channels": self.channels, "association": state}

    def held_bytes(self) -> int:
        streams = self.end.sctp._inbound_streams.values()
        held = sum(len(c.user_data) for stream in streams for c in stream.reassembly)
        return held + 64 * len(self.end.sctp._sack_misordered)


def packet(chunks: bytes, tag: int = OWN_TAG) -> bytes:
    """A packet to us, as long as a datagram may be."""
    chunks = chunks[:1_400]
    head = PORTS + tag.to_bytes(4, "big")
    checksum: int = crc32c(head + bytes(4) + chunks)
    return head + checksum.to_bytes(4, "little") + chunks


def _run(work: Coroutine[Any, Any, None]) -> None:
    """What never waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("a coroutine of aiortc waits")


def _loop() -> asyncio.AbstractEventLoop:
    global _running
    if _running is None or _running.is_closed():
        _running = asyncio.new_event_loop()
    return _running


_running: asyncio.AbstractEventLoop | None = None


def chunk(
    tsn: int, message: bytes, flags: int = 3, stream: int = 1, seq: int = 0, ppid: int = 53
) -> bytes:
    """A DATA chunk."""
    head = DATA.pack(0, flags, DATA.size + len(message), tsn, stream, seq, ppid)
    return head + message + bytes(-len(message) % 4)


def _seeds() -> Iterator[bytes]:
    first = NO_WRAP_TSN
    whole = [(CHUNKS, chunk(first + n, bytes((n,)) * 9, seq=n)) for n in range(6)]
    sack = SACK.pack(3, 0, SACK.size, first, 100_000, 0, 0)
    yield joined(*whole)
    yield joined(*(whole[n] for n in (0, 2, 1, 1, 5, 3, 4)))
    yield joined((SEND, b"one"), (SEND, b"two"), (CHUNKS, sack + chunk(first, b"abc")))
    yield joined(
        (SEND, b"x" * 900), (CHUNKS, SACK.pack(3, 0, 20, first - 1, 9, 1, 0) + b"\0\2\0\2")
    )
    parts = [chunk(first, b"a", 2), chunk(first + 1, b"b", 0), chunk(first + 2, b"c", 1)]
    yield joined(*((CHUNKS, part) for part in parts))
    yield joined((CHUNKS, b"".join(parts)))
    opening = b"\x03\x81\0\0\0\0\0\x96\0\7\0\x0bcontrolmixminus.v1"
    yield joined(
        (CHUNKS, chunk(first, opening, stream=3, ppid=50)),
        (CHUNKS, chunk(first + 1, b"{}", stream=3, ppid=51)),
    )
    yield joined(
        (CHUNKS, chunk(first, b"\xff\xfe", ppid=51)), (CHUNKS, chunk(first + 1, b"\0", ppid=57))
    )
    yield joined(
        (CHUNKS, b"\xc0\0\0\x0c" + (first + 3).to_bytes(4, "big") + b"\0\1\0\2"), *whole[4:]
    )
    yield joined((CHUNKS, b"\x82\0\0\x14\0\x0d\0\x10\0\0\0\1\0\0\0\0\0\0\3\xe7"), *whole[:2])
    yield joined(
        (CHUNKS, b"\4\0\0\x08\0\1\0\4"), (CHUNKS, b"\x0a\0\0\4"), (CHUNKS, b"\x08\0\0\x04")
    )
    far = (first - 70_000) & 0xFFFF_FFFF
    init = b"\1\0\0\x14\0\0\0\x09\0\2\0\0\0\x10\0\x10" + far.to_bytes(4, "big")
    yield joined((CHUNKS, chunk(first + 2, b"abc")), (RAW, packet(init, tag=0)))
    yield joined((RAW, packet(chunk(first, b"abc"))[:-1]), (CHUNKS, b"\1\0\0\x14" + bytes(16)))


BORDERS = (
    Border(
        "sctp",
        "SCTP packets and DCEP, on the fast path",
        "the same messages, channels, state and exceptions as aiortc without the fast path; "
        "nothing is raised by a timer",
        attempt,
        _seeds,
        (
            *("mixer_core.patches.aiortc.sctp_fast_path", "mixer_core.patches.aiortc.sctp_sender"),
            *("mixer_core.patches.aiortc.sctp_wire", "mixer_core.patches.aiortc.sctp_limits"),
            "mixer_core.patches.aiortc.sctp_budget",
        ),
        tokens=(
            *(b"\0\3\0\x14", b"\3\0\0\x10", b"\0\0\3\xe8", b"\0\0\0\x35", b"\0\0\0\x33"),
            *(
                b"\0\0\0\x32",
                b"\xc0\0",
                b"\x82\0",
                b"\x03\x81",
                b"\0\x0b",
                b"\0\1\0\0",
                b"\6\0\0\4",
            ),
        ),
        short=150,
    ),
)
