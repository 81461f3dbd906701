"""When a session has something to do by itself. Sans-I/O."""

from __future__ import annotations

from typing import Literal

from mixer_core.bus.announcement import Announcement
from mixer_core.runtime.units import MS_NS, S_NS

from .settings import MediaWorkerSettings

MIXER_GONE_NS = 3 * S_NS
"""Time without an acknowledgement from the mixer after which the browser is told."""
Reason = Literal["connect", "silence", "start", "uplink"]


class Deadlines:
    """What one session waits for: its channel, its browser's datagrams, the mixer."""

    def __init__(self, settings: MediaWorkerSettings, now_ns: int) -> None:
        self._silence_ns = settings.peer_silence_ms * MS_NS
        self._connect_ns = now_ns + settings.connect_timeout_ms * MS_NS
        self._is_open = False
        self._heard_ns = now_ns
        self._acked_ns = now_ns
        self._announcement = Announcement()

    def opened(self, now_ns: int) -> None:
        """The channels are open."""
        self._is_open = True
        self._heard_ns = self._acked_ns = now_ns

    def heard(self, at_ns: int) -> None:
        """The last datagram of the browser came at ``at_ns``."""
        self._heard_ns = max(self._heard_ns, at_ns)

    def started(self, now_ns: int) -> None:
        """A START goes to the mixer."""
        self._announcement.sent(now_ns)

    def asked(self, now_ns: int) -> None:
        """The mixer does not know the stream."""
        self._announcement.asked(now_ns)

    def acknowledged(self, now_ns: int) -> None:
        """The mixer knows the stream."""
        self._acked_ns = now_ns
        self._announcement.answered(now_ns)

    def mixer_is_gone(self, now_ns: int) -> bool:
        """Whether the mixer has acknowledged nothing for too long."""
        return now_ns - self._acked_ns > MIXER_GONE_NS

    def next_due(self, uplink_ns: int | None) -> tuple[int, Reason]:
        """What is due next, and when. ``uplink_ns``: when the uplink has something to send."""
        if not self._is_open:
            return self._connect_ns, "connect"
        silence_ns = self._heard_ns + self._silence_ns
        due: tuple[int, Reason] = (self._announcement.next_timeout_ns(), "start")
        if silence_ns <= due[0]:
            due = (silence_ns, "silence")
        if uplink_ns is not None and uplink_ns < due[0]:
            due = (uplink_ns, "uplink")
        return due
