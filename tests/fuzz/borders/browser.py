"""What a browser sends on its data channels, as text and as frames, in any order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from media_worker.actions import Action, SendAudio, SendBus, SendControl
from media_worker.limits import MISTAKES, RATES
from media_worker.protocol.browser_messages import MESSAGES
from media_worker.session import Session
from media_worker.settings import MediaWorkerSettings
from mixer_core.bus import events, frames, pcm
from mixer_core.bus.control import Offer
from mixer_core.bus.frames import Frame, Kind
from mixer_core.bus.roles import Role
from mixer_core.bus.rules import AdminRules
from mixer_core.runtime.errors import BrowserMessageError, FrameError
from mixer_core.runtime.units import MS_NS
from tests.fuzz.border import Border, joined, pieces

TEXT, AUDIO, TIME, BUS, ADMIN = range(5)
ROLES: tuple[Role, ...] = ("admin", "speak", "listen")
STREAM = 7
MOST_AT_ONCE = sum(rate.burst for rate in RATES.values()) + MISTAKES.burst
"""Messages of one instant that are carried out or answered."""
PER_MESSAGE = 4
"""Actions that one of them may lead to."""
MOST_TEXT = 24 * 1024


def attempt(data: bytes) -> None:
    """Nothing is raised; what follows can be sent on, and is bounded at any instant."""
    first = data[0] if data else 0
    offer = Offer(
        "p-1",
        "den",
        STREAM,
        "assistant",
        "Ada",
        "",
        role=ROLES[first % 3],
        subject="a.b" if first & 8 else "",
        silenced=bool(first & 16),
        rules=AdminRules(confirm="admin" if first & 32 else "speak"),
    )
    now_ns = 10**12
    session = Session(offer, MediaWorkerSettings(), now_ns)
    counts = _Count()
    counts.take(session.opened(framed=bool(first & 64), now_ns=now_ns))
    for kind, body in pieces(data[1:]):
        if kind == TIME:
            now_ns += int.from_bytes(body[:2], "big") * MS_NS
            counts = _Count()
            counts.take(session.timeout(now_ns, now_ns), timers=True)
        elif kind == TEXT:
            counts.take(session.control_text(body.decode("utf-8", "replace"), now_ns))
        elif kind == AUDIO:
            counts.take(_audio(session, body, now_ns))
        elif kind == BUS:
            counts.take(_bus(session, body, now_ns), timers=True)
        elif kind == ADMIN:
            flags = body[0] if body else 0
            counts.take(session.silence(bool(flags & 1), bool(flags & 2), now_ns), timers=True)
            rules = AdminRules(locked=bool(flags & 4), stop="speak" if flags & 8 else "admin")
            mode: events.Mode = "conference" if flags & 16 else "assistant"
            counts.take(session.set_room(mode, rules, now_ns), timers=True)
    counts.take(session.peer_closed("gone"), timers=True)
    assert session.next_timeout_ns() is None


class _Count:
    """What followed in one instant."""

    def __init__(self) -> None:
        self.told = 0
        self.mistakes: set[str] = set()

    def take(self, actions: Sequence[Action], timers: bool = False) -> None:
        for action in actions:
            match action:
                case SendControl(text):
                    assert len(text) <= MOST_TEXT
                    assert isinstance(json.loads(text)["type"], str)
                case SendBus(kind, epoch, payload):
                    frame = frames.decode(
                        frames.encode(Frame(kind, STREAM, epoch, 0, 0, 0, payload))
                    )
                    _payload(frame)
                case SendAudio(frame):
                    message = frames.encode_audio(
                        STREAM, session_epoch(), frame.seq, frame.flags, frame.stamp_ns, frame.pcm
                    )
                    frames.decode(message)
                    continue
            self.told += not timers
        assert self.told <= PER_MESSAGE * MOST_AT_ONCE + 16, self.told


def session_epoch() -> int:
    """Any."""
    return 0


def _payload(frame: Frame) -> None:
    if frame.kind is Kind.START:
        events.StreamInfo.decode(frame.payload)
    elif frame.kind is Kind.EVENT:
        events.decode_event(frame.payload)


def _audio(session: Session, body: bytes, now_ns: int) -> Sequence[Action]:
    """As the shell does it."""
    uplink = session.uplink
    if uplink is None or session.status != "connected":
        return []
    if session.moderation.listens_only:
        return session.audio_of_listener()
    try:
        made = uplink.push(body, now_ns)
    except BrowserMessageError as error:
        return session.bad_audio(error, now_ns)
    assert len(made) <= len(body) // pcm.FRAME_BYTES + 2
    return [SendAudio(frame) for frame in made]


def _bus(session: Session, body: bytes, now_ns: int) -> Sequence[Action]:
    try:
        frame = frames.decode(body)
    except FrameError:
        return []
    return [] if frame.kind is Kind.AUDIO else session.bus_frame(frame, now_ns)


def _seeds() -> Iterator[bytes]:
    said = [
        {"type": "hello", "name": "Ada"},
        {"type": "mute", "muted": True},
        {"type": "ptt", "down": True},
        {"type": "say", "text": "Good morning."},
        {"type": "interrupt"},
        {"type": "confirm", "call": "call_1", "allow": True},
        {"type": "played", "epoch": 1, "played_ms": 20.0, "buffered_ms": 40, "stamp_ns": 5},
        {"type": "ping", "t": 1.5},
    ]
    texts = [joined((TEXT, json.dumps(message).encode())) for message in said]
    pause = joined((TIME, (20).to_bytes(2, "big")))
    framed = [
        joined((AUDIO, frames.encode_audio(0, 0, seq, seq % 2, 0, bytes((seq,)) * pcm.FRAME_BYTES)))
        for seq in range(3)
    ]
    plain = joined((AUDIO, b"\1\2" * 700))
    start = joined((BUS, frames.encode(Frame(Kind.START, STREAM, 3))))
    level = events.encode_map({"type": "level", "levels": {"p-1": -20.0}})
    event = joined((BUS, frames.encode(Frame(Kind.EVENT, STREAM, 4, payload=level))))
    for first in (0, 1, 2, 64, 65, 66, 8 + 64, 16 + 64, 32 + 1):
        yield bytes((first,)) + start + b"".join(texts)
    yield b"\x40" + start + pause.join(framed) + event
    yield b"\x00" + start + pause.join([plain] * 3) + joined((ADMIN, b"\1")) + plain + pause
    yield b"\x00" + texts[3] * 30 + texts[7] * 60


BORDERS = (
    Border(
        "browser",
        "data channels: text, frames, and the session behind them",
        "nothing is raised; every answer is JSON of bounded length, every frame can be sent, and "
        "one instant leads to no more than the rates allow",
        attempt,
        _seeds,
        (
            *("media_worker.session", "media_worker.intake", "media_worker.limits"),
            *("media_worker.framed_uplink", "media_worker.plain_uplink", "media_worker.uplink"),
            *("media_worker.protocol.browser_messages", "media_worker.protocol.audio_messages"),
            *("media_worker.moderation", "media_worker.protocol.roles"),
        ),
        tokens=(
            *(b'{"type":"', b'"}', b'"text":"', b"\\ud800", b"1e999", b"\x00\x00\x10"),
            *(name.encode() for name in MESSAGES),
        ),
        short=200,
    ),
)
