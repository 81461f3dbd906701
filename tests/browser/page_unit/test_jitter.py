"""jitter.js: order, loss, pauses, epochs, latency; driven by a schedule of arrivals, no clock."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

FRAME_MS = 20
PER_MS = 24

# A sine of an odd frequency, so that every sample of the stream is known by its index.
# plan: [[arrivalMs, seq, epoch, flags], ...]; until: ms; silence where `quiet`.
SIMULATE = """
const { plan, until, options = {}, quiet = [], flushes = [] } = a;
const buffer = new m.JitterBuffer(options);
const tone = (n) => 8000 * Math.sin(2 * Math.PI * 313.77 * n / 24000);
const pcmOf = (seq) => Int16Array.from({length: 480}, (_, i) =>
  quiet.some(([from, to]) => seq >= from && seq < to) ? 0 : Math.round(tone(seq * 480 + i)));
const arrivals = plan.map((row) => [...row]).sort((x, y) => x[0] - y[0]);
const out = []; const block = new Float32Array(64); const accounts = []; const levels = [];
let at = 0, flushAt = 0;
for (let n = 0; n < until * 24; n += 64) {
  const nowMs = n / 24;
  while (at < arrivals.length && arrivals[at][0] <= nowMs) {
    const [, seq, epoch, flags] = arrivals[at]; at += 1;
    const account = buffer.push(seq >>> 0, epoch, flags, pcmOf(seq), nowMs);
    if (account) accounts.push([n, account]);
  }
  while (flushAt < flushes.length && flushes[flushAt][0] <= nowMs) {
    const account = buffer.flush(flushes[flushAt][1]); flushAt += 1;
    if (account) accounts.push([n, account]);
  }
  buffer.pull(block, 64, nowMs);
  out.push(...block);
  levels.push(buffer.bufferedMs);
}
const start = out.findIndex((x) => x !== 0);
"""
SUMMARY = """
// The longest run of output, from the first sound on, that equals the stream from `first` on.
const first = a.first ?? 0;
let exact = 0;
const ideal = (k) => Math.round(tone(first * 480 + k)) / 32768;
const origin = out.findIndex((_, n) => {
  for (let k = 1; k < 200; k += 1) if (!(Math.abs(out[n + k] - ideal(k)) < 1e-6)) return false;
  return Math.abs(out[n] - ideal(0)) < 1e-6;
});
while (origin + exact < out.length && Math.abs(
  out[origin + exact] - ideal(exact)) < 1e-6) exact += 1;
return { counts: buffer.counts, state: buffer.state, playedMs: buffer.playedMs,
  startMs: origin / 24,
  exact, accounts, targetMs: buffer.targetMs, maxLevelMs: Math.max(...levels),
  lastLevelMs: levels.at(-1), sound: out.reduce((last, x, n) => (x !== 0 ? n : last), -1) };
