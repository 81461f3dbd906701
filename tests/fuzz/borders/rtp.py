"""RTP packets of the Realtime server, and the Opus in them."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator

from aiortc.rtp import RtpPacket

from mixer_core.bus.pcm import FRAME_BYTES, SILENCE
from mixer_core.patches.aiortc.rtp_wire import FIXED, is_rtp, parse
from mixer_core.runtime.units import MS_NS
from openai_link.media.opus import OpusDecoder, OpusEncoder
from openai_link.media.rtp_audio import RtpAudioReceiver
from tests.fuzz.border import Border, joined, pieces

PACKET, PULL, IN_ORDER = range(3)
MOST_WAITING = 32
MOST_FRAMES = 6 * (MOST_WAITING + 2) + 5
"""Of one packet: all that waited, 120 ms each, and what was concealed."""


def attempt(data: bytes) -> None:
    """As aiortc reads it; frames of 960 bytes come out, few at once; every packet is counted."""
    receiver = RtpAudioReceiver(OpusDecoder(), max_waiting=MOST_WAITING)
    now_ns, seq = 0, 0
    for kind, body in pieces(data, 80):
        now_ns += 20 * MS_NS
        if kind == PULL:
            now_ns += int.from_bytes(body[:1], "big") * MS_NS
            made = receiver.pull(now_ns)
        elif kind == IN_ORDER:
            seq = (seq + 1) & 0xFFFF
            made = receiver.push(seq, seq * 960, body, now_ns)
        else:
            read = _read(body)
            if read is None:
                continue
            seq = read[1]
            made = receiver.push(read[1], read[2], read[4], now_ns, read[3])
        assert len(made) <= MOST_FRAMES + 10, len(made)
        assert all(len(frame.pcm) == FRAME_BYTES for frame in made)
        counted = receiver.counters
        known = counted.played + counted.duplicates + counted.late + counted.discarded
        assert counted.received == known + receiver.waiting
        assert receiver.waiting <= MOST_WAITING + 1


def _read(packet: bytes) -> tuple[int, int, int, int, bytes] | None:
    """Ours and aiortc's reading agree wherever both can read it."""
    try:
        ours = parse(packet)
    except (ValueError, struct.error):
        ours = None
    try:
        theirs = RtpPacket.parse(packet)
    except (ValueError, struct.error, IndexError, UnicodeDecodeError):
        theirs = None
    if ours is None or theirs is None or not is_rtp(packet):
        return ours if ours is not None and is_rtp(packet) else None
    second, seq, timestamp, ssrc, payload = ours
    assert (second & 0x7F, bool(second & 0x80)) == (theirs.payload_type, bool(theirs.marker))
    assert (seq, timestamp, ssrc) == (theirs.sequence_number, theirs.timestamp, theirs.ssrc)
    assert payload == theirs.payload
    return ours


@functools.cache
def _packets() -> list[bytes]:
    encoder = OpusEncoder()
    voice = [bytes((n * 7 + at * n) % 251 for at in range(FRAME_BYTES)) for n in range(1, 5)]
    return [encoder.encode(pcm) for pcm in (*voice, SILENCE, SILENCE)]


def _seeds() -> Iterator[bytes]:
    sent = [
        FIXED.pack(0x80, 111 | (0x80 if n == 0 else 0), 100 + n, 960 * n, 7) + payload
        for n, payload in enumerate(_packets())
    ]
    yield joined(*((PACKET, packet) for packet in sent))
    yield joined(*((PACKET, sent[n]) for n in (0, 2, 1, 1, 5, 4)), (PULL, b"\x50"))
    yield joined(*((IN_ORDER, payload) for payload in _packets()))
    extended = (
        FIXED.pack(0x90, 111, 1, 960, 7) + b"\xbe\xde\x00\x01\x10\x00\x00\x00" + b"\xfc\xff\xfe"
    )
    padded = FIXED.pack(0xA1, 111, 2, 1920, 7) + bytes(4) + b"\xfc\xff\xfe\0\0\3"
    yield joined((PACKET, extended), (PACKET, padded))


BORDERS = (
    Border(
        "rtp",
        "RTP and Opus",
        "the header as aiortc reads it; frames of 960 bytes, few at once; every packet is counted "
        "once; little waits",
        attempt,
        _seeds,
        (
            *("mixer_core.patches.aiortc.rtp_wire", "openai_link.media.rtp_audio"),
            *("openai_link.media.rtp_reorder", "openai_link.media.opus"),
        ),
        tokens=(b"\x00\x00\x0f\x80", b"\x6f\x00", b"\xff\xff", b"\xfc\xff\xfe", b"\xbe\xde"),
        short=150,
    ),
)
