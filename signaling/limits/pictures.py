"""How many pictures people may show, and how many bytes of them. Sans-I/O.

A person is a participant: whoever comes back under another one finds the budget of the room.
"""

from __future__ import annotations

from mixer_core.runtime.units import S_NS

from .buckets import MAX_CLIENTS, Buckets
from .limiter import MINUTE_NS, Refusal

ROOM_FACTOR = 3
"""A room may show so many times what one person may."""
HOUR_NS = 3_600 * S_NS


class ByteBudget:
    """So many bytes at once for each key; they come back evenly within an hour."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._used: dict[str, tuple[int, int]] = {}
        """Bytes that count, and when that was so."""

    def wait_s(self, key: str, size_bytes: int, now_ns: int) -> int:
        """Seconds until so many bytes fit; 0: now. More than the budget counts as all of it."""
        over_bytes = self._left(key, now_ns) + min(size_bytes, self._most_bytes) - self._most_bytes
        return max(0, -(-over_bytes * HOUR_NS // (self._most_bytes * S_NS)))

    def take(self, key: str, size_bytes: int, now_ns: int) -> None:
        """So many bytes were shown."""
        used_bytes = self._left(key, now_ns) + size_bytes
        self._used.pop(key, None)
        self._used[key] = used_bytes, now_ns
        if len(self._used) > MAX_CLIENTS:
            del self._used[next(iter(self._used))]

    def _left(self, key: str, now_ns: int) -> int:
        used_bytes, at_ns = self._used.get(key, (0, now_ns))
        return max(0, used_bytes - self._most_bytes * (now_ns - at_ns) // HOUR_NS)


class PictureLimits:
    """The limits of one gateway."""

    def __init__(self, per_minute: int, room_bytes: int) -> None:
        """``per_minute``: of one person. ``room_bytes``: of one room in an hour."""
        most = ROOM_FACTOR * per_minute
        self._people = Buckets(per_minute, MINUTE_NS // per_minute)
        self._rooms = Buckets(most, MINUTE_NS // most)
        self._bytes_of_people = ByteBudget(room_bytes // 2)
        self._bytes_of_rooms = ByteBudget(room_bytes)

    def begin(self, participant: str, room: str, now_ns: int) -> None:
        """Somebody begins to send a picture: call it before the body is read.

        Raises:
            Refusal: 429, too many of them.
        """
        for who, buckets, key in (
            ("you", self._people, participant),
            ("the people in this room", self._rooms, room),
        ):
            if not buckets.take(key, now_ns):
                wait_s = max(1, buckets.wait_s(key, now_ns))
                raise self._refusal(f"{who} showed many pictures", wait_s, buckets.report(key), key)

    def size(self, participant: str, room: str, size_bytes: int, now_ns: int) -> None:
        """The picture has so many bytes.

        Raises:
            Refusal: 429, more than may be shown in an hour.
        """
        budgets = (
            ("you", self._bytes_of_people, participant),
            ("the people in this room", self._bytes_of_rooms, room),
        )
        for who, budget, key in budgets:
            wait_s = budget.wait_s(key, size_bytes, now_ns)
            if wait_s:
                words = f"{who} showed many large pictures in this hour"
                raise self._refusal(words, wait_s, False, key)
        for _, budget, key in budgets:
            budget.take(key, size_bytes, now_ns)

    @staticmethod
    def _refusal(words: str, wait_s: int, is_first: bool, key: str) -> Refusal:
        line = f"{key}: too many pictures" * is_first
        return Refusal("Too many pictures", f"{words}: wait {wait_s} s", wait_s, line)
