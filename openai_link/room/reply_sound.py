"""What is heard of a session's replies: the frames for the mixer, and how far each reply came.

Sans-I/O. It joins the gate in front of the mixer, the tracker of what people have heard, and the
watches for replies of which the server does not say whether and when they sound.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mixer_core.runtime.earliest import earliest
from mixer_core.runtime.units import MS_NS

from ..facts import Caption, Fact, ItemTruncated, Unheard
from ..media.downlink_gate import DownlinkFrame, DownlinkGate
from ..media.quiet import ROOM_NOISE_PEAK, is_quiet
from ..playback.replies import START_NS
from ..playback.sound_watch import Heard, SoundWatch
from ..playback.tracker import PlaybackTracker
from ..playback.truncation import TrackerAction
from ..playback.unheard import UnheardReplies
from ..realtime.client_events import ClientEvents
from ..realtime.event_fields import Once
from ..transport.interface import TransportKind
from .actions import BeginEpoch, Log
from .epoch import EpochCounter

PLAYED_HERE_NS = 1_000 * MS_NS
"""Over a WebSocket the sound of a reply is here before its end: it begins at once."""

SoundAction = TrackerAction | Unheard | BeginEpoch | Log
"""``Unheard`` is a fact of the session."""


class ReplySound:
    """Of one session; methods return what follows, in order."""

    def __init__(
        self, kind: TransportKind, events: ClientEvents, speed: float, epoch: EpochCounter
    ) -> None:
        """Prepare.

        Args:
            kind: of the session's transport.
            events: with ids of the session's own.
            speed: of speech, 1 for the usual one.
            epoch: the room's.
        """
        self.flushes = 0
        self._gate = DownlinkGate()
        self._tracker = PlaybackTracker(events, kind == "webrtc", speed)
        self._unheard = UnheardReplies(START_NS if kind == "webrtc" else PLAYED_HERE_NS)
        self._written = Once()
        """Items of replies that came without sound: their words stay."""
        self._watch = SoundWatch(kind == "webrtc")
        """When replies sound, where the server does not say."""
        self._heard: list[Heard] = []
        """What the server would have said, and when it was noticed."""
        self._heard_ns = 0
        self._epoch = epoch

    # -- what is known ----------------------------------------------------------------------------

    @property
    def has_heard(self) -> bool:
        """A reply has begun or ended to sound: ``heard`` is due."""
        return bool(self._heard)

    def passes(self, caption: Caption) -> bool:
        """Whether a caption is to be shown: its words are not beyond what was heard."""
        return self._tracker.passes(caption)

    def ignores(self, fact: Fact) -> bool:
        """Whether that is the end of a reply without sound, whose words stay."""
        return isinstance(fact, ItemTruncated) and fact.item in self._written

    def counters(self) -> dict[str, int]:
        """What was counted so far."""
        return {
            "downlink_flushed_frames_total": self._gate.dropped_old,
            "downlink_quiet_frames_total": self._gate.dropped_quiet,
            "flushes_total": self.flushes,
        }

    def next_timeout_ns(self) -> int | None:
        """When to call ``frame_due``, ``heard`` and ``tick``; None where nothing waits."""
        return earliest(
            self._gate.next_timeout_ns(),
            self._unheard.next_timeout_ns(),
            self._tracker.next_timeout_ns(),
            self._watch.next_timeout_ns(),
            self._heard_ns if self._heard else None,
        )

    # -- sound ------------------------------------------------------------------------------------

    def frame(
        self, pcm: bytes, stamp_ns: int, concealed: bool, now_ns: int
    ) -> tuple[DownlinkFrame, bool] | None:
        """20 ms of a reply (960 bytes) that arrived at ``stamp_ns``.

        Returns the frame for the mixer, and whether it is quiet; None: it is not to be heard.
        """
        frame = self._gate.frame(pcm, stamp_ns, now_ns, concealed)
        if frame is None:
            return None
        self._sent(frame)
        quiet = is_quiet(pcm, ROOM_NOISE_PEAK)
        if not quiet:
            self._unheard.sound(len(pcm) // 2)
        self._notice(self._watch.frame(len(pcm) // 2, quiet, now_ns), now_ns)
        return frame, quiet

    def frame_due(self, now_ns: int) -> DownlinkFrame | None:
        """The time-out was reached, perhaps: a frame that the mixer gets now."""
        return self._sent(self._gate.tick(now_ns))

    def last_frame(self, now_ns: int) -> DownlinkFrame | None:
        """The session is over: what the mixer still gets."""
        return self._sent(self._gate.end(now_ns))

    def delivered(self, item: str, samples: int) -> None:
        """The server has delivered more samples of an item ahead of their time (WebSocket)."""
        self._tracker.delivered(item, samples)

    def _sent(self, frame: DownlinkFrame | None) -> DownlinkFrame | None:
        if frame is not None:
            self._epoch.used()
            self._tracker.sent(frame.stamp_ns, frame.pcm)
        return frame

    # -- when replies sound -----------------------------------------------------------------------

    def told(self) -> None:
        """The server says by itself when replies sound."""
        self._watch.told()

    def heard(self, now_ns: int) -> list[Heard]:
        """What the sound has told since the last call: take it as if the server had said it."""
        self._notice(self._watch.tick(now_ns), now_ns)
        heard, self._heard = self._heard, []
        return heard

    def _notice(self, heard: Sequence[Heard], now_ns: int) -> None:
        """Keep what the server would have said until it is fetched, which is due at once."""
        if heard and not self._heard:
            self._heard_ns = now_ns
        self._heard += heard

    # -- what happens -----------------------------------------------------------------------------

    def tick(self, now_ns: int) -> list[SoundAction]:
        """The time-out was reached, perhaps."""
        return [*self._without_sound(self._unheard.tick(now_ns)), *self._tracker.tick(now_ns)]

    def on_fact(self, fact: Fact, now_ns: int) -> list[SoundAction]:
        """Take any fact of the session."""
        self._watch.on_fact(fact, now_ns)
        unheard = self._without_sound(self._unheard.on_fact(fact, now_ns))
        return [*unheard, *self._tracker.on_fact(fact, now_ns)]

    def started(self) -> None:
        """A reply begins."""
        self._gate.started()

    def stopped(self, now_ns: int) -> None:
        """A reply has ended."""
        self._gate.stopped(now_ns)

    def flush(self, reason: str, now_ns: int) -> list[SoundAction]:
        """Nothing that is still to be heard of a reply counts any more."""
        self.flushes += 1
        self._gate.flush(now_ns)
        unheard = self._without_sound(self._unheard.flushed(now_ns))
        begins = self._epoch.may_begin(now_ns)
        number = self._epoch.begin() if begins else self._epoch.number
        cut = self._tracker.cut(number, now_ns)
        self._notice(self._watch.flushed(), now_ns)
        if not begins:
            return [*unheard, *cut]
        return [Log("debug", f"= flush: {reason}"), BeginEpoch(number), *unheard, *cut]

    def played(
        self, participant: str, event: Mapping[str, Any], now_ns: int
    ) -> Sequence[SoundAction]:
        """A browser says how much of a reply it has played."""
        return self._tracker.played(participant, event, now_ns)

    def roster(self, participants: Collection[str]) -> None:
        """Exactly these people are in the room and hear it."""
        self._tracker.on_roster(participants)

    def end(self) -> Sequence[SoundAction]:
        """The session is over."""
        return self._tracker.end()

    def _without_sound(self, unheard: Iterable[Unheard]) -> Sequence[Unheard]:
        """Replies that nobody could hear keep all their words."""
        found = list(unheard)
        for fact in found:
            self._tracker.unheard(fact.response)
            for item in fact.items:
                self._written.first(item)
        return found
