"""Peers that attack an association: the real aiortc, in memory, with and without its limits."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from aiortc import RTCSctpTransport
from google_crc32c import value as crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_core.patches.aiortc import sctp_budget as budget
from mixer_core.patches.aiortc.sctp_budget import Budget, Damaged, Verdict, look, verdict
from mixer_core.patches.aiortc.sctp_limits import SctpLimits
from mixer_core.runtime.units import S_NS
from tests.support.tables import examples

TAG, FIRST = 7, 1_000
MS_PER_PACKET_NS = 1_000_000
HELD_BYTES = budget.WINDOW_BYTES + budget.MESSAGE_BYTES


class Wire:
    """DTLS, as an association sees it."""

    state = "connected"
    _role = "server"

    def __init__(self) -> None:
        self.sent = 0

    async def _send_data(self, packet: bytes) -> None:
        self.sent += 1


class Victim:
    """An association that is up, with its limits."""

    def __init__(self) -> None:
        self.wire = Wire()
        sctp: Any = RTCSctpTransport(self.wire)  # type: ignore[arg-type]
        self.sctp = sctp
        sctp._remote_port = 5000
        sctp._local_verification_tag = TAG
        sctp._last_received_tsn = sctp._last_sacked_tsn = FIRST - 1
        sctp._local_tsn = FIRST
        sctp._ssthresh = 1 << 20
        sctp._association_state = sctp.State.ESTABLISHED
        sctp._data_channel_id = 1
        self.now_ns = 0
        self.words: list[str] = []
        self.is_over = False
        self.limits = SctpLimits(sctp, self._excess, lambda: self.now_ns)

    def _excess(self, words: str, is_over: bool) -> None:
        self.words.append(words)
        self.is_over |= is_over

    def take(self, packet: bytes) -> None:
        """One packet, a millisecond after the last one."""
        self.now_ns += MS_PER_PACKET_NS
        work: Coroutine[Any, Any, None] = self.sctp._handle_data(packet)
        with pytest.raises(StopIteration):
            work.send(None)

    @property
    def held(self) -> int:
        """Chunks that wait for others."""
        return sum(len(stream.reassembly) for stream in self.sctp._inbound_streams.values())

    @property
    def held_bytes(self) -> int:
        """Their data."""
        streams = self.sctp._inbound_streams.values()
        return sum(len(chunk.user_data) for stream in streams for chunk in stream.reassembly)


def packet(*chunks: bytes) -> bytes:
    """A packet of whole chunks to the victim."""
    head = struct.pack("!HHL", 5000, 5000, TAG)
    body = b"".join(chunk + bytes(-len(chunk) % 4) for chunk in chunks)
    return head + struct.pack("<L", crc32c(head + bytes(4) + body)) + body


def chunk(kind: int, body: bytes, flags: int = 0, length: int | None = None) -> bytes:
    return struct.pack("!BBH", kind, flags, 4 + len(body) if length is None else length) + body


def data(
    tsn: int, content: bytes, *, stream: int = 1, flags: int = 7, number: int = 0, ppid: int = 53
) -> bytes:
    """A DATA chunk; flags 7: a whole unordered message."""
    return chunk(0, struct.pack("!LHHL", tsn & 0xFFFF_FFFF, stream, number, ppid) + content, flags)


def opening(tsn: int, stream: int, label: bytes) -> bytes:
    body = struct.pack("!BBHLHH", 3, 0, 0, 0, len(label), 0) + label
    return data(tsn, body, stream=stream, ppid=50)


def fragments_with_gaps() -> Iterator[bytes]:
    for index in range(1_400):
        yield packet(data(FIRST + 1 + 2 * index, bytes(1_100), flags=4))


def one_message_without_end() -> Iterator[bytes]:
    for index in range(1_400):
        yield packet(data(FIRST + index, bytes(1_100), flags=6 if index == 0 else 4))


def a_message_of_single_bytes() -> Iterator[bytes]:
    for index in range(0, 2_000, 50):
        parts = [data(FIRST + index + i, b"x", flags=6 * (index + i == 0)) for i in range(50)]
        yield packet(*parts)


def many_streams() -> Iterator[bytes]:
    for index in range(1_400):
        yield packet(data(FIRST + index, bytes(1_100), stream=index, flags=2))


def skipped_streams() -> Iterator[bytes]:
    for index in range(30):
        streams = b"".join(struct.pack("!HH", s, 1) for s in range(index * 200, index * 200 + 200))
        yield packet(chunk(192, struct.pack("!L", FIRST + index) + streams))


def long_labels() -> Iterator[bytes]:
    tsn = FIRST
    for index in range(20):
        content = struct.pack("!BBHLHH", 3, 0, 0, 0, 60_000, 0) + bytes(60_000)
        pieces = [content[at : at + 1_100] for at in range(0, len(content), 1_100)]
        for place, piece in enumerate(pieces):
            flags = 4 | 2 * (place == 0) | (place == len(pieces) - 1)
            yield packet(data(tsn, piece, stream=index, flags=flags, ppid=50))
            tsn += 1


def endless_openings() -> Iterator[bytes]:
    for index in range(300):
        yield packet(opening(FIRST + index, index % 60_000, b"channel"))


def openings_and_resets() -> Iterator[bytes]:
    for index in range(150):
        yield packet(opening(FIRST + index, 5, b"again"))
        request = struct.pack("!HHLLLH", 13, 18, 9 + index, 0, FIRST + index, 5)
        yield packet(chunk(130, request))


def heartbeats() -> Iterator[bytes]:
    beat = chunk(4, struct.pack("!HH", 1, 8) + bytes(4))
    for _ in range(50):
        yield packet(*[beat] * 90)


def requests() -> Iterator[bytes]:
    for index in range(300):
        yield packet(chunk(130, struct.pack("!HHLHH", 17, 12, index, 60_000, 0)))


def inits() -> Iterator[bytes]:
    body = struct.pack("!LLHHL", 1, 1 << 20, 65_535, 65_535, FIRST)
    for _ in range(300):
        yield packet(chunk(1, body))


def duplicates() -> Iterator[bytes]:
    for _ in range(30):
        yield packet(*[data(FIRST - 5, b"x")] * 50)


def wide_gap_blocks() -> Iterator[bytes]:
    gaps = struct.pack("!HH", 1, 65_535) * 250
    for cumulative in [FIRST - 1, FIRST, FIRST + 70_000] * 7:
        yield packet(chunk(3, struct.pack("!LLHH", cumulative, 1 << 20, 250, 0) + gaps))


ATTACKS: list[Callable[[], Iterator[bytes]]] = [
    fragments_with_gaps,
    one_message_without_end,
    a_message_of_single_bytes,
    many_streams,
    skipped_streams,
    long_labels,
    endless_openings,
    openings_and_resets,
    heartbeats,
    requests,
    inits,
    duplicates,
    wide_gap_blocks,
]


def in_loop(test: Callable[[], None]) -> None:
    async def main() -> None:
        test()

    asyncio.run(main())


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_costs_bounded_memory_and_answers_and_is_told(
    attack: Callable[[], Iterator[bytes]],
) -> None:
    def test() -> None:
        victim = Victim()
        packets = 0
        for content in attack():
            victim.take(content)
            packets += 1
            if victim.is_over:
                break
        assert victim.held_bytes <= HELD_BYTES
        assert victim.held <= HELD_BYTES // budget.LEAST_CHUNK_BYTES + 1
        assert len(victim.sctp._inbound_streams) <= budget.MAX_STREAMS
        assert len(victim.sctp._data_channels) <= budget.MAX_CHANNELS
        assert len(victim.sctp._sack_misordered) <= budget.MAX_AHEAD
        assert victim.wire.sent <= packets + 150, "answers are not multiplied"
        if attack is not duplicates:  # Which cost no more than other packets.
            assert victim.words

    in_loop(test)


def test_it_ends_where_a_peer_goes_on() -> None:
    def test() -> None:
        victim = Victim()
        for _ in range(budget.Budget.REFUSALS[1]):
            victim.limits.refuse("too much")
        assert not victim.is_over
        victim.take(packet(data(FIRST + 5_000, b"x")))
        assert not victim.is_over, "a second has a thousand more, and it is a millisecond later"
        victim.take(packet(*[data(FIRST + 5_000, b"x")] * 5))
        assert victim.is_over

    in_loop(test)


ENDLESS = {
    "heartbeat": chunk(4, struct.pack("!HH", 1, 0)),
    "heartbeat ack": chunk(5, struct.pack("!HH", 1, 0)),
    "error": chunk(9, struct.pack("!HH", 1, 0)),
    "abort": chunk(6, struct.pack("!HH", 1, 0)),
    "reconfig": chunk(130, struct.pack("!HH", 13, 0)),
    "init": chunk(1, struct.pack("!LLHHL", 1, 1, 1, 1, 1) + struct.pack("!HH", 1, 0)),
    "init ack": chunk(2, struct.pack("!LLHHL", 1, 1, 1, 1, 1) + struct.pack("!HH", 1, 0)),
    "second parameter": chunk(4, struct.pack("!HH", 1, 4) + struct.pack("!HH", 1, 0)),
}
SHORT = {
    "data": chunk(0, bytes(8)),
    "empty data": chunk(0, bytes(12)),
    "sack": chunk(3, bytes(4)),
    "sack's lists": chunk(3, struct.pack("!LLHH", 1, 1, 9, 9)),
    "init": chunk(1, bytes(8)),
    "shutdown": chunk(7, bytes(2)),
    "forward": chunk(192, bytes(2)),
    "forward's list": chunk(192, bytes(6)),
    "request": chunk(130, struct.pack("!HH", 13, 8) + bytes(4)),
    "odd request": chunk(130, struct.pack("!HH", 13, 17) + bytes(13)),
    "many requests": chunk(130, (struct.pack("!HH", 17, 12) + bytes(8)) * 3),
    "chunk of length 0": chunk(0, b"", length=0),
    "chunk longer than the packet": chunk(4, bytes(8), length=400),
    "many chunks": b"\x0b\x00\x00\x04" * 200,
}


@pytest.mark.parametrize("damaged", [*ENDLESS.values(), *SHORT.values()], ids=[*ENDLESS, *SHORT])
def test_a_packet_that_aiortc_would_fail_at_is_dropped_in_words(damaged: bytes) -> None:
    """aiortc reads a parameter of length 0 again and again, and keeps it each time."""

    def test() -> None:
        victim = Victim()
        victim.take(packet(damaged))
        assert len(victim.words) == 1 and "could not be read" in victim.words[0]
        assert victim.wire.sent == 0
        victim.take(packet(data(FIRST, b"goes on")))
        assert victim.sctp._last_received_tsn == FIRST

    in_loop(test)


@given(body=st.binary(max_size=120), kind=st.sampled_from([*range(16), 130, 192, 255]))
@settings(max_examples=examples(400), deadline=None)
def test_any_chunk_is_read_in_a_moment_or_dropped(body: bytes, kind: int) -> None:
    def test() -> None:
        victim = Victim()
        began_s = time.process_time()
        victim.take(packet(chunk(kind, body)))
        assert time.process_time() - began_s < 0.5

    in_loop(test)


def honest(seed: int, loss: float) -> tuple[list[bytes], list[bytes]]:
    """Messages of a well-behaved peer, and their packets as a network brings them."""
    dice = random.Random(seed)
    messages = [dice.randbytes(dice.choice([1, 40, 984, 5_000, 60_000])) for _ in range(60)]
    packets, tsn = [], FIRST
    for number, message in enumerate(messages):
        pieces = [message[at : at + 1_100] for at in range(0, len(message), 1_100)]
        for place, piece in enumerate(pieces):
            flags = 2 * (place == 0) | (place == len(pieces) - 1)
            packets.append(packet(data(tsn, piece, flags=flags, number=number)))
            tsn += 1
    arriving = [one for one in packets if dice.random() >= loss]
    for at in range(0, len(arriving) - 20, 20):  # Reordered within a window.
        part = arriving[at : at + 20]
        dice.shuffle(part)
        arriving[at : at + 20] = part
    return messages, [*arriving, *packets, *packets]


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3])
def test_an_honest_peer_loses_nothing(loss: float) -> None:
    def test() -> None:
        victim = Victim()
        heard: list[bytes] = []

        async def receive(stream: int, protocol: int, content: bytes) -> None:
            heard.append(content)

        victim.sctp._receive = receive
        messages, packets = honest(1, loss)
        for content in packets:
            victim.take(content)
        assert heard == messages
        assert victim.held == 0 and not victim.is_over
        assert victim.sctp._advertised_rwnd == budget.WINDOW_BYTES

    in_loop(test)


def test_a_window_that_a_reset_has_leaked_is_counted_again() -> None:
    def test() -> None:
        victim = Victim()
        victim.sctp._advertised_rwnd = 0
        victim.now_ns += 2 * S_NS
        victim.take(packet(data(FIRST + 1, b"x", flags=7)))
        assert victim.held == 0 and FIRST + 1 in victim.sctp._sack_misordered
        assert victim.sctp._advertised_rwnd == budget.WINDOW_BYTES

    in_loop(test)


def opener(tsn: int) -> bytes:
    """An INIT; those who send it do not know the tag of the other end yet."""
    body = chunk(1, struct.pack("!LLHHL", 9, 1 << 17, 16, 16, tsn))
    head = struct.pack("!HHL", 5000, 5000, 0)
    return head + struct.pack("<L", crc32c(head + bytes(4) + body)) + body


@pytest.mark.parametrize("state", ["ESTABLISHED", "CLOSED", "SHUTDOWN_SENT"])
def test_a_late_copy_of_an_init_changes_nothing(state: str) -> None:
    def test() -> None:
        victim = Victim()
        victim.take(packet(data(FIRST, b"x"), data(FIRST + 2, b"y")))
        sctp = victim.sctp
        sctp._association_state = sctp.State[state]
        victim.take(opener((FIRST - 70_000) & 0xFFFF_FFFF))
        assert sctp._last_received_tsn == FIRST
        victim.take(packet(data(FIRST + 1, b"z")))
        assert sctp._last_received_tsn == FIRST + 2 and not sctp._sack_misordered
        assert not victim.words

    in_loop(test)


def test_an_association_that_is_not_up_may_be_opened_again() -> None:
    def test() -> None:
        victim = Victim()
        victim.sctp._association_state = victim.sctp.State.CLOSED
        for tsn in (5_000, 6_000):
            victim.take(opener(tsn))
            assert victim.sctp._last_received_tsn == tsn - 1

    in_loop(test)


def test_an_init_that_is_not_alone_is_damaged() -> None:
    init = chunk(1, struct.pack("!LLHHL", 9, 1 << 17, 16, 16, FIRST))
    assert look(packet(init)) == (1, 1)
    for chunks in ((init, data(FIRST, b"x")), (data(FIRST, b"x"), init), (init, init)):
        with pytest.raises(Damaged):
            look(packet(*chunks))


@pytest.mark.parametrize(
    ("ahead", "size", "held", "held_bytes", "is_new", "expected"),
    [
        (1, 1_100, 0, 0, False, Verdict.KEEP),
        (budget.MAX_AHEAD, 1_100, 0, 0, False, Verdict.KEEP),
        (budget.MAX_AHEAD + 1, 1_100, 0, 0, False, Verdict.REFUSE),
        (2, 1_100, 0, 0, True, Verdict.IGNORE),
        (2, 1_100, 900, budget.WINDOW_BYTES, False, Verdict.REFUSE),
        (1, 1_100, 900, budget.WINDOW_BYTES, False, Verdict.KEEP),
        (1, 1_100, 900, budget.WINDOW_BYTES + budget.MESSAGE_BYTES, False, Verdict.END),
        (2, 1, 1_024, 1_024, False, Verdict.REFUSE),
    ],
)
def test_verdicts(
    ahead: int, size: int, held: int, held_bytes: int, is_new: bool, expected: Verdict
) -> None:
    assert verdict(ahead, size, held, held_bytes, is_new) is expected


@pytest.mark.parametrize(
    ("cumulative", "gaps", "expected"),
    [
        (100, [], True),
        (99, [(2, 3), (5, 5)], True),
        (98, [(2, 3), (9, 900)], True),
        (104, [], True),
        (105, [], False),
        (100, [(2, 9)], False),
        (100, [(3, 2)], False),
        (100, [(2, 3), (3, 4)], False),
        (100, [(0, 1)], False),
    ],
)
def test_acknowledgements(cumulative: int, gaps: list[tuple[int, int]], expected: bool) -> None:
    """99 is acknowledged, 104 is the last that was sent; what is older has been overtaken."""
    assert budget.acknowledges_what_was_sent(cumulative, gaps, 99, 105) is expected


def test_answers_are_counted_before_they_are_given() -> None:
    beat = chunk(4, struct.pack("!HH", 1, 8) + bytes(4))
    request = chunk(130, struct.pack("!HHLHH", 17, 12, 1, 1, 0))
    assert look(packet(beat, beat, data(1, b"x"))) == (3, 2)
    assert look(packet(request)) == (1, 1)
    with pytest.raises(Damaged):
        look(packet(ENDLESS["heartbeat"]))


def test_a_packet_that_wants_more_answers_than_are_given_at_once_gets_none() -> None:
    peer, beat = Budget(), chunk(4, struct.pack("!HH", 1, 8) + bytes(4))
    assert not peer.admit(packet(*[beat] * (Budget.ANSWERS[1] + 1)), S_NS)
    assert peer.admit(packet(*[beat] * Budget.ANSWERS[1]), S_NS)
    assert not peer.admit(packet(beat), S_NS) and peer.admit(packet(data(1, b"x")), S_NS)
