"""One participant's words by themselves: a transcription-only session, fed while they speak.

Sans-I/O. The session is opened when they begin to speak; what they say meanwhile is kept for
``HELD_FRAMES``. Each utterance is a *segment*: it begins a little before the mixer's detector says
so, ends when that hears them no more, and is committed then, so the server needs no turn detection.
Commits are answered in order (``input_audio_buffer.committed``), their words come in any.

Methods return the client events to send.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.units import S_NS

from ..realtime.bounds import MAX_TEXT_CHARS
from ..realtime.client_events import ClientEvents
from ..realtime.event_fields import map_of, text_of

BEFORE_FRAMES = 30
"""Frames of 20 ms before the detector's word: it hears a voice at most so late."""
HELD_FRAMES = 500
"""Of what is said until the session is there; an utterance that began earlier has no words."""
BATCH_FRAMES = 5
"""Frames of one event."""
SEGMENT_NS = 60 * S_NS
"""A longer utterance is cut here."""
IDLE_NS = 120 * S_NS
"""A session whose participant is silent for so long is closed."""
OPEN_NS = 10 * S_NS
"""A session is there by then, or is lost."""
STALE_NS = S_NS
"""Of a voice that speaks, and of which nothing comes any more."""
MAX_SEGMENTS = 16
"""Segments whose words may be awaited; with more the session is given up."""

Event = dict[str, Any]
_WORDS = "conversation.item.input_audio_transcription."


@dataclass(slots=True, eq=False)
class Segment:
    """An utterance."""

    who: str
    begin_ns: int
    end_ns: int | None = None
    """None: it goes on."""
    item: str = ""
    """Its item in the session of its own."""
    text: str | None = None
    """None: its words are not known."""
    failed: bool = False
    """They will not be."""

    @property
    def is_known(self) -> bool:
        """Nothing more is to come."""
        return self.text is not None or self.failed


