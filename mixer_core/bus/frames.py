"""The audio-path message: a 24-byte little-endian header and a payload. See ``README.md``.

The stream comes first so that the first four bytes serve as the PUB/SUB topic.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from ..runtime.errors import FrameError
from .pcm import FRAME_BYTES

VERSION = 1
HEADER = struct.Struct("<IBBHIIQ")
HEADER_BYTES = HEADER.size
TOPIC = struct.Struct("<I")
MAX_PAYLOAD_BYTES = 16 * 1024

FLAG_PAUSE = 1
"""The stream pauses after this frame; the next one may carry any later ``seq``."""
FLAG_CONCEALED = 2
"""The samples were invented to cover a loss."""

U16 = 0xFFFF
U32 = 0xFFFF_FFFF


class Kind(IntEnum):
    """What a message is."""

    START = 1
    """A stream exists: payload is a ``StreamInfo`` map; repeated as keep-alive."""
    AUDIO = 2
    """20 ms: payload is 960 bytes of PCM."""
    STOP = 3
    """The stream is gone; no payload."""
    FLUSH = 4
    """A new epoch begins: queued audio of older epochs is void; no payload."""
    EVENT = 5
    """Payload is a map with ``type``; ``flags`` is the addressee's stream id, 0 for everybody."""
    TRACK = 6
    """20 ms of one voice, to a link that records: 960 bytes of PCM and the participant's id, empty
    for the assistant; ``seq`` is the number of the slot in which it was heard."""


_AUDIO, _TRACK = int(Kind.AUDIO), int(Kind.TRACK)
_KINDS = {int(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of the audio path."""

    kind: Kind
    stream: int
    """Inbound: the source. Outbound: the listener (the topic). 1 … 2³²-1."""
    epoch: int = 0
    """Counts interruptions of the room, modulo 2¹⁶."""
    seq: int = 0
    """Counts frames of one stream, modulo 2³²."""
    flags: int = 0
    """``FLAG_…`` bits of AUDIO; the addressee of an EVENT."""
    stamp_ns: int = 0
    """``CLOCK_MONOTONIC`` when the audio entered this host."""
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """The message of ``frame``. Raises struct.error on a field out of range (a bug of ours)."""
    return (
        HEADER.pack(
            frame.stream, VERSION, frame.kind, frame.epoch, frame.seq, frame.flags, frame.stamp_ns
        )
        + frame.payload
    )


def encode_audio(stream: int, epoch: int, seq: int, flags: int, stamp_ns: int, pcm: bytes) -> bytes:
    """The message of one AUDIO frame, without building a ``Frame`` (the hot path)."""
    return HEADER.pack(stream, VERSION, _AUDIO, epoch, seq, flags, stamp_ns) + pcm


def encode_track(
    stream: int, epoch: int, seq: int, flags: int, stamp_ns: int, pcm: bytes, participant: bytes
) -> bytes:
    """The message of one TRACK frame."""
    head = HEADER.pack(stream, VERSION, _TRACK, epoch, seq, flags, stamp_ns)
    return head + pcm + participant


def decode(data: bytes) -> Frame:
    """Read one message.

    Raises:
        FrameError: too short or too long, unknown version or kind, AUDIO that is not 960 bytes.
    """
    if len(data) < HEADER_BYTES:
        raise FrameError(
            f"a frame of {len(data)} bytes is shorter than its {HEADER_BYTES}-byte header"
        )
    stream, version, kind_number, epoch, seq, flags, stamp_ns = HEADER.unpack_from(data)
    if version != VERSION:
        raise FrameError(f"frame version {version} is unknown, this gateway speaks {VERSION}")
    kind = _KINDS.get(kind_number)
    if kind is None:
        raise FrameError(f"frame kind {kind_number} is unknown")
    payload = data[HEADER_BYTES:]
    if kind_number == _AUDIO and len(payload) != FRAME_BYTES:
        raise FrameError(f"an AUDIO frame carries {FRAME_BYTES} bytes, got {len(payload)}")
    if kind_number == _TRACK and len(payload) < FRAME_BYTES:
        raise FrameError(f"a TRACK frame carries {FRAME_BYTES} bytes and a name")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise FrameError(f"a payload of {len(payload)} bytes is over {MAX_PAYLOAD_BYTES}")
    return Frame(kind, stream, epoch, seq, flags, stamp_ns, payload)


def stream_of(topic: bytes) -> int:
    """The stream of a topic."""
    (stream,) = TOPIC.unpack(topic)
    return int(stream)


def topic(stream: int) -> bytes:
    """The subscription of listener ``stream``: the first four bytes of its messages."""
    return TOPIC.pack(stream)


def seq_delta(later: int, earlier: int) -> int:
    """Signed distance from ``earlier`` to ``later`` modulo 2³² (RFC 1982), -2³¹ … 2³¹-1."""
    return ((later - earlier + 0x8000_0000) & U32) - 0x8000_0000


def epoch_newer(candidate: int, current: int) -> bool:
    """Whether ``candidate`` comes after ``current`` modulo 2¹⁶ (RFC 1982)."""
    return 0 < ((candidate - current) & U16) < 0x8000


def newest_epoch(first: int, second: int) -> int:
    """The later of two epochs."""
    return first if epoch_newer(first, second) else second
