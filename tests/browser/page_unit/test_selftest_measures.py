"""selftest/measures.js: levels, round trips, clocks and what they mean."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser


def test_a_trial_can_be_stopped_while_the_browser_asks_and_nothing_stays_open(run: Run) -> None:
    result = run(
        "audio/selftest/trial.js",
        """const media = navigator.mediaDevices, asked = media.getUserMedia; let grant;
        media.getUserMedia = () => new Promise((resolve) => { grant = resolve; });
        const stopping = new AbortController(), context = new AudioContext();
        const wish = { route: "direct", cancel: true, microphoneId: "", outputId: "" };
        const ended = m.carryOut(context, wish, stopping.signal).catch(({ name }) => name);
        await new Promise((done) => setTimeout(done, 0)); stopping.abort();
        const late = new Promise((done) => setTimeout(done, 5000, "waits"));
        const how = await Promise.race([ended, late]);
        const track = { stop() { track.stopped = true; } };
        grant({ getTracks: () => [track], getAudioTracks: () => [track] });
        await new Promise((done) => setTimeout(done, 0));
        media.getUserMedia = asked; await context.close(); return [how, track.stopped];""",
    )
    assert result == ["AbortError", True]


MODULE = "audio/selftest/measures.js"
ROOM = """
const rate = 24000;
const room = ({ gain, delayS, noise = 0 }) => {
  const whole = new Float32Array(m.PLAN.end * rate);
  let seed = 7;
  for (let i = 0; i < whole.length; i += 1) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    whole[i] = noise * (seed / 2 ** 31 - 1);
  }
  const add = (sound, atS) => sound.forEach((sample, i) => {
    const at = i + Math.round((atS + delayS) * rate);
    if (at < whole.length) whole[at] += gain * sample;
  });
  for (const at of m.PLAN.chirps) add(m.chirp(rate), at);
  add(m.babble(rate, m.PLAN.babble[1] - m.PLAN.babble[0]), m.PLAN.babble[0]);
  return m.read(whole, rate);
};
"""


@pytest.mark.parametrize("delay_ms", [3, 80, 310, 540])
def test_a_round_trip_is_found_in_noise(run: Run, delay_ms: int) -> None:
    heard = run(
        MODULE, f"{ROOM} return room({{gain: 0.05, delayS: a / 1000, noise: 0.001}});", delay_ms
    )
    assert heard["roundTripMs"] == pytest.approx(delay_ms, abs=1)
    assert heard["echoDbfs"] == pytest.approx(-20 - 26, abs=2)
    assert heard["noiseDbfs"] == pytest.approx(-65, abs=2)


def test_where_nothing_comes_back_there_is_no_round_trip(run: Run) -> None:
    heard = run(MODULE, f"{ROOM} return room({{gain: 0, delayS: 0, noise: 0.01}});")
    assert heard["roundTripMs"] is None


def test_a_single_chirp_proves_nothing(run: Run) -> None:
    result = run(
        MODULE,
        """return [m.roundTripMs([80, null, null]), m.roundTripMs([80, 300, null]),
        m.roundTripMs([null, 81, 80]), m.roundTripMs([])];""",
    )
    assert result == [None, None, 80.5, None]


def test_the_babble_is_as_loud_as_speech_and_never_clips(run: Run) -> None:
    level, peak = run(
        MODULE,
        """const s = m.babble(48000, 2);
        return [m.levelDbfs(s), s.reduce((most, x) => Math.max(most, Math.abs(x)), 0)];""",
    )
    assert level == pytest.approx(-20, abs=0.5)
    assert peak < 1


def test_a_clock_that_runs_fast_is_told_in_parts_per_million(run: Run) -> None:
    result = run(
        MODULE,
        """const points = (ppm, blurS) => Array.from({length: 150}, (_, i) => ({
          systemS: 100 + i * 0.05,
          audioS: 7 + i * 0.05 * (1 + ppm * 1e-6) + blurS * Math.sin(i * 9)}));
        return [m.drift(points(120, 0)), m.drift(points(-80, 0.0002)), m.drift([])];""",
    )
    assert result[0]["ppm"] == pytest.approx(120, abs=0.01)
    assert result[1]["ppm"] == pytest.approx(-80, abs=3 * result[1]["errorPpm"])
    assert 1 < result[1]["errorPpm"] < 30
    assert result[2] is None


def test_the_rate_of_frames_and_their_longest_gap(run: Run) -> None:
    result = run(MODULE, "return [m.frameRate([0, 20, 40, 60, 180, 200]), m.frameRate([5])];")
    assert result[0] == {"perSecond": 25, "longestGapMs": 120}
    assert result[1] == {"perSecond": 0, "longestGapMs": 0}


@pytest.mark.parametrize(
    ("off", "on", "tone", "words"),
    [
        (-62, -62, "good", "does not hear"),
        (-30, -64, "good", "works: it takes away 30 dB"),
        (-50, -58, "good", "works"),
        (-30, -44, "warning", "only 14 dB"),
        (-30, -31, "bad", "does not work"),
    ],
)
def test_two_trials_mean_something(run: Run, off: int, on: int, tone: str, words: str) -> None:
    verdict = run(
        MODULE,
        """const frames = {perSecond: 50};
        return m.verdict({echoDbfs: a[0], noiseDbfs: -65, frames},
                         {echoDbfs: a[1], noiseDbfs: -60, frames});""",
        [off, on],
    )
    assert verdict["tone"] == tone
    assert words in verdict["words"]


def test_a_browser_that_does_not_keep_up_proves_nothing(run: Run) -> None:
    verdict = run(
        MODULE,
        """return m.verdict({echoDbfs: -30, noiseDbfs: -65, frames: {perSecond: 42}},
                            {echoDbfs: -70, noiseDbfs: -65, frames: {perSecond: 50}});""",
    )
    assert verdict["tone"] == "warning"
    assert "did not keep up" in verdict["words"]


def test_another_route_is_offered_only_where_it_is_much_better(run: Run) -> None:
    result = run(
        MODULE,
        """return [m.betterRoute({direct: 3, element: 40}, 'direct'),
        m.betterRoute({direct: 30, element: 60}, 'direct'),
        m.betterRoute({direct: 12, element: 15}, 'direct'),
        m.betterRoute({direct: 30, element: 2}, 'element'),
        m.betterRoute({direct: null, element: 40}, 'direct')];""",
    )
    assert result == ["element", None, None, "direct", None]
