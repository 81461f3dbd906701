"""ZMTP, frames of the audio sockets, and the mixer behind them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mixer_core.bus import frames, zmtp
from mixer_core.bus.events import StreamInfo, decode_event, encode_map
from mixer_core.bus.frames import Frame, Kind
from mixer_core.bus.pcm import FRAME_BYTES
from mixer_core.runtime.errors import FrameError
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.units import MS_NS
from mixer_core.settings import MixerCoreSettings
from tests.fuzz.border import Border, joined, pieces

HOLD_BYTES = zmtp.MAX_MESSAGE_BYTES + 16
"""What a parser may keep of an unfinished message."""


def attempt_zmtp(data: bytes) -> None:
    """However the bytes are cut, the same messages come out, and only a FrameError is raised."""
    whole, is_bad = _parsed([data])
    step = 1 + sum(data[:64]) % 97
    cut, is_cut_bad = _parsed([data[at : at + step] for at in range(0, len(data), step)])
    assert is_bad == is_cut_bad
    assert is_bad or whole == cut
    assert len(whole) <= len(data) // 2
    for message in whole:
        read_frame(message)
        assert _parsed([zmtp.hello("PUSH") + zmtp.encode(message)]) == ([message], False)


def _parsed(parts: list[bytes]) -> tuple[list[bytes], bool]:
    parser, messages = zmtp.Parser(), []
    try:
        for part in parts:
            messages += parser.feed(part)
            assert len(parser._buffer) <= HOLD_BYTES + len(part)
    except FrameError:
        return messages, True
    return messages, False


def read_frame(message: bytes) -> None:
    """A frame that can be read is the same when it is written again."""
    try:
        frame = frames.decode(message)
    except FrameError:
        return
    assert frames.encode(frame) == message
    for read in (StreamInfo.decode, decode_event):
        try:
            read(frame.payload)
        except FrameError:
            continue


def _seeds_zmtp() -> Iterator[bytes]:
    info = StreamInfo("browser", "den", "p-1", "Ada").encode()
    event = encode_map({"type": "say", "text": "Good morning."})
    sent = [
        Frame(Kind.START, 7, payload=info),
        Frame(Kind.AUDIO, 7, 1, 2, 1, 3, bytes(FRAME_BYTES)),
        Frame(Kind.EVENT, 7, flags=9, payload=event),
        Frame(Kind.FLUSH, 7, 2),
        Frame(Kind.STOP, 7),
    ]
    said = [zmtp.encode(frames.encode(frame)) for frame in sent]
    yield zmtp.hello("PUSH") + b"".join(said)
    yield zmtp.hello("SUB") + zmtp.encode(zmtp.subscribe(b"\7\0\0\0"))
    yield from (zmtp.hello("PUSH") + one for one in said)


# -- the mixer ------------------------------------------------------------------------------------

PAUSE = 0
FIELDS = struct.Struct("<BHIB")
"""Stream, epoch, seq, flags: what a piece begins with whose kind is that of a frame."""
STREAMS = 12
MOST_OUT = 4 * STREAMS
"""Messages that one message in may lead to, in slots of 20 ms."""


def attempt_mixer(data: bytes) -> None:
    """Whatever comes is mixed or counted: nothing is raised, time goes on, frames are whole."""
    from mixer_core.mixer import Mixer

    mixer, now_ns = Mixer(MixerCoreSettings(max_streams=STREAMS), Metrics()), 10**9
    for kind, body in pieces(data):
        if kind == PAUSE:
            until_ns = now_ns + int.from_bytes(body[:2], "big") * MS_NS
            turns = 0
            while (due_ns := mixer.next_timeout_ns()) is not None and due_ns <= until_ns:
                now_ns = max(now_ns, due_ns)
                _check_out(mixer.on_timeout(now_ns))
                turns += 1
                assert turns <= (until_ns // MS_NS) + 100, "the time-out does not move on"
            now_ns = max(now_ns, until_ns)
            continue
        try:
            frame = frames.decode(_message(kind, body))
        except FrameError:
            continue
        _check_out(mixer.on_frame(frame, now_ns))
    mixer.update_metrics()


def _message(kind: int, body: bytes) -> bytes:
    if kind > len(Kind) or len(body) < FIELDS.size:
        return body
    stream, epoch, seq, flags = FIELDS.unpack_from(body)
    payload = body[FIELDS.size :]
    if kind == Kind.AUDIO:
        payload = payload[:FRAME_BYTES].ljust(FRAME_BYTES, payload[-1:] or b"\0")
    return frames.encode(Frame(Kind(kind), stream % 16, epoch, seq, flags, 5, payload))


def _check_out(messages: list[bytes]) -> None:
    assert len(messages) <= MOST_OUT * 8, len(messages)
    for message in messages:
        assert len(message) <= zmtp.MAX_MESSAGE_BYTES
        frames.decode(message)


def _seeds_mixer() -> Iterator[bytes]:
    people = [StreamInfo("browser", "den", f"p-{n}", f"Name {n}").encode() for n in (1, 2)]
    link = StreamInfo("link", "den").encode()

    def piece(kind: Kind, stream: int, seq: int = 0, epoch: int = 0, body: bytes = b"") -> bytes:
        return joined((int(kind), FIELDS.pack(stream, epoch, seq, 0) + body))

    hello = [piece(Kind.START, n, body=info) for n, info in enumerate([*people, link], 1)]
    begin, pause = b"".join(hello), joined((PAUSE, (20).to_bytes(2, "big")))
    talk = [piece(Kind.AUDIO, n, seq, body=bytes((9,))) for seq in range(4) for n in (1, 2, 3)]
    yield begin + pause.join(talk)
    yield begin + piece(Kind.FLUSH, 3, epoch=1) + pause + piece(Kind.AUDIO, 3, 9, 1, b"\5") + pause
    say = encode_map({"type": "say", "text": "Hello."})
    yield begin + piece(Kind.EVENT, 1, body=say) + piece(Kind.STOP, 1) + joined((PAUSE, b"\x10\0"))
    conference = StreamInfo("browser", "den", "p-1", "Ada", mode="conference", muted=True).encode()
    yield begin + piece(Kind.START, 1, body=conference) + pause.join(talk)


BORDERS = (
    Border(
        "zmtp",
        "audio sockets: ZMTP and frames",
        "only FrameError; the same messages however the bytes are cut; frames survive a round "
        "trip; no more is kept than one message",
        attempt_zmtp,
        _seeds_zmtp,
        ("mixer_core.bus.zmtp", "mixer_core.bus.frames", "mixer_core.bus.events"),
        tokens=(b"\x02", b"\x04", b"\x05READY", b"\xff\x00", zmtp.GREETING, b"NULL", b"\x00\x05"),
        short=400,
    ),
    Border(
        "mixer",
        "what streams send to the mixer",
        "nothing is raised, messages out are whole and few, the time-out always moves on",
        attempt_mixer,
        _seeds_mixer,
        (
            *("mixer_core.mixer", "mixer_core.rooms", "mixer_core.room_sound"),
            *("mixer_core.slots", "mixer_core.jitter"),
        ),
        tokens=(b"\x00\x00\x02\x00\x14", b"conference", b"link", b"browser", b"muted", b"\xc3"),
        short=150,
    ),
)
