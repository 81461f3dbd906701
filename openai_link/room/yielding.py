"""When a room stops talking here, because it goes on at another machine. Sans-I/O.

The other machine has a session that knows the conversation. Here the room is left in its next
pause: the reply that sounds is finished, nobody is in the middle of a word, what was said is
written down, no tool runs. A pause that does not come is not waited for longer than whoever asks
allows; words, which some servers never write down, not longer than ``WORDS_NS``.
"""

from __future__ import annotations

from mixer_core.runtime.units import MS_NS

from .handover import QUIET_NS, WORDS_NS
from .record import RoomRecord
from .rollover import PAUSE_NS
from .room_tools import RoomTools
from .sessions import RoomSessions

LOOK_NS = 200 * MS_NS
"""Between two looks while somebody speaks."""
TAKEN_NS = 2_000 * MS_NS
"""What was typed is in no journal before the server has taken it: so much longer for that."""


class Yielding:
    """Of one room; ``room_audio`` and ``tick`` say True once, when it is time."""

    def __init__(self, sessions: RoomSessions, tools: RoomTools, record: RoomRecord) -> None:
        self._sessions = sessions
        self._record = record
        self._tools = tools
        self._until_ns: int | None = None
        self._words_until_ns = 0
        self._loud_ns = 0
        self._quiet_since_ns: int | None = None
        self._look_ns = 0
        self.was_in_pause = False
        """Nobody spoke when it was time; else the wait was over."""

    @property
    def listens(self) -> bool:
        """Whether a pause of the room is waited for."""
        return self._until_ns is not None

    def begin(self, until_ns: int, now_ns: int) -> bool:
        """The room is to be left in its next pause, at the latest at ``until_ns``."""
        self._until_ns, self._words_until_ns = until_ns, now_ns + WORDS_NS
        self._loud_ns, self._quiet_since_ns = now_ns, None
        return self.tick(now_ns)

    def cancel(self) -> None:
        """The room stays here."""
        self._until_ns = None

    def next_timeout_ns(self) -> int | None:
        """When to call ``tick``; None where nothing is waited for."""
        if self._until_ns is None:
            return None
        return self._look_ns

    def room_audio(self, is_quiet: bool, now_ns: int) -> bool:
        """20 ms of the room went by; only needed while ``listens``."""
        if not is_quiet:
            self._loud_ns = now_ns
        return self.tick(now_ns)

    def tick(self, now_ns: int) -> bool:
        """Look whether it is time."""
        if self._until_ns is None:
            return False
        self._look_ns = now_ns + LOOK_NS
        if self._is_busy(now_ns):
            self._quiet_since_ns = None
        elif self._quiet_since_ns is None:
            self._quiet_since_ns = now_ns
        if not self._is_time(now_ns, self._until_ns):
            return False
        self._until_ns = None
        return True

    def _is_time(self, now_ns: int, until_ns: int) -> bool:
        since_ns = self._quiet_since_ns
        nobody_talks = self._sessions.talking is None
        self.was_in_pause = nobody_talks or (since_ns is not None and now_ns - since_ns >= PAUSE_NS)
        if not nobody_talks and self._record.waits_for_server:
            return now_ns >= until_ns + TAKEN_NS
        return self.was_in_pause or now_ns >= until_ns

    def _is_busy(self, now_ns: int) -> bool:
        """Somebody speaks, or was not written down yet, the assistant answers or a tool runs."""
        talking, draining = self._sessions.talking, self._sessions.draining
        calm = talking is None or (talking.is_settled and not self._tools.is_busy)
        calm = calm and (draining is None or draining.has_said_everything)
        if now_ns < self._words_until_ns:
            calm = calm and not any(one and one.awaits_words for one in (talking, draining))
        return not calm or now_ns - self._loud_ns < QUIET_NS
