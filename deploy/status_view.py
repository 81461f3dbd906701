"""What ``mixminus status`` shows: two readings of the gateway become tables. Sans-I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from mixer_core.runtime.counted import counted

Labels = tuple[tuple[str, str], ...]
MIB = 1 << 20
MAX_ROWS = 12
"""Of one table."""
MOST_PERCENT = 200
"""Shown of a load; more means no more than that."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The gateway at one moment."""

    at_s: float
    """Monotonic."""
    ready: Mapping[str, Any]
    """The body of ``/readyz``."""
    rooms: Sequence[Mapping[str, Any]] = ()
    """Those of ``/rooms``."""
    samples: Mapping[tuple[str, Labels], float] = field(default_factory=dict)
    """Those of ``/metrics``, by name and sorted labels."""

    def value(self, name: str, **labels: str) -> float:
        """One sample; 0 where there is none."""
        return self.samples.get((name, tuple(sorted(labels.items()))), 0.0)


@dataclass(frozen=True, slots=True)
class Table:
    """A title, columns, and rows of words."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def samples_of(page: str) -> dict[tuple[str, Labels], float]:
    """The samples of a metrics page."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def headline(now: Reading) -> str:
    """The state of the whole in one line."""
    state = "ready" if now.ready.get("ready") else str(now.ready.get("detail", "not ready"))
    load = now.ready.get("load") or {}
    people, rooms = (
        now.value(f"mixminus_{n}", program="signaling") for n in ("participants", "rooms")
    )
    spent = now.value("mixminus_spent_usd_total", program="openai_link")
    percent = min(int(load.get("percent", 0)), MOST_PERCENT)
    words = [
        state,
        f"{counted(people, 'person', 'people')} in {counted(rooms, 'room')}",
        f"load {'over ' if percent == MOST_PERCENT else ''}{percent} % of what it bears",
    ]
    if load.get("reason"):
        words.append(str(load["reason"]))
    if not _is_simulated(now):  # What the simulator counts is nobody's money.
        words.append(f"${spent:.2f} since the start")
    return "; ".join(words)


def _is_simulated(now: Reading) -> bool:
    return "simulator" in (now.ready.get("programs") or {})


def tables(before: Reading | None, now: Reading) -> list[Table]:
    """Everything else; rates need a reading before."""
    found = [_programs(before, now), _rooms(now), _waiting(now), _dropped(before, now), _turns(now)]
    warnings = tuple((str(words),) for words in now.ready.get("warnings") or ())
    found.append(Table("Look at this", ("",), warnings))
    return [table for table in found if table.rows]


def _rate(before: Reading | None, now: Reading, name: str, **labels: str) -> float | None:
    if before is None or now.at_s <= before.at_s:
        return None
    grown = now.value(name, **labels) - before.value(name, **labels)
    return max(grown, 0.0) / (now.at_s - before.at_s)


def _programs(before: Reading | None, now: Reading) -> Table:
    rows = []
    states = {
        "signaling": {"ready": True, "detail": "answers"},
        **(now.ready.get("programs") or {}),
    }
    for name, state in states.items():
        used = _rate(before, now, "mixminus_processor_us_total", program=name)
        memory = now.value("mixminus_memory_resident_bytes", program=name) / MIB
        restarts = now.value("mixminus_restarts_total", program=name)
        rows.append(
            (
                name,
                "ready" if state.get("ready") else "NOT READY",
                "" if used is None else f"{used / 1e4:.1f} %",
                f"{memory:.0f} MiB" if memory else "",
                f"{restarts:.0f}",
                str(state.get("detail", "")),
            )
        )
    columns = ("program", "state", "of a core", "memory", "restarts", "what it does")
    return _without(Table("Programs", columns, tuple(rows[:MAX_ROWS])), "of a core", before is None)


def _without(table: Table, column: str, is_left_out: bool) -> Table:
    """The table without a column of which nothing is known."""
    if not is_left_out:
        return table
    at = table.columns.index(column)
    columns = table.columns[:at] + table.columns[at + 1 :]
    return Table(table.title, columns, tuple(row[:at] + row[at + 1 :] for row in table.rows))


