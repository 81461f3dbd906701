"""``/metrics``: totals and the registry's counts in Prometheus text format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric

from mixer_core.runtime.metrics import BOUNDS_MS

from ..registry.totals import Key, Value

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BACKLOG = "audio_backlog_ms"
_STAGE = re.compile(r"audio_backlog_(\w+)_ms|(\w+)_backlog_ms")
"""Backlog gauges of one stage; ``audio_backlog_ms`` is that of the whole program."""
_UNFIT = re.compile(r"[^a-zA-Z0-9_]")


def render(
    sums: Mapping[Key, Value], gauges: Mapping[Key, int | float], counts: Mapping[str, int]
) -> bytes:
    """The page.

    Args:
        sums: counters and histograms, from ``Totals.sums``.
        gauges: gauges, from ``Totals.gauges``.
        counts: from ``Registry.counts``; they become gauges of signaling.
    """
    own = {("signaling", name): count for name, count in counts.items()}
    families = _families(sums, {**gauges, **own})
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
            family = families.setdefault(BACKLOG, Metric(BACKLOG, "Audio that waits.", "gauge"))
        else:
            family = _family(families, name, "gauge")
        family.add_sample(family.name, labels, number)
    return families.values()


def _stage(name: str) -> str:
    """The stage of a backlog gauge; empty for other gauges."""
    match = _STAGE.fullmatch(name)
    return (match[1] or match[2]) if match else ""


def _family(families: dict[str, Metric], name: str, kind: str) -> Metric:
    """The family of a name; the same name of another kind gets a family of its own."""
    name = "mixminus_" + _UNFIT.sub("_", name)
    known = families.get(name)
    if known is not None and known.type != kind:
        name = f"{name}_{kind}"
    return families.setdefault(name, Metric(name, f"Reported by the programs ({kind}).", kind))


def _add_histogram(family: Metric, labels: dict[str, str], counts: list[int]) -> None:
    """Add cumulative buckets and the count; the sum is not known."""
    seen = 0
    for bound, count in zip([*map(str, BOUNDS_MS), "+Inf"], counts, strict=False):
        seen += count
        family.add_sample(f"{family.name}_bucket", {**labels, "le": bound}, seen)
    family.add_sample(f"{family.name}_count", labels, seen)
