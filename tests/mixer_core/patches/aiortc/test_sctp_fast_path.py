"""The fast path against aiortc itself: same packets in, same messages and state out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc import RTCDataChannel, RTCDataChannelParameters, RTCSctpTransport
from google_crc32c import value as crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_core.patches.aiortc.sctp_fast_path import SctpFastPath
from tests.support.tables import examples
from tests.support.waiting import PATIENCE_S

PEER_TAG, OWN_TAG = 0x0A0B0C0D, 0x01020304
FIRST_TSN = 0xFFFF_FFFC
"""Chunk numbers wrap around in every test but one."""
NO_WRAP_TSN = 1_000
"""aiortc 1.16.0 sorts chunk numbers as plain numbers, and stops acknowledging where chunks are
missing around the wrap."""


class Wire:
    """What an RTCSctpTransport sees of DTLS: packets are kept."""

    state = "connected"
    _role = "server"

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    async def _send_data(self, packet: bytes) -> None:
        self.packets.append(packet)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run what never waits."""
    with pytest.raises(StopIteration):
        work.send(None)


class End:
    """One end of an association that is up, stock or on the fast path, with one channel."""

    def __init__(
        self,
        *,
        fast: bool,
        ordered: bool = True,
        lifetime_ms: int | None = None,
        first_tsn: int = FIRST_TSN,
    ) -> None:
        self.wire = Wire()
        self.sctp: Any = RTCSctpTransport(self.wire)  # type: ignore[arg-type]
        sctp = self.sctp
        sctp._remote_port = 5000
        sctp._local_verification_tag, sctp._remote_verification_tag = OWN_TAG, PEER_TAG
        sctp._last_received_tsn = sctp._last_sacked_tsn = first_tsn - 1
        sctp._advanced_peer_ack_tsn, sctp._local_tsn = first_tsn - 1, first_tsn
        sctp._ssthresh = 1 << 20
        sctp._association_state = sctp.State.ESTABLISHED
        sctp._data_channel_id = 1
        parameters = RTCDataChannelParameters(
            "audio",
            lifetime_ms,
            None,
            ordered,
            id=1,
            negotiated=True,
        )
        self.channel = RTCDataChannel(sctp, parameters)
        self.heard: list[bytes | str] = []
        self.channel.on("message", self.heard.append)
        self.fast = SctpFastPath(sctp, self.wire.packets.append, run) if fast else None
        if self.fast is not None:
            self.fast.listen(self.channel, self.heard.append)

    def receive(self, packet: bytes) -> bool:
        """Take a packet; whether the fast path took it."""
        taken = self.fast is not None and self.fast.receive(packet)
        if not taken:
            run(self.sctp._handle_data(packet))
        return taken

    def send(self, message: bytes) -> None:
        """Send a message."""
        if self.fast is None or not self.fast.send(self.channel, message):
            self.channel._addBufferedAmount(len(message))
            self.sctp._data_channel_queue.append((self.channel, 53, message))
            run(self.sctp._data_channel_flush())

    def take_packets(self) -> list[bytes]:
        """What was sent since the last look."""
        packets = self.wire.packets[:]
        self.wire.packets.clear()
        return packets

    def state(self) -> dict[str, Any]:
        """All that a packet changes, but for times and acknowledgements that wait."""
        sctp = self.sctp
        return {
            "heard": self.heard,
            "buffered": self.channel.bufferedAmount,
            "t3": sctp._t3_handle is not None,
            "sent": [vars(chunk) | {"_sent_time": 0, "_expiry": 0} for chunk in sctp._sent_queue],
            "out": [bytes(chunk) for chunk in sctp._outbound_queue],
            "streams": {
                number: (stream.sequence_number, [bytes(chunk) for chunk in stream.reassembly])
                for number, stream in sctp._inbound_streams.items()
            },
            **{name: getattr(sctp, name) for name in STATE},
        }


