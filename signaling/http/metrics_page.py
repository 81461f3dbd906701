"""``/metrics``: totals, rooms and the registry's counts in Prometheus text format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric

from mixer_core.runtime.metrics import BOUNDS_MS

from ..registry.totals import Key, Value
from .metric_help import (
    BACKLOG,
    DROPPED,
    DROPS,
    FAMILIES,
    NODE,
    RESTARTS,
    ROOM_HELP,
    ROOM_PREFIX,
    help_of,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STAGE = re.compile(r"audio_backlog_(\w+)_ms|(\w+)_backlog_ms")
"""Backlog gauges of one stage; ``audio_backlog_ms`` is that of the whole program."""
_UNFIT = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class Figures:
    """What the page is made of."""

    sums: Mapping[Key, Value] = field(default_factory=dict)
    """Counters and histograms, from ``Totals.sums``."""
    gauges: Mapping[Key, int | float] = field(default_factory=dict)
    """From ``Totals.gauges``."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """From ``Registry.counts``; they become gauges of signaling."""
    rooms: Mapping[tuple[str, str], int | float] = field(default_factory=dict)
    """From ``RoomMeters.figures``."""
    restarts: Mapping[str, int] = field(default_factory=dict)
    """By program."""
    node: str = ""
    """Name in the cluster; empty: there is none."""


def render(figures: Figures) -> bytes:
    """The page."""
    own = {("signaling", name): count for name, count in figures.counts.items()}
    families = [
        *_families(figures.sums, {**figures.gauges, **own}),
        _drops(figures.sums),
        _restarts(figures.restarts),
        *_rooms(figures.rooms),
        *_node(figures.node),
    ]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(families))
    return generate_latest(registry)


class _Fixed:
    """A collector of given families."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def _families(sums: Mapping[Key, Value], gauges: Mapping[Key, int | float]) -> Iterable[Metric]:
    families: dict[str, Metric] = {}
    for (program, name), value in sums.items():
        labels = {"program": program}
        if isinstance(value, list):
            _add_histogram(_family(families, name, "histogram"), labels, value)
        else:
            family = _family(families, name.removesuffix("_total"), "counter")
            family.add_sample(f"{family.name}_total", labels, value)
    for (program, name), number in gauges.items():
        labels = {"program": program}
        stage = program if name == BACKLOG else _stage(name)
        if stage:
            labels["stage"] = stage
            family = families.setdefault(BACKLOG, Metric(BACKLOG, FAMILIES[BACKLOG], "gauge"))
        else:
            family = _family(families, name, "gauge")
        family.add_sample(family.name, labels, number)
    return families.values()


def _stage(name: str) -> str:
    """The stage of a backlog gauge; empty for other gauges."""
    match = _STAGE.fullmatch(name)
    return (match[1] or match[2]) if match else ""


def _drops(sums: Mapping[Key, Value]) -> Metric:
    """Audio that was given up, by stage and reason."""
    family = Metric(DROPPED.removesuffix("_total"), FAMILIES[DROPPED], "counter")
    for (program, name), (stage, reason) in DROPS.items():
        value = sums.get((program, name))
        if value is not None and not isinstance(value, list):
            family.add_sample(
                DROPPED, {"program": program, "stage": stage, "reason": reason}, value
            )
    return family


def _restarts(restarts: Mapping[str, int]) -> Metric:
    family = Metric(RESTARTS.removesuffix("_total"), FAMILIES[RESTARTS], "counter")
    for program, count in restarts.items():
        family.add_sample(RESTARTS, {"program": program}, count)
    return family


def _node(name: str) -> Iterable[Metric]:
    """Nothing without a cluster."""
    if name:
        family = Metric(NODE, FAMILIES[NODE], "gauge")
        family.add_sample(NODE, {"node": name}, 1)
        yield family


def _rooms(rooms: Mapping[tuple[str, str], int | float]) -> Iterable[Metric]:
    families: dict[str, Metric] = {}
    for (room, name), value in rooms.items():
        full, is_counter = ROOM_PREFIX + name, name.endswith("_total")
        kind = "counter" if is_counter else "gauge"
        fresh = Metric(full.removesuffix("_total"), ROOM_HELP[name], kind)
        families.setdefault(name, fresh).add_sample(full, {"room": room}, value)
    return families.values()


def _family(families: dict[str, Metric], name: str, kind: str) -> Metric:
    """The family of a name; the same name of another kind gets a family of its own."""
    text = help_of(f"{name}_total" if kind == "counter" else name)
    name = "mixminus_" + _UNFIT.sub("_", name)
    known = families.get(name)
    if known is not None and known.type != kind:
        name = f"{name}_{kind}"
    return families.setdefault(name, Metric(name, text, kind))


def _add_histogram(family: Metric, labels: dict[str, str], report: list[int]) -> None:
    """Add cumulative buckets, their count, and the sum in ms, where it was reported."""
    seen, bounds = 0, [*map(str, BOUNDS_MS), "+Inf"]
    for bound, count in zip(bounds, report, strict=False):
        seen += count
        family.add_sample(f"{family.name}_bucket", {**labels, "le": bound}, seen)
    family.add_sample(f"{family.name}_count", labels, seen)
    if len(report) > len(bounds):
        family.add_sample(f"{family.name}_sum", labels, report[len(bounds)] / 1000)