"""


def plan(count: int, first: int = 0, epoch: int = 0, at_ms: float = 0.0, pause: bool = True) -> Any:
    """Frames in perfect time; the last one announces a pause."""
    rows = [[at_ms + FRAME_MS * i, first + i, epoch, 0] for i in range(count)]
    if pause:
        rows[-1][3] = 1
    return rows


def simulate(run: Run, rows: Any, until_ms: int, **more: Any) -> Any:
    return run("audio/jitter.js", SIMULATE + SUMMARY, {"plan": rows, "until": until_ms, **more})


def clean(counts: dict[str, int], **expected: int) -> None:
    """Every counter is zero except those that are named."""
    names = set(counts) - {"frames"}
    assert {name: counts[name] for name in names} == {n: expected.get(n, 0) for n in names}


def test_a_steady_stream_is_played_to_the_sample_after_about_eighty_ms(run: Run) -> None:
    result = simulate(run, plan(50), 1500)
    assert 55 <= result["startMs"] <= 65
    assert result["exact"] >= 50 * 480
    assert result["playedMs"] == 1000
    assert result["state"] == "idle"
    clean(result["counts"])


def test_a_short_utterance_does_not_wait_for_a_full_buffer(run: Run) -> None:
    result = simulate(run, plan(2), 300)
    assert result["startMs"] <= 25
    clean(result["counts"])


def test_reordered_and_doubled_frames_change_nothing(run: Run) -> None:
    rows = plan(50)
    for i in (0, 7, 20):
        rows[i][0] += 25
    rows.append([rows[9][0] + 5, 9, 0, 0])
    result = simulate(run, rows, 1500)
    assert result["exact"] >= 50 * 480
    clean(result["counts"], duplicates=1)


def test_arrival_jitter_of_forty_ms_is_inaudible(run: Run) -> None:
    rows = plan(200)
    for i, row in enumerate(rows):
        row[0] += (i * 7919) % 41
    result = simulate(run, rows, 4500)
    assert result["exact"] >= 200 * 480
    clean(result["counts"])


def test_a_lost_frame_is_concealed_and_the_rest_keeps_its_place(run: Run) -> None:
    rows = [row for row in plan(50) if row[1] != 10]
    lost = simulate(run, rows, 1500)
    assert lost["exact"] == pytest.approx(10 * 480, abs=40)
    assert lost["playedMs"] == 1000
    clean(lost["counts"], lost=1)
    after = run(
        "audio/jitter.js",
        SIMULATE
        + """const shift = start - 1; let worst = 0, quietest = 1;
        for (let n = 11 * 480 + 120; n < 50 * 480; n += 1)
          worst = Math.max(worst, Math.abs(out[shift + n] - Math.round(tone(n)) / 32768));
        for (let n = 10 * 480; n < 11 * 480; n += 120) quietest = Math.min(quietest,
          Math.max(...out.slice(shift + n, shift + n + 120).map(Math.abs)));
        return [worst, quietest];""",
        {"plan": rows, "until": 1500},
    )
    assert after[0] < 1e-6, "after the loss and a 5 ms cross-fade every sample is in its place"
    assert after[1] > 0.05, "the hole is filled"


def test_a_late_frame_is_counted_and_not_played(run: Run) -> None:
    rows = plan(50)
    rows[10][0] += 150
    clean(simulate(run, rows, 1500)["counts"], lost=1, late=1)


def test_an_underrun_fades_and_plays_on_without_losing_a_sample(run: Run) -> None:
    rows = plan(60)
    for row in rows[20:]:
        row[0] += 200
    result = simulate(run, rows, 2000)
    clean(result["counts"], underruns=1)
    assert result["exact"] == pytest.approx(20 * 480, abs=40)
    assert result["playedMs"] == 60 * 20
    assert result["targetMs"] == 100, "one step up"


def test_what_runs_dry_sounds_on_for_60_ms_and_fades(run: Run) -> None:
    rows = plan(60)
    for row in rows[20:]:
        row[0] += 300
    levels = run(
        "audio/jitter.js",
        SIMULATE
        + """const dry = start - 1 + 20 * 480;
        return [0, 1, 2, 3, 4, 5, 6, 7].map((n) => Math.max(
          ...out.slice(dry + n * 240, dry + n * 240 + 240).map(Math.abs)) * 32768);""",
        {"plan": rows, "until": 800},
    )
    assert levels[0] > 7_500
    assert all(one > other for one, other in pairwise(levels[:6]))
    assert levels[3] > 3_000 and levels[6:] == [0, 0]


def test_a_fixed_buffer_is_not_adapted(run: Run) -> None:
    rows = plan(60)
    for row in rows[20:]:
        row[0] += 300
    result = simulate(run, rows, 2500, options={"targetMs": 120, "fixed": True})
    assert result["targetMs"] == 120
    assert 95 <= result["startMs"] <= 105


def test_a_pause_is_no_underrun_and_the_next_utterance_may_have_any_later_seq(run: Run) -> None:
    rows = plan(10) + plan(20, first=517, at_ms=1500)
    result = simulate(run, rows, 2600, first=517)
    assert result["exact"] >= 20 * 480
    clean(result["counts"])


def test_an_utterance_that_waits_behind_a_pause_follows_at_once(run: Run) -> None:
    rows = plan(10) + plan(20, first=30, at_ms=210)
    result = simulate(run, rows, 1200, first=30)
    assert result["exact"] >= 20 * 480
    clean(result["counts"])


def test_flush_is_exact_to_the_sample_and_fades_within_three_ms(run: Run) -> None:
    result = simulate(run, plan(50), 1500, flushes=[[500, 1]])
    sample, account = result["accounts"][0]
    started = round(result["startMs"] * PER_MS)
    assert account["epoch"] == 0
    assert account["playedMs"] * PER_MS == pytest.approx(sample - started + 72, abs=0.01)
    assert result["sound"] < sample + 72
    assert sample + 60 < result["sound"]
    assert result["counts"]["stale"] == 50 - 26
    assert result["state"] == "idle"


def test_a_newer_epoch_flushes_by_itself_and_an_older_one_is_never_played(run: Run) -> None:
    rows = plan(40) + plan(20, first=40, epoch=1, at_ms=400)
    result = simulate(run, rows, 1500, first=40)
    assert [account["epoch"] for _, account in result["accounts"]] == [0]
    assert result["exact"] >= 20 * 480
    assert result["counts"]["stale"] == 40 - 21
    assert result["playedMs"] == 400


def test_the_announcement_of_a_known_epoch_drops_nothing(run: Run) -> None:
    rows = plan(20, epoch=5)
    result = simulate(run, rows, 800, flushes=[[100, 5], [150, 4], [160, 65000]])
    assert result["accounts"] == []
    assert result["exact"] >= 20 * 480


def test_epochs_and_seqs_wrap(run: Run) -> None:
    rows = plan(10, first=2**32 - 5, epoch=65535, pause=False)
    result = simulate(run, rows + plan(10, first=2**32 + 5, epoch=0, at_ms=200), 900)
    assert result["counts"]["flushes"] == 1
    assert result["counts"]["lost"] == 0
    assert result["playedMs"] == 200


def test_more_than_the_cap_is_cut_to_the_target(run: Run) -> None:
    rows = plan(20, pause=False) + [[400, 20 + i, 0, 0] for i in range(30)]
    rows += plan(20, first=50, at_ms=400)
    result = simulate(run, rows, 1600)
    assert result["counts"]["capped"] > 0
    assert result["maxLevelMs"] <= 320
    assert result["counts"]["underruns"] == 0


def test_latency_is_given_back_only_in_a_long_silence(run: Run) -> None:
    burst = [[400, 20 + i, 0, 0] for i in range(8)]
    rows = plan(20, pause=False) + burst + plan(150, first=28, at_ms=400)
    speech = simulate(run, rows, 4200)
    clean(speech["counts"])
    silence = simulate(run, rows, 4200, quiet=[[60, 110]])
    assert 3 <= silence["counts"]["skipped"] <= 6
    assert silence["counts"]["underruns"] == 0
    assert silence["playedMs"] == speech["playedMs"]
    short = simulate(run, rows, 4200, quiet=[[60, 69]])
    clean(short["counts"])


def test_a_sender_that_counts_anew_is_heard_again(run: Run) -> None:
    rows = plan(100, pause=False) + plan(40, first=0, at_ms=2000)
    result = simulate(run, rows, 3500)
    assert result["counts"]["restarts"] == 1
    assert result["playedMs"] >= 100 * 20 + 40 * 20 - 100


def test_a_new_connection_starts_with_any_epoch(run: Run) -> None:
    result = run(
        "audio/jitter.js",
        """const buffer = new m.JitterBuffer(); const pcm = new Int16Array(480).fill(9000);
        for (let i = 0; i < 5; i += 1) buffer.push(900 + i, 7, 0, pcm, i);
        const out = new Float32Array(480); buffer.pull(out, 480, 10);
        const account = buffer.reset();
        buffer.pull(out, 480, 20);
        const tail = out.findLastIndex((x) => x !== 0);
        for (let i = 0; i < 5; i += 1) buffer.push(i, 2, 0, pcm, 30 + i);
        buffer.pull(out, 480, 40);
        return [account.epoch, tail < 72, out[200], buffer.counts.stale, buffer.counts.late];""",
    )
    assert result[:2] == [7, True]
    assert result[2] == pytest.approx(9000 / 32768)
    assert result[3:] == [0, 0]


def test_an_old_frame_that_comes_with_the_next_utterance_is_not_played_again(run: Run) -> None:
    rows = [*plan(10), *plan(20, first=10, at_ms=1000), [1010.0, 8, 0, 0]]
    result = simulate(run, rows, 2000, first=10)
    assert result["exact"] >= 20 * 480
    assert result["playedMs"] == 30 * 20
    clean(result["counts"], late=1)


# Frame i has the stamp 1000 + i; after each pull of 96 samples: [stamp, offset, played ms].
PLACES = """
const buffer = new m.JitterBuffer({ targetMs: 60, fixed: true });
const pcm = () => new Int16Array(480).fill(9000);
for (const [seq, flags] of a.frames) buffer.push(seq, 3, flags, pcm(), 0, BigInt(1000 + seq));
const out = new Float32Array(96); const seen = [];
const told = (played) => [Number(played.stampNs ?? -1), played.offsetSamples, played.playedMs];
for (let i = 0; i < a.pulls; i += 1) {
  buffer.pull(out, 96, i * 4);
  seen.push(told(buffer.played));
}
const flushed = buffer.flush(4);
return { seen, flushed: told(flushed), epoch: flushed.epoch, after: told(buffer.played) };
"""


def places(run: Run, frames: list[list[int]], pulls: int) -> Any:
    return run("audio/jitter.js", PLACES, {"frames": frames, "pulls": pulls})


def test_the_place_of_what_was_played_is_exact_to_the_sample(run: Run) -> None:
    result = places(run, [[0, 0], [1, 0], [2, 0]], 7)
    assert result["seen"] == [
        [1000, 96, 4], [1000, 192, 8], [1000, 288, 12], [1000, 384, 16], [1000, 480, 20],
        [1001, 96, 24], [1001, 192, 28],
    ]  # fmt: skip
    assert result["flushed"] == [1001, 192 + 72, 31], "the 3 ms in which it fades are heard too"
    assert (result["epoch"], result["after"]) == (3, [-1, 480, 0])


def test_the_fade_may_reach_into_the_next_frame(run: Run) -> None:
    assert places(run, [[0, 0], [1, 0], [2, 0]], 5)["flushed"] == [1001, 72, 23]


def test_an_invented_frame_leaves_the_place_behind_the_last_real_one(run: Run) -> None:
    result = places(run, [[0, 0], [2, 0], [3, 0]], 11)
    assert result["seen"][7] == [1000, 480, 32]
    assert result["seen"][10] == [1002, 96, 44]


def test_nothing_played_has_no_place(run: Run) -> None:
    result = places(run, [[0, 0]], 1)
    assert result["flushed"] == [-1, 480, 0]