def _rooms(now: Reading) -> Table:
    rows = []
    for room in now.rooms:
        name = str(room.get("room", ""))
        people = [
            str(p.get("name", "")) + (" (muted)" if p.get("muted") else "")
            for p in room.get("participants") or ()
        ]
        turns, tools, spent, waits = (
            now.value(f"mixminus_room_{what}", room=name)
            for what in (
                "conversation_turns_total",
                "tool_calls_total",
                "spent_usd_total",
                "backlog_ms",
            )
        )
        link = room.get("link") or {}
        rows.append(
            (
                name,
                str(link.get("status", "")),
                ", ".join(people[:6]) + (" …" if len(people) > 6 else ""),
                f"{turns:.0f}",
                f"{tools:.0f}",
                f"${spent:.2f}",
                f"{waits:.0f} ms",
            )
        )
    columns = ("room", "assistant", "people", "turns", "tools", "spent", "audio waits")
    return _without(Table("Rooms", columns, tuple(rows[:MAX_ROWS])), "spent", _is_simulated(now))


def _waiting(now: Reading) -> Table:
    rows = [
        (labels["program"], labels["stage"], f"{value:.0f} ms")
        for (name, key), value in sorted(now.samples.items())
        if name == "audio_backlog_ms" and value > 0
        for labels in [dict(key)]
    ]
    return Table("Audio that waits", ("program", "stage", "how much"), tuple(rows[:MAX_ROWS]))


def _dropped(before: Reading | None, now: Reading) -> Table:
    rows = []
    for (name, key), value in sorted(now.samples.items(), key=lambda entry: -entry[1]):
        if name == "mixminus_audio_dropped_total" and value > 0:
            labels = dict(key)
            rate = _rate(before, now, name, **labels)
            shown = "" if rate is None else f"{rate:.1f} /s"
            rows.append((labels["stage"], labels["reason"], f"{value:.0f}", shown))
    columns = ("stage", "reason", "since the start", "now")
    return _without(Table("Audio given up", columns, tuple(rows[:MAX_ROWS])), "now", before is None)


def _turns(now: Reading) -> Table:
    """How long turns, tools and frames took since the start."""
    names = {
        "end of speech → first sound": "turn_reply_ms",
        "first sound → loudspeaker": "turn_played_ms",
        "tools": "tool_duration_ms",
        "microphone → mixer's listeners": "latency_to_publish_ms",
        "→ server": "uplink_latency_ms",
        "→ browsers": "downlink_latency_ms",
    }
    programs = {"latency_to_publish_ms": "mixer_core", "downlink_latency_ms": "media_worker"}
    rows = []
    for words, name in names.items():
        labels = {"program": programs.get(name, "openai_link")}
        counts = buckets(now, f"mixminus_{name}_bucket", labels)
        if counts and counts[-1][1]:
            half, most = quantile(counts, 0.5), quantile(counts, 0.95)
            rows.append((words, f"{counts[-1][1]:.0f}", half, most))
    return Table("How long it takes", ("what", "count", "half below", "95 % below"), tuple(rows))


def buckets(now: Reading, name: str, labels: Mapping[str, str]) -> list[tuple[float, float]]:
    """The bounds of a histogram's buckets, with the cumulative counts."""
    found = []
    for (known, key), value in now.samples.items():
        own = dict(key)
        bound = own.pop("le", "")
        if known == name and own == labels:
            found.append((float(bound), value))
    return sorted(found)


def bound_of(counts: Sequence[tuple[float, float]], share: float) -> float:
    """The upper bound in ms of the bucket in which the quantile lies."""
    return next((bound for bound, count in counts if count >= share * counts[-1][1]), math.inf)


def quantile(counts: Sequence[tuple[float, float]], share: float) -> str:
    """The same as text."""
    bound = bound_of(counts, share)
    return f"over {counts[-2][0]:g} ms" if math.isinf(bound) else f"{bound:g} ms"