STATE = [
    "_advertised_rwnd",
    "_last_received_tsn",
    "_sack_misordered",
    "_cwnd",
    "_flight_size",
    "_ssthresh",
    "_partial_bytes_acked",
    "_local_tsn",
    "_last_sacked_tsn",
    "_advanced_peer_ack_tsn",
    "_outbound_stream_seq",
    "_fast_recovery_exit",
    "_forward_tsn_streams",
    "_sack_duplicates",
]


def in_loop(test: Callable[[], None]) -> None:
    """Run a test where timers can be set; none of them fires."""

    async def main() -> None:
        test()

    asyncio.run(main())


def swap(packet: bytes, tag: int = OWN_TAG) -> bytes:
    """A packet with the tag of the other direction."""
    head, rest = packet[:4] + tag.to_bytes(4, "big"), packet[12:]
    checksum: int = crc32c(head + bytes(4) + rest)
    return head + checksum.to_bytes(4, "little") + rest


def packet(*chunks: str) -> bytes:
    """A packet to us with these chunks (hex)."""
    return swap(bytes.fromhex("13881388 00000000 00000000" + "".join(chunks)))


DATA_1 = "00 03 0014 fffffffc 0001 0000 00000035 01020304"
DATA_2 = "00 03 0013 fffffffd 0001 0001 00000035 05060700"
SACK_0 = "03 00 0010 fffffffc 00020000 0000 0000"
OUT_HEAD = "13881388 0a0b0c0d"


def prepared() -> End:
    """An end on the fast path whose stream has been used."""
    end = End(fast=True)
    end.sctp._get_inbound_stream(1)
    return end


def test_a_message_comes_in_and_its_acknowledgement_goes_out_with_the_next_one() -> None:
    def test() -> None:
        end = prepared()
        assert end.receive(packet(DATA_1))
        assert end.heard == [bytes([1, 2, 3, 4])]
        assert end.take_packets() == []
        end.send(b"abcde")
        (sent,) = end.take_packets()
        assert sent[:8].hex() == OUT_HEAD.replace(" ", "")
        assert sent[8:12] == crc32c(sent[:8] + bytes(4) + sent[12:]).to_bytes(4, "little")
        assert sent[12:] == bytes.fromhex(
            "03 00 0010 fffffffc 00100000 0000 0000"
            "00 03 0015 fffffffc 0001 0000 00000035 6162636465 000000"
        )
        assert not end.sctp._sack_needed

    in_loop(test)


def test_every_second_packet_is_acknowledged_at_once() -> None:
    def test() -> None:
        end = prepared()
        assert end.receive(packet(DATA_1)) and end.receive(packet(DATA_2))
        assert end.heard == [bytes([1, 2, 3, 4]), bytes([5, 6, 7])]
        (sent,) = end.take_packets()
        assert sent[12:] == bytes.fromhex("03 00 0010 fffffffd 00100000 0000 0000")

    in_loop(test)


def test_a_sender_that_wants_its_acknowledgement_gets_it() -> None:
    def test() -> None:
        end = prepared()
        assert end.receive(packet(DATA_1.replace("00 03", "00 0b", 1)))
        assert len(end.take_packets()) == 1

    in_loop(test)


def test_a_last_packet_is_acknowledged_after_a_while() -> None:
    async def main() -> None:
        end = prepared()
        assert end.receive(packet(DATA_1))
        assert not end.wire.packets
        async with asyncio.timeout(PATIENCE_S):
            while not end.wire.packets:
                await asyncio.sleep(0.01)
        (sent,) = end.take_packets()
        assert sent[12:16] == bytes.fromhex("03000010")

    asyncio.run(main())


@pytest.mark.parametrize("seconds", [3_600.0, -3_600.0, -0.001])
def test_a_clock_that_is_set_is_no_round_trip(seconds: float) -> None:
    def test() -> None:
        sctp = prepared().sctp
        before = sctp._rto
        sctp._update_rto(seconds)
        assert sctp._rto == before
        sctp._update_rto(0.5)
        assert sctp._srtt == 0.5

    in_loop(test)


