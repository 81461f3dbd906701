"""``python -m benchmarks.rig.tick_mixer``: the real mixer, with exact histograms.

What the mixer counts in buckets is also kept in nanoseconds, and written to the file that
``FILE_VARIABLE`` names when the process ends.
"""

from __future__ import annotations

import json
import os
import sys
from array import array
from pathlib import Path

from mixer_core import service
from mixer_core.runtime import metrics

FILE_VARIABLE = "BENCH_TICK_FILE"


class ExactHistogram(metrics.Histogram):
    """A histogram that remembers every duration."""

    __slots__ = ("durations_ns",)

    def __init__(self) -> None:
        super().__init__()
        self.durations_ns: array[int] = array("q")

    def observe_ns(self, duration_ns: int) -> None:
        """Count and remember one duration."""
        super().observe_ns(duration_ns)
        self.durations_ns.append(duration_ns)


class ExactMetrics(metrics.Metrics):
    """Gives out histograms that remember."""

    def __init__(self) -> None:
        super().__init__()
        self.exact: dict[str, ExactHistogram] = {}
        _made.append(self)

    def histogram(self, name: str) -> metrics.Histogram:
        """The histogram of that name."""
        return self.exact.setdefault(name, ExactHistogram())


_made: list[ExactMetrics] = []


def main() -> int:
    """Run the mixer, then write what it remembers."""
    vars(service)["Metrics"] = ExactMetrics
    exit_code = service.main()
    content = {
        name: histogram.durations_ns.tolist()
        for made in _made
        for name, histogram in made.exact.items()
    }
    counters = {name: value for made in _made for name, value in made.values.items()}
    Path(os.environ[FILE_VARIABLE]).write_text(
        json.dumps({"durations_ns": content, "counters": counters}), encoding="ascii"
    )
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
