"""The sound of a room: what its session hears, and what it says. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterable

from mixer_core.bus.frames import FLAG_PAUSE

from ..media.downlink_gate import DownlinkFrame
from ..media.quiet import ROOM_NOISE_PEAK, is_quiet
from .moving import Moving
from .parts import RoomParts
from .signals import Outcome


class RoomSound:
    """Of one room."""

    def __init__(self, parts: RoomParts, moving: Moving) -> None:
        self._parts = parts
        self._moving = moving

    @property
    def has_heard(self) -> bool:
        """A reply has begun or ended to sound."""
        return any(session.has_heard for session in self._parts.sessions.all)

    def microphones(
        self, pcm: bytes, flags: int, wall_ms: int, now_ns: int
    ) -> tuple[int, Iterable[list[Outcome]]]:
        """20 ms of the room's microphones (960 bytes) with the frame's flags.

        Returns the number of the session that is to hear it (0: none), and what follows, in steps:
        each is made when all has followed from the one before.
        """
        parts = self._parts
        session = parts.sessions.talking
        if session is None:
            parts.metrics.count("uplink_held_frames_total")
            return 0, ()
        hears = session.number if session.hears_room else 0
        if not hears:
            parts.metrics.count("uplink_muted_frames_total")
        quiet = bool(flags & FLAG_PAUSE) or is_quiet(pcm, ROOM_NOISE_PEAK)
        session.room_sound(quiet or not hears, now_ns)
        if parts.yielding.listens and parts.yielding.room_audio(quiet, now_ns):
            return hears, self._moving.left(wall_ms, now_ns)
        if not parts.handover.listens:
            return hears, ()
        return hears, (parts.handover.room_audio(quiet, wall_ms, now_ns),)

    def reply(
        self, session: int, pcm: bytes, stamp_ns: int, concealed: bool, now_ns: int
    ) -> DownlinkFrame | None:
        """20 ms of a reply (960 bytes) that arrived at ``stamp_ns``: the frame for the mixer."""
        found = self._parts.sessions.find(session)
        if found is None:
            return None
        traces = self._parts.traces
        frame = found.reply_audio(pcm, stamp_ns, concealed, now_ns)
        if frame is not None and traces.awaits_sound and not is_quiet(pcm, ROOM_NOISE_PEAK):
            traces.sound(frame.stamp_ns, now_ns)
        return frame
