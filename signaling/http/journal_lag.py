"""What was said and has not reached its journal, in words. Sans-I/O."""

from __future__ import annotations

from mixer_core.journal.lateness import LATE_NS
from mixer_core.runtime.units import MS_NS

METRICS = ("journal_lag_ms", "journal_waiting_records")
"""Of the links: how old the oldest record is that waits, and how many do, of the worst room."""


def warnings(lag_ms: int, records: int) -> list[str]:
    """For ``/readyz``: values of ``METRICS``."""
    if lag_ms * MS_NS <= LATE_NS:
        return []
    past_s = lag_ms // 1_000
    words = "the journal of a room is behind by"
    return [f"{words} {past_s} s: {records} records wait; where it ends now, they are lost"]