class VoiceWriter:
    """Of one participant."""

    def __init__(
        self, who: str, name: str, events: ClientEvents, wanted: Mapping[str, Any]
    ) -> None:
        """``name``: unique in the room. ``wanted``: what the session is told to be."""
        self.who = who
        self._name = name
        self._opened = 0
        self.state: Literal["closed", "opening", "open"] = "closed"
        self._events, self._wanted = events, wanted
        self._before: deque[bytes] = deque(maxlen=BEFORE_FRAMES)
        self._held: list[bytes] = []
        """Of the utterance that goes on, and not sent."""
        self._early: deque[list[bytes]] = deque()
        """The last utterances that were over before there was a session, each whole."""
        self.begun: list[Segment] = []
        """Segments that have begun; whoever takes them clears it."""
        self._current: Segment | None = None
        self._segments: deque[Segment] = deque()
        """Committed, and not known."""
        self._frame_ns = 0
        self._since_ns = 0
        """When it was asked to open, or somebody last spoke."""

    # -- the voice --------------------------------------------------------------------------------

    def frame(self, pcm: bytes, now_ns: int) -> list[Event]:
        """20 ms of it (960 bytes)."""
        self._frame_ns = now_ns
        if self._current is None:
            self._before.append(pcm)
            return []
        self._held.append(pcm)
        if self.state != "open":
            if len(self._held) > HELD_FRAMES:
                self.closed()
            return []
        if now_ns - self._current.begin_ns >= SEGMENT_NS:
            ended = self.silent(now_ns)
            self.speaks(now_ns)
            return ended
        return self._append() if len(self._held) >= BATCH_FRAMES else []

    def speaks(self, now_ns: int) -> None:
        """The detector hears them."""
        if self._current is not None:
            return
        self._frame_ns = now_ns
        self._current = Segment(self.who, now_ns - len(self._before) * FRAME_NS)
        self.begun.append(self._current)
        self._held = list(self._before)
        self._before.clear()

    def silent(self, now_ns: int) -> list[Event]:
        """The detector hears them no more."""
        segment, self._current = self._current, None
        if segment is None:
            return []
        segment.end_ns = now_ns
        self._segments.append(segment)
        if len(self._segments) > MAX_SEGMENTS:  # Its server does not write down what it hears.
            self.closed()
            return []
        if self.state == "open":
            self._since_ns = now_ns
            return self._commit()
        held, self._held = self._held, []
        self._early.append(held)
        if sum(map(len, self._early)) > HELD_FRAMES:
            self.closed()
        return []

    # -- the session ------------------------------------------------------------------------------

    @property
    def session(self) -> str:
        """Our name of the newest one, unique in the room."""
        return f"{self._name}.{self._opened}"

    def opening(self, now_ns: int) -> None:
        """It is being connected."""
        self._opened += 1
        self.state, self._since_ns = "opening", now_ns

    def opened(self, now_ns: int) -> list[Event]:
        """It is connected."""
        self.state, self._since_ns = "open", now_ns
        told = [self._events.update_session(self._wanted)]
        while self._early:
            pcm = b"".join(self._early.popleft())
            told += [self._events.append(pcm), self._events.commit_input()]
        return [*told, *(self._append() if self._held else [])]

    def retold(self, wanted: Mapping[str, Any]) -> list[Event]:
        """It is to be ``wanted`` from now on."""
        self._wanted = wanted
        return [self._events.update_session(wanted)] if self.state == "open" else []

    def event(self, event: Mapping[str, Any]) -> tuple[Segment | None, Mapping[str, Any] | None]:
        """One event of its server: the segment that is known now, and what it cost."""
        kind, item = text_of(event, "type"), text_of(event, "item_id")
        if kind == "input_audio_buffer.committed":
            for segment in self._segments:
                if not segment.item:
                    segment.item = item
                    break
            return None, None
        if not kind.startswith(_WORDS) or not item:
            return None, None
        found = next((one for one in self._segments if one.item == item), None)
        usage = map_of(event, "usage") if kind == f"{_WORDS}completed" else None
        if found is None or kind not in (f"{_WORDS}completed", f"{_WORDS}failed"):
            return None, usage
        self._segments.remove(found)
        if usage is None:
            found.failed = True
        else:
            found.text = text_of(event, "transcript")[:MAX_TEXT_CHARS].strip()
        return found, usage

    def closed(self) -> None:
        """It is over: what was not written down never will be."""
        self.state = "closed"
        for segment in (*self._segments, *filter(None, (self._current,))):
            self._give_up(segment)
        self._segments.clear()
        self._held.clear()
        self._early.clear()
        self._current = None

    def next_timeout_ns(self) -> int | None:
        """When it is ``overdue``; None: never."""
        opens = self._since_ns + OPEN_NS if self.state == "opening" else None
        idles = self._since_ns + IDLE_NS if self.state == "open" and not self._current else None
        return earliest(opens, idles, self._stale_ns())

    def is_stale(self, now_ns: int) -> bool:
        """Nothing has come of a voice that speaks: its microphone was shut."""
        stale_ns = self._stale_ns()
        return stale_ns is not None and now_ns >= stale_ns

    def _stale_ns(self) -> int | None:
        return None if self._current is None else self._frame_ns + STALE_NS

    def is_overdue(self, now_ns: int) -> bool:
        """It has not come in time, or nobody needs it."""
        if self.state == "opening":
            return now_ns >= self._since_ns + OPEN_NS
        return self.state == "open" and not self._current and now_ns >= self._since_ns + IDLE_NS

    # -- details ----------------------------------------------------------------------------------

    def _append(self) -> list[Event]:
        pcm = b"".join(self._held)
        self._held.clear()
        return [self._events.append(pcm)]

    def _commit(self) -> list[Event]:
        return [*(self._append() if self._held else []), self._events.commit_input()]

    @staticmethod
    def _give_up(segment: Segment) -> None:
        segment.failed = not segment.is_known
