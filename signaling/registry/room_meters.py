"""Metrics of single rooms, of so many rooms at most. Sans-I/O.

Prometheus keeps each series that it has seen; a label that strangers can choose must not have any
number of values. So the first ``MAX_ROOMS`` rooms have a label of their own, and all others share
one. A room that nobody has been in for ``KEEP_NS`` gives its place up.

Where a room goes from one label to another while its processes run, what they have counted stays
with the first one, and the second one gets what they count from then on: no counter falls or jumps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mixer_core.runtime.units import S_NS

from .totals import MAX_SOURCES, Totals, Value

MAX_ROOMS = 50
KEEP_NS = 24 * 3_600 * S_NS
OTHERS = "(others)"
"""No room can be called so."""
_SAME = ("conversation_turns_total", "tool_calls_total", "spent_usd_total")
_DROPS = (
    *("frames_dropped_total", "frames_overrun_total", "bus_dropped_total"),
    *("uplink_dropped_frames_total", "downlink_lost_packets_total", "mixer_dropped_messages_total"),
)
_BACKLOGS = ("audio_backlog_ms", "uplink_backlog_ms", "downlink_backlog_ms")


@dataclass(slots=True)
class _Source:
    """A process that serves a room."""

    label: str
    latest: dict[str, Value]
    """Its last report."""
    before: dict[str, Value] = field(default_factory=dict)
    """What its counters had when it came to this label."""


class RoomMeters:
    """What workers and links report, by room."""

    def __init__(self) -> None:
        self._sources: dict[tuple[str, int], _Source] = {}
        """Those that are silent longest stand first."""
        self._totals = Totals()
        self._seen_ns: dict[str, int] = {}
        """Rooms with a label of their own, and when somebody was there last."""

    def heard(
        self, room: str, identity: str, pid: int, metrics: Mapping[str, Value], now_ns: int
    ) -> None:
        """Take the report of a process that serves ``room``; empty: it serves none."""
        if not room or not metrics:
            return
        label, chosen = self._label(room, now_ns), _chosen(metrics)
        source = self._sources.pop((identity, pid), None) or _Source(label, chosen)
        if source.label != label:
            source.label, source.before = label, source.latest
        source.latest = chosen
        if len(self._sources) >= MAX_SOURCES:
            self._sources.pop(next(iter(self._sources)))
        self._sources[identity, pid] = source
        told = f"{identity} {label}" if source.before else identity
        self._totals.heard(label, told, pid, _since(chosen, source), now_ns)

    def figures(
        self, participants: Mapping[str, int], now_ns: int
    ) -> dict[tuple[str, str], int | float]:
        """By label and name of the metric. ``participants``: how many are in each room now."""
        result: dict[tuple[str, str], int | float] = {}
        for room, count in participants.items():
            key = (room if room in self._seen_ns else OTHERS, "participants")
            result[key] = result.get(key, 0) + count
        for key, value in self._totals.sums().items():
            if not isinstance(value, list):
                result[key] = value
        return result | self._totals.gauges(now_ns)

    def _label(self, room: str, now_ns: int) -> str:
        known = self._seen_ns
        if room not in known and len(known) >= MAX_ROOMS:
            oldest = min(known, key=lambda name: known[name])
            if now_ns - known[oldest] < KEEP_NS:
                return OTHERS
            del known[oldest]
            self._totals.forget(oldest)
        known[room] = now_ns
        return room


def _since(chosen: dict[str, Value], source: _Source) -> dict[str, Value]:
    """What counters have grown by at this label; one that has fallen began anew."""
    before = {name: _number(source.before.get(name, 0)) for name in chosen if _counts(name)}
    if any(_number(chosen[name]) < value for name, value in before.items()):
        source.before = dict.fromkeys(source.before, 0)
        return chosen
    return {name: _number(value) - before.get(name, 0) for name, value in chosen.items()}


def _counts(name: str) -> bool:
    return name.endswith("_total")


def _chosen(metrics: Mapping[str, Value]) -> dict[str, Value]:
    """Of a process's report what is shown for its room."""
    tokens = [name for name in metrics if name.startswith("tokens_")]
    sums = {"tokens_total": tokens, "dropped_total": _DROPS}
    chosen: dict[str, Value] = {name: metrics[name] for name in _SAME if name in metrics}
    for name, parts in sums.items():
        found = [_number(metrics[part]) for part in parts if part in metrics]
        if found:
            chosen[name] = sum(found)
    chosen["backlog_ms"] = max((_number(metrics.get(name, 0)) for name in _BACKLOGS), default=0)
    return chosen


def _number(value: Value) -> int | float:
    return 0 if isinstance(value, list) else value