def test_an_acknowledgement_and_a_message_in_one_packet() -> None:
    def test() -> None:
        end = prepared()
        end.send(b"one")
        end.send(b"two")
        assert end.receive(packet(SACK_0, DATA_1))
        assert [chunk.user_data for chunk in end.sctp._sent_queue] == [b"two"]
        assert end.sctp._flight_size == 3
        assert end.heard == [bytes([1, 2, 3, 4])]
        assert end.receive(packet("03 00 0010 fffffffd 00020000 0000 0000"))
        assert end.sctp._t3_handle is None

    in_loop(test)


@pytest.mark.parametrize(
    "chunks",
    [
        [DATA_2],
        [DATA_1, DATA_2],
        [DATA_1.replace("00 03", "00 02", 1)],
        [DATA_1.replace("00000035", "00000033")],
        [DATA_1.replace("0001 0000", "0002 0000")],
        [DATA_1.replace("0001 0000", "0001 0001")],
        [DATA_1.replace("0014", "0024", 1)],
        ["03 00 0014 fffffffb 00020000 0001 0000 00020002"],
        ["03 00 0010 fffffffa 00020000 0000 0000"],
        ["04 00 0014 0001 0010 000102030405060708090a0b"],
        ["05 00"],
        [],
    ],
    ids=lambda chunks: " ".join(chunks)[:30],
)
def test_anything_else_is_left_to_aiortc(chunks: list[str]) -> None:
    def test() -> None:
        end, stock = prepared(), End(fast=False)
        stock.sctp._get_inbound_stream(1)
        assert not end.receive(packet(*chunks))
        stock.receive(packet(*chunks))
        assert end.state() == stock.state()
        assert end.take_packets() == stock.take_packets()

    in_loop(test)


@pytest.mark.parametrize("at", [0, 5, 9, 30])
def test_a_damaged_packet_changes_nothing(at: int) -> None:
    def test() -> None:
        end = prepared()
        damaged = bytearray(packet(DATA_1))
        damaged[at] ^= 1
        before = end.state()
        assert not end.receive(bytes(damaged))
        assert end.state() == before and end.take_packets() == []

    in_loop(test)


def test_a_receiver_that_fails_leaves_the_association_whole() -> None:
    def test() -> None:
        end = prepared()
        assert end.fast is not None

        def fail(message: bytes) -> None:
            raise RuntimeError

        end.fast.listen(end.channel, fail)
        with pytest.raises(RuntimeError):
            end.fast.receive(packet(DATA_1))
        end.fast.listen(end.channel, end.heard.append)
        assert end.receive(packet(DATA_2))
        assert len(end.take_packets()) == 1

    in_loop(test)


SIZES = st.sampled_from([1, 3, 960, 984, 1160, 1161, 3000])
PLAN = st.lists(
    st.tuples(SIZES, st.sampled_from(["ok", "ok", "ok", "lost", "twice", "late"])),
    min_size=1,
    max_size=25,
)


def shuffled(packets: list[bytes], fates: list[str]) -> list[bytes]:
    """What a network makes of packets: lost, doubled, or two places late."""
    arriving: list[tuple[float, bytes]] = []
    for index, content in enumerate(packets):
        fate = fates[index % len(fates)]
        if fate != "lost":
            arriving.append((index + (2.5 if fate == "late" else 0), content))
        if fate == "twice":
            arriving.append((index + 1.2, content))
    return [content for _, content in sorted(arriving, key=lambda entry: entry[0])]


@given(plan=PLAN, ordered=st.booleans())
@settings(max_examples=examples(150), deadline=None)
def test_received_packets_mean_the_same_to_both(plan: list[tuple[int, str]], ordered: bool) -> None:
    def test() -> None:
        source = End(fast=False, ordered=ordered)
        source.sctp._cwnd = 1 << 20
        ends = [End(fast=fast, ordered=ordered) for fast in (False, True)]
        packets: list[bytes] = []
        for index, (size, _) in enumerate(plan):
            source.send(bytes([index]) * size)
            packets += source.take_packets()
        fates = [fate for _, fate in plan]
        for content in [*shuffled(packets, fates), *packets]:
            for end in ends:
                end.receive(swap(content))
            assert ends[0].state() == ends[1].state()
        assert sorted(map(len, ends[1].heard)) == sorted(size for size, _ in plan)

    in_loop(test)


