"""Mistakes of outsiders: all are counted, and one line an interval of each kind. Sans-I/O.

Whoever may send anything may send it at any rate. So what they can cause is written once (or the
first few times), and again after ``INTERVAL_NS`` with the number of those in between.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from .units import S_NS

INTERVAL_NS = 60 * S_NS
"""Between two lines of one kind."""
MAX_KINDS = 64
"""Kinds that are told apart; all others are one."""


@dataclass(slots=True)
class _Kind:
    since_ns: int
    """When the interval began."""
    written: int = 1
    """Lines in it."""
    left_out: int = 0


class Repeated:
    """Which of many lines are written. One for each log, or each place that complains.

    >>> mistakes = Repeated()
    >>> if (more := mistakes.line("bad message", now_ns)) is not None:
    ...     log.warning("! < %s: %s%s", who, error, more)
    """

    def __init__(
        self, interval_ns: int = INTERVAL_NS, max_kinds: int = MAX_KINDS, lines: int = 1
    ) -> None:
        """``lines``: of one kind in an interval."""
        self._lines = lines
        self.total = 0
        """Mistakes so far, written or not."""
        self._interval_ns = interval_ns
        self._max_kinds = max_kinds
        self._kinds: dict[Hashable, _Kind] = {}
        self._others = _Kind(-interval_ns)
        self._swept_ns = -interval_ns

    def line(self, kind: Hashable, now_ns: int) -> str | None:
        """A mistake of ``kind`` was made. None: it is only counted; else the end of its line.

        The end is empty, or says how many were left out since the last line.
        """
        self.total += 1
        known = self._kinds.get(kind)
        if known is None and not self._is_full(now_ns):
            self._kinds[kind] = _Kind(now_ns)
            return ""
        known = self._others if known is None else known
        if now_ns - known.since_ns >= self._interval_ns:
            known.since_ns, known.written = now_ns, 0
        if known.written >= self._lines:
            known.left_out += 1
            return None
        left_out, known.left_out = known.left_out, 0
        known.written += 1
        return f" ({left_out} more since the last such line)" if left_out else ""

    def _is_full(self, now_ns: int) -> bool:
        """Whether there is no place for one more kind; those of long ago give way."""
        if len(self._kinds) < self._max_kinds:
            return False
        if now_ns - self._swept_ns >= self._interval_ns:
            self._swept_ns = now_ns
            for kind, known in list(self._kinds.items()):
                if now_ns - known.since_ns >= self._interval_ns:
                    self._others.left_out += known.left_out
                    del self._kinds[kind]
        return len(self._kinds) >= self._max_kinds
