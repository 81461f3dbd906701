"""A link's two audio sockets: START handshake, epochs, audio and events to and from the mixer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixer_core.bus import frames
from mixer_core.bus.announcement import Announcement
from mixer_core.bus.audio_client import AudioPush, AudioSub
from mixer_core.bus.events import StreamInfo, decode_event, encode_map
from mixer_core.bus.frames import Frame, Kind
from mixer_core.runtime.errors import FrameError
from mixer_core.runtime.units import S_NS

STATE = "state"
STATE_EVERY_NS = 3 * S_NS
"""So often the newest state is told again, with a START: some 200 bytes to each browser."""
COMPLAIN_NS = 60 * S_NS
"""Between two lines of the log about events that cannot be sent."""


class MixerClient:
    """One stream of role ``link``. The shell calls ``tick`` when ``next_timeout_ns`` is reached."""

    def __init__(
        self,
        runtime_dir: Path,
        stream: int,
        info: StreamInfo,
        on_audio: Callable[[Frame], None],
        on_event: Callable[[dict[str, Any]], None],
        log: logging.LoggerAdapter[logging.Logger],
        on_moved: Callable[[], None] = lambda: None,
        on_track: Callable[[Frame], None] = lambda _: None,
    ) -> None:
        """``on_audio`` gets AUDIO frames of the room, ``on_event`` the maps of EVENT frames.

        ``on_moved``: the time-out has moved, because a mixer is there again. ``on_track`` gets
        TRACK frames, if they are wanted (``record``).
        """
        self._stream = stream
        self._info = info
        self._payload = info.encode()
        self._on_audio = on_audio
        self._on_event = on_event
        self._log = log
        self._on_moved = on_moved
        self._on_track = on_track
        self.epoch = 0
        """The room's epoch, as far as it is known here."""
        self.sent = 0
        """AUDIO frames sent."""
        self.dropped = 0
        """Messages that the mixer could not take."""
        self.bad = 0
        """Messages that could not be read."""
        self.unsent_events = 0
        """EVENTs that no frame can hold: too long, or with text that is no Unicode."""
        self._complained_ns = -COMPLAIN_NS
        self._seq = 0
        self._expected = 0
        """Number of the next frame of the room."""
        self._uses: frozenset[str] = frozenset()
        """For what each voice is wanted by itself."""
        self._state: dict[str, Any] = {}
        self._state_ns = 0
        self._announcement = Announcement()
        self._closed = False
        loop = asyncio.get_running_loop()
        self._push = AudioPush(loop, runtime_dir, self._connected)
        topic = frames.topic(stream)
        self._sub = AudioSub(loop, runtime_dir, topic, self._receive, self._connected)

    @property
    def acknowledged(self) -> bool:
        """The mixer knows this stream."""
        return self._announcement.acknowledged

    def next_timeout_ns(self) -> int:
        """When the next START is due."""
        return self._announcement.next_timeout_ns()

    def tick(self, now_ns: int) -> None:
        """Send START if it is due."""
        if self._announcement.is_due(now_ns):
            self._announcement.sent(now_ns)
            self._push.follow()
            self._sub.follow()
            payload, expected = self._payload, self._expected
            self._send(Frame(Kind.START, self._stream, self.epoch, expected, payload=payload))
            self._repeat(now_ns)

    def audio(self, pcm: bytes, flags: int, stamp_ns: int) -> None:
        """Send 20 ms of the assistant's voice (960 bytes)."""
        message = frames.encode_audio(self._stream, self.epoch, self._seq, flags, stamp_ns, pcm)
        self._seq = (self._seq + 1) & frames.U32
        if self._push.send(message):
            self.sent += 1
        else:
            self.dropped += 1

    def event(self, content: Mapping[str, Any], addressee: int = 0) -> None:
        """Send an EVENT to the browsers, or to the one with the stream id ``addressee``.

        One that does not fit into a frame is counted and left out: whoever tells something has
        more to do than that.
        """
        if content.get("type") == STATE and not addressee:
            self._state = dict(content)
            self._state_ns = time.monotonic_ns()
        try:
            payload = encode_map(dict(content))
        except (FrameError, ValueError, OverflowError) as error:
            self._complain(content, error)
            return
        self._send(Frame(Kind.EVENT, self._stream, self.epoch, flags=addressee, payload=payload))

    def _repeat(self, now_ns: int) -> None:
        """Say the state again: what was told may be lost, and nothing else would make it good."""
        if self._state and now_ns - self._state_ns >= STATE_EVERY_NS:
            self.event(self._state)

    def flush(self, epoch: int) -> None:
        """Begin ``epoch``: what was sent before is void everywhere."""
        self.epoch = epoch
        self._send(Frame(Kind.FLUSH, self._stream, self.epoch))

    def record(self, use: str, wanted: bool) -> None:
        """Have each voice of the room sent by itself for a use, or no longer for that one."""
        self._uses = self._uses | {use} if wanted else self._uses - {use}
        if bool(self._uses) == self._info.records:
            return
        self._info = replace(self._info, records=bool(self._uses))
        self._payload = self._info.encode()
        self._identify()

    def close(self) -> None:
        """Say STOP and close the sockets. Harmless when closed."""
        if self._closed:
            return
        self._closed = True
        self._send(Frame(Kind.STOP, self._stream, self.epoch))
        self._push.close()
        self._sub.close()

    def _complain(self, content: Mapping[str, Any], error: Exception) -> None:
        self.unsent_events += 1
        now_ns = time.monotonic_ns()
        if now_ns - self._complained_ns >= COMPLAIN_NS:
            self._complained_ns = now_ns
            self._log.warning("! an event %r cannot be sent: %s", content.get("type"), error)

    def _send(self, frame: Frame) -> None:
        send = self._push.send if frame.kind is Kind.START else self._push.send_or_keep
        if not send(frames.encode(frame)):
            self.dropped += 1

    def _connected(self) -> None:
        """A mixer is there, perhaps one that knows nothing of us yet."""
        if self._push.is_connected and self._sub.is_connected:
            self._identify()
            self._push.release()
            self._on_moved()

    def _identify(self) -> None:
        now_ns = time.monotonic_ns()
        self._announcement.asked(now_ns)
        self.tick(now_ns)

    def _receive(self, message: bytes) -> None:
        try:
            frame = frames.decode(message)
            self.epoch = frames.newest_epoch(frame.epoch, self.epoch)
            if frame.kind is Kind.AUDIO:
                self._expected = (frame.seq + 1) & frames.U32
                self._on_audio(frame)
            elif frame.kind is Kind.TRACK:
                self._on_track(frame)
            elif frame.kind is Kind.START:
                self._announcement.answered(time.monotonic_ns())
            elif frame.kind is Kind.EVENT:
                self._event_received(decode_event(frame.payload))
        except FrameError as error:
            self.bad += 1
            self._log.warning("! < mixer: %s", error)

    def _event_received(self, event: dict[str, Any]) -> None:
        if event["type"] == "identify":
            self._identify()
        self._on_event(event)  # Also so that the owner sees that the time-out has moved.