@given(plan=PLAN, ordered=st.booleans())
@settings(max_examples=examples(150), deadline=None)
def test_two_ends_agree_through_loss_both_ways(plan: list[tuple[int, str]], ordered: bool) -> None:
    """Fast to fast and mixed: every message arrives, in order where asked."""

    def test() -> None:
        for fast_a, fast_b in ((True, True), (True, False), (False, True)):
            a, b = (
                End(fast=fast, ordered=ordered, first_tsn=NO_WRAP_TSN) for fast in (fast_a, fast_b)
            )
            for index, (size, fate) in enumerate(plan):
                a.send(bytes([index]) * size)
                b.send(bytes([index]) * size)
                for sender, receiver in ((a, b), (b, a)):
                    for content in shuffled(sender.take_packets(), [fate]):
                        receiver.receive(swap(content))
            settle(a, b)
            sent = [bytes([index]) * size for index, (size, _) in enumerate(plan)]
            for end in (a, b):
                assert (end.heard if ordered else sorted(end.heard)) == (
                    sent if ordered else sorted(sent)
                )
                assert end.sctp._flight_size == 0 and not end.sctp._sent_queue
                assert end.sctp._t3_handle is None
                assert end.channel.bufferedAmount == 0

    in_loop(test)


def settle(a: End, b: End) -> None:
    """Carry packets without loss, and let timers fire, until nothing is open."""
    for _ in range(200):
        for sender, receiver in ((a, b), (b, a)):
            for content in sender.take_packets():
                receiver.receive(swap(content))
        if a.wire.packets or b.wire.packets:
            continue
        if not any(end.sctp._sack_needed or end.sctp._sent_queue for end in (a, b)):
            return
        for end in (a, b):
            if end.sctp._sack_needed:
                run(end.sctp._send_sack())
            elif end.sctp._sent_queue:
                expire(end)


def expire(end: End) -> None:
    """The retransmission timer fires."""
    end.sctp._t3_cancel()
    end.sctp._t3_expired()
    run(end.sctp._transmit())


@given(sizes=st.lists(SIZES, min_size=1, max_size=12), steps=st.lists(st.integers(1, 4)))
@settings(max_examples=examples(100), deadline=None)
def test_sending_and_acknowledging_leave_the_same_state(sizes: list[int], steps: list[int]) -> None:
    def test() -> None:
        stock, fast = End(fast=False), End(fast=True)
        acked = FIRST_TSN - 1
        for index, size in enumerate(sizes):
            for end in (stock, fast):
                end.send(bytes([index]) * size)
            assert stock.take_packets() == fast.take_packets()
            assert stock.state() == fast.state()
            if index < len(steps):
                newest = fast.sctp._sent_queue[-1].tsn if fast.sctp._sent_queue else acked
                ahead = min(steps[index], (newest - acked) & 0xFFFF_FFFF)
                acked = (acked + ahead) & 0xFFFF_FFFF
                content = packet(f"03 00 0010 {acked:08x} 00020000 0000 0000")
                stock.receive(content)
                assert fast.receive(content)
                assert stock.state() == fast.state()
                assert stock.take_packets() == fast.take_packets()

    in_loop(test)


def test_the_chunk_of_a_sent_message_is_aiortcs_in_every_field() -> None:
    def test() -> None:
        ends = [End(fast=fast, ordered=False, lifetime_ms=150) for fast in (False, True)]
        for end in ends:
            end.send(bytes(984))
        stock, fast = (vars(end.sctp._sent_queue[0]) for end in ends)
        assert stock.keys() == fast.keys()
        assert fast["_expiry"] - fast["_sent_time"] == pytest.approx(0.15)
        assert SimpleNamespace(**stock | {"_expiry": 0, "_sent_time": 0}) == SimpleNamespace(
            **fast | {"_expiry": 0, "_sent_time": 0}
        )

    in_loop(test)
