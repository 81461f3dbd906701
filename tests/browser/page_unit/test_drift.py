"""Clocks that differ: nothing runs dry, nothing piles up, and nothing is left out of speech."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.rig.page_audio import TALK
from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser


def talk(run: Run, **more: Any) -> Any:
    return run("audio/jitter.js", TALK, more)


@pytest.mark.parametrize("jitter_ms", [0, 10])
@pytest.mark.parametrize("ppm", [200, -200])
def test_twenty_minutes_without_a_pause_and_nothing_runs_dry_or_piles_up(
    run: Run, ppm: int, jitter_ms: int
) -> None:
    found = talk(run, ppm=ppm, minutes=20, jitterMs=jitter_ms)
    counts = found["counts"]
    assert counts.pop("frames") == found["sent"] > 59_900
    assert set(counts.values()) == {0}
    assert found["p95Ms"] < 80 and found["worstMs"] < 80
    assert found["worstAtStartMs"] < 85, "in the first minute, as it fills to 80 ms and jitters"
    assert found["ppm"] == pytest.approx(ppm, abs=100)


def test_the_rate_is_held_within_what_nobody_hears(run: Run) -> None:
    fast, slow, lasting = run(
        "audio/drift.js",
        """const told = (excessMs, seconds) => {
          const drift = new m.Drift();
          for (let n = 0; n <= seconds * 10; n += 1) drift.observe(60 + excessMs, 60, n * 100);
          return drift;
        };
        const drift = told(5, 5000);
        drift.restart();
        return [told(500, 60).ppm, told(-500, 60).ppm, drift.ppm];""",
    )
    assert (fast, slow) == (2000, -2000)
    assert lasting == 500, "what lasts is known to the next utterance, and bounded"


def test_clocks_that_drift_are_no_jitter(run: Run) -> None:
    found = run(
        "audio/latency.js",
        """const options = { targetMs: 80, minMs: 40, maxMs: 200, fixed: false };
        const latency = new m.LatencyTarget(options);
        for (let n = 0; n < 60000; n += 1) latency.observe(n, n * 20 * (1 + 200e-6));
        return latency.jitterMs;""",
    )
    assert found == 0
