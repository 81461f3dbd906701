"""Clocks that differ: nothing runs dry, nothing piles up, and nothing is left out of speech."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

# Speech without a pause from a sender whose clock is `ppm` faster than the device's; frames arrive
# up to `jitterMs` late. The device takes quanta of 128 samples at 48 kHz; of its resampler there is
# only the count.
TALK = """
const { ppm, minutes, jitterMs } = a;
const buffer = new m.JitterBuffer();
const pcm = Int16Array.from({ length: 480 }, (_, i) => 8000 * Math.sin(2 * Math.PI * i / 48));
const out = new Float32Array(128), levels = new Float64Array(400);
let seed = 1, owed = 0, sent = 0, worstMs = 0, worstAtStartMs = 0;
const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
const next = () => sent * 20 / (1 + ppm / 1e6) + random() * jitterMs;
let dueMs = next();
for (let n = 0; n < minutes * 60 * 375; n += 1) {
  const nowMs = n * 128 / 48;
  while (dueMs <= nowMs) { buffer.push(sent, 0, 0, pcm, nowMs); sent += 1; dueMs = next(); }
  owed += 64 * (1 + buffer.driftPpm / 1e6);
  const count = Math.floor(owed);
  owed -= count;
  buffer.pull(out, count, nowMs);
  const waits = buffer.bufferedMs;
  if (nowMs < 10000) worstAtStartMs = Math.max(worstAtStartMs, waits);
  else worstMs = Math.max(worstMs, waits);
  levels[Math.floor(waits)] += 1;
}
const total = levels.reduce((sum, one) => sum + one);
let p95Ms = 0;
for (let sum = 0; sum < 0.95 * total; p95Ms += 1) sum += levels[p95Ms];
return { counts: buffer.counts, p95Ms, worstMs, worstAtStartMs, ppm: buffer.driftPpm, sent };
"""


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
    assert found["worstAtStartMs"] < 90
    assert found["ppm"] == pytest.approx(ppm, abs=100)


def test_the_rate_is_held_within_what_nobody_hears(run: Run) -> None:
    fast, slow, lasting = run(
        "audio/drift.js",
        """const told = (excessMs, seconds) => {
          const drift = new m.Drift();
          for (let n = 0; n <= seconds * 100; n += 1) drift.observe(60 + excessMs, 60, n * 10);
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
