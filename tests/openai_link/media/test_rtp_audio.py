"""Ordering and concealment, with literal times and a decoder that shows its input."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.pcm import FRAME_BYTES, SILENCE
from mixer_core.runtime.errors import OpusError
from mixer_core.runtime.units import MS_NS
from openai_link.media.rtp_audio import ReceivedFrame, RtpAudioReceiver, is_silence_packet
from openai_link.media.rtp_numbers import seq_delta, timestamp_delta

LOST = -1
RECOVERED = -2


class LabelDecoder:
    """Returns PCM whose first sample is the number in the payload."""

    def decode(self, packet: bytes) -> bytes:
        if not packet:
            raise OpusError("empty")
        number, frames = struct.unpack("<hB", packet)
        return b"".join(struct.pack("<h", number + i) * 480 for i in range(frames))

    def decode_lost(self) -> bytes:
        return struct.pack("<h", LOST) * 480

    def decode_fec(self, next_packet: bytes) -> bytes:
        return struct.pack("<h", RECOVERED) * 480


def packet(number: int, frames: int = 1) -> bytes:
    return struct.pack("<hB", number, frames)


def labels(frames: list[ReceivedFrame]) -> list[int]:
    assert all(len(frame.pcm) == FRAME_BYTES for frame in frames)
    return [struct.unpack_from("<h", frame.pcm)[0] for frame in frames]


class Stream:
    """Pushes packets of a sender that counts from ``first_seq``, 20 ms apart."""

    def __init__(self, receiver: RtpAudioReceiver, first_seq: int = 10, first_ts: int = 0) -> None:
        self.receiver = receiver
        self.first_seq = first_seq
        self.first_ts = first_ts

    def push(self, number: int, now_ms: float, ticks: int | None = None) -> list[int]:
        ts = number * 960 if ticks is None else ticks
        return labels(
            self.receiver.push(
                (self.first_seq + number) & 0xFFFF,
                (self.first_ts + ts) & 0xFFFF_FFFF,
                packet(number),
                int(now_ms * MS_NS),
            )
        )


def receiver(**options: int) -> RtpAudioReceiver:
    return RtpAudioReceiver(LabelDecoder(), **options)


def test_packets_in_order_come_out_at_once_even_where_the_numbers_wrap() -> None:
    stream = Stream(receiver(), first_seq=65_534, first_ts=0xFFFF_FFFF - 1_500)
    assert [stream.push(n, n * 20) for n in range(5)] == [[0], [1], [2], [3], [4]]
    assert stream.receiver.counters.lost == 0
    assert stream.receiver.next_timeout_ns() is None


def test_two_packets_that_changed_places_are_put_right_without_concealment() -> None:
    stream = Stream(receiver())
    assert stream.push(0, 0) == [0]
    assert stream.push(2, 20) == []
    assert stream.receiver.next_timeout_ns() == 60 * MS_NS
    assert stream.push(1, 25) == [1, 2]
    assert stream.receiver.next_timeout_ns() is None
    assert stream.receiver.counters.concealed == 0


def test_a_missing_packet_is_waited_for_40_ms_then_recovered_from_its_successor() -> None:
    stream = Stream(receiver())
    stream.push(0, 0)
    assert stream.push(2, 40) == []
    assert stream.push(3, 60) == []
    assert labels(stream.receiver.pull(79 * MS_NS)) == []
    frames = stream.receiver.pull(80 * MS_NS)
    assert labels(frames) == [RECOVERED, 2, 3]
    assert [frame.concealed for frame in frames] == [True, False, False]
    assert [frame.stamp_ns for frame in frames] == [80 * MS_NS, 40 * MS_NS, 60 * MS_NS]


def test_after_a_loss_the_next_packet_comes_out_at_once_again() -> None:
    stream = Stream(receiver())
    stream.push(0, 0)
    stream.push(2, 40)
    stream.receiver.pull(80 * MS_NS)
    assert stream.push(3, 81) == [3]
    assert stream.push(1, 82) == []
    counters = stream.receiver.counters
    assert (counters.lost, counters.late, counters.concealed) == (1, 1, 1)


def test_of_a_longer_loss_only_the_last_packet_has_a_copy_and_the_rest_is_extrapolated() -> None:
    stream = Stream(receiver())
    stream.push(0, 0)
    stream.push(4, 80)
    assert labels(stream.receiver.pull(120 * MS_NS)) == [LOST, LOST, RECOVERED, 4]


def test_a_very_long_loss_is_extrapolated_for_100_ms_and_the_rest_is_skipped() -> None:
    stream = Stream(receiver())
    stream.push(0, 0)
    stream.push(51, 1_020)
    assert labels(stream.receiver.pull(1_060 * MS_NS)) == [LOST] * 5 + [51]
    assert stream.receiver.counters.lost == 50
    assert stream.receiver.counters.skipped_ms == 900


def test_a_recorder_gets_the_skipped_time_as_silence() -> None:
    stream = Stream(receiver(max_fill_ms=10_000))
    stream.push(0, 0)
    stream.push(51, 1_020)
    assert labels(stream.receiver.pull(1_060 * MS_NS)) == [LOST] * 5 + [0] * 45 + [51]


def test_a_pause_of_the_sender_is_no_loss() -> None:
    stream = Stream(receiver())
    stream.push(0, 0)
    assert stream.push(1, 400, ticks=20 * 960) == [1]
    counters = stream.receiver.counters
    assert (counters.lost, counters.concealed, counters.skipped_ms) == (0, 0, 380)
    filled = Stream(receiver(max_fill_ms=100))
    filled.push(0, 0)
    assert filled.push(1, 400, ticks=20 * 960) == [0, 0, 0, 0, 0, 1]


def test_a_loss_beside_a_pause_is_concealed_only_for_the_lost_packet() -> None:
    stream = Stream(receiver())
    stream.push(0, 0)
    stream.push(2, 400, ticks=20 * 960)
    assert labels(stream.receiver.pull(440 * MS_NS)) == [LOST, 2]


def test_duplicates_are_dropped_and_counted_played_or_waiting() -> None:
    stream = Stream(receiver())
    stream.push(0, 0)
    stream.push(2, 20)
    assert stream.push(0, 21) == []
    assert stream.push(2, 22) == []
    assert stream.receiver.counters.duplicates == 2
    assert stream.push(1, 23) == [1, 2]


def test_another_ssrc_starts_again_at_once() -> None:
    r = receiver()
    assert labels(r.push(10, 0, packet(1), 0, ssrc=5)) == [1]
    assert labels(r.push(12, 1920, packet(3), 1, ssrc=5)) == []
    assert labels(r.push(40_000, 77, packet(7), 2, ssrc=6)) == [7]
    assert (r.counters.resets, r.counters.discarded) == (1, 1)


def test_a_jump_of_the_numbering_is_believed_when_it_happens_twice_in_a_row() -> None:
    r = receiver()
    r.push(10, 0, packet(1), 0)
    assert labels(r.push(20_000, 5, packet(2), 20 * MS_NS)) == []
    assert labels(r.push(11, 960, packet(3), 25 * MS_NS)) == [3]
    r.push(20_001, 965, packet(4), 40 * MS_NS)
    assert labels(r.push(20_002, 1925, packet(5), 60 * MS_NS)) == [5]
    assert r.counters.resets == 1


def test_packets_of_60_ms_give_three_frames_and_their_loss_is_concealed_in_full() -> None:
    r = receiver()
    assert labels(r.push(1, 0, packet(0, 3), 0)) == [0, 1, 2]
    r.push(3, 2 * 2_880, packet(6, 3), 120 * MS_NS)
    assert labels(r.pull(160 * MS_NS)) == [LOST, LOST, RECOVERED, 6, 7, 8]


def test_a_corrupt_packet_is_concealed_and_counted() -> None:
    r = receiver()
    r.push(1, 0, packet(1), 0)
    frames = r.push(2, 960, b"", 20 * MS_NS)
    assert labels(frames) == [LOST]
    assert frames[0].concealed
    assert r.counters.corrupt == 1


class CountingDecoder(LabelDecoder):
    """Counts its work; decodes anything to 20 ms."""

    decoded = 0

    def decode(self, packet: bytes) -> bytes:
        self.decoded += 1
        return struct.pack("<h", self.decoded) * 480


def test_a_silence_that_goes_on_is_not_decoded_until_there_is_sound() -> None:
    decoder = CountingDecoder()
    ours = RtpAudioReceiver(decoder)
    packets = [b"\xd8\xff\xfe"] * 15 + [b"\xd8" + bytes(80)] + [b"\xd8\xff\xfe"] * 3
    heard = [ours.push(n, n * 960, payload, 0) for n, payload in enumerate(packets)]
    assert [len(frames) for frames in heard] == [1] * 19
    assert [frames[0].pcm == SILENCE for frames in heard] == (
        [False] * 10 + [True] * 5 + [False] * 4
    )
    assert (decoder.decoded, ours.counters.played) == (14, 19)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"\x08", True),  # SILK, 20 ms, nothing else: discontinuous transmission.
        (b"\x68\x00", True),  # Hybrid, 20 ms.
        (b"\xd8\xff\xfe", True),  # CELT, 20 ms.
        (b"\xd0\xff\xfe", False),  # CELT, 10 ms.
        (b"\x10", False),  # SILK, 40 ms.
        (b"\xd9\xff", False),  # Two frames in one packet.
        (b"\xd8" + bytes(10), False),
        (b"", False),
    ],
)
def test_a_packet_of_silence_is_known_by_its_length_and_its_first_byte(
    payload: bytes, expected: bool
) -> None:
    assert is_silence_packet(payload) is expected


def test_too_many_held_packets_end_the_wait() -> None:
    stream = Stream(receiver(max_waiting=3))
    stream.push(0, 0)
    for number in (2, 3, 4):
        assert stream.push(number, 1) == []
    assert stream.push(5, 1) == [RECOVERED, 2, 3, 4, 5]


def test_timestamps_that_run_backwards_do_not_disturb_the_numbering() -> None:
    stream = Stream(receiver(), first_ts=1_000_000)
    stream.push(0, 0)
    assert stream.push(1, 20, ticks=-500_000) == [1]
    stream.push(3, 60, ticks=-600_000)
    assert labels(stream.receiver.pull(100 * MS_NS)) == [RECOVERED, 3]


@pytest.mark.parametrize(
    ("newer", "older", "delta"),
    [(1, 0, 1), (0, 65_535, 1), (65_535, 0, -1), (0x7FFF, 0, 0x7FFF), (0x8000, 0, -0x8000)],
)
def test_sequence_arithmetic_wraps(newer: int, older: int, delta: int) -> None:
    assert seq_delta(newer, older) == delta
    assert timestamp_delta(newer << 16, older << 16) == delta << 16


arrivals = st.lists(
    st.tuples(
        st.integers(0, 60),  # number of the packet
        st.integers(0, 120),  # delay of its arrival, ms
    ),
    max_size=80,
)


@given(arrivals, st.integers(0, 65_535), st.integers(0, 2**32 - 1))
def test_whatever_arrives_comes_out_in_order_in_time_and_the_counts_add_up(
    plan: list[tuple[int, int]], first_seq: int, first_ts: int
) -> None:
    stream = Stream(receiver(), first_seq, first_ts)
    r = stream.receiver
    played: list[tuple[int, int]] = []
    frames = 0
    for arrival_ms, number in sorted((number * 20 + delay, number) for number, delay in plan):
        while (timeout_ns := r.next_timeout_ns()) is not None and timeout_ns < arrival_ms * MS_NS:
            out = labels(r.pull(timeout_ns))
            frames += len(out)
            played += [(label, timeout_ns) for label in out if label >= 0]
            assert r.next_timeout_ns() is None or r.next_timeout_ns() > timeout_ns
        out = stream.push(number, arrival_ms)
        frames += len(out)
        played += [(label, arrival_ms * MS_NS) for label in out if label >= 0]
    numbers = [label for label, _ in played]
    assert numbers == sorted(set(numbers))
    first_arrival = {}
    for number, delay in plan:
        first_arrival[number] = min(first_arrival.get(number, 10**9), number * 20 + delay)
    assert all(at_ns - first_arrival[label] * MS_NS <= 40 * MS_NS for label, at_ns in played)
    c = r.counters
    assert c.received == c.played + c.duplicates + c.late + c.discarded + r.waiting
    assert frames == c.played + c.concealed
    assert c.late <= c.lost + len(plan) and c.played == len(played)
