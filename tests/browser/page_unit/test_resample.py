"""resample.js: every rate pair that devices have, in-band quality, rejection, exact counts."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

TONE = """
const [inHz, outHz, toneHz] = a;
const converter = new m.Resampler(inHz, outHz);
const total = Math.round(inHz * 0.6);
const out = new Float32Array(8192);
const got = [];
for (let at = 0; at < total; at += 128) {
  const chunk = new Float32Array(128);
  for (let i = 0; i < 128; i += 1) chunk[i] = Math.sin(2 * Math.PI * toneHz * (at + i) / inHz);
  const count = converter.process(chunk, 128, out, out.length);
  for (let i = 0; i < count; i += 1) got.push(out[i]);
}
const skip = Math.round(outHz * 0.1), used = Math.round(outHz * 0.4);
const delay = converter.delaySeconds;
"""
SNR = (
    TONE
    + """
let signal = 0, error = 0;
for (let k = skip; k < skip + used; k += 1) {
  const ideal = Math.sin(2 * Math.PI * toneHz * (k / outHz - delay));
  signal += ideal ** 2; error += (got[k] - ideal) ** 2;
}
return 10 * Math.log10(signal / error);
"""
)
LEVEL = (
    TONE
    + """
let power = 0;
for (let k = skip; k < skip + used; k += 1) power += got[k] ** 2;
return 10 * Math.log10(2 * power / used + 1e-20);
"""
)

DEVICE_RATES_HZ = [44100, 48000, 96000, 16000]


@pytest.mark.parametrize("device_hz", DEVICE_RATES_HZ)
@pytest.mark.parametrize("tone_hz", [200, 1000, 3400, 6000])
def test_in_band_tones_come_through_in_both_directions(
    run: Run, device_hz: int, tone_hz: int
) -> None:
    down = run("audio/resample.js", SNR, [device_hz, 24000, tone_hz])
    up = run("audio/resample.js", SNR, [24000, device_hz, tone_hz])
    assert min(down, up) >= 75


@pytest.mark.parametrize("device_hz", [44100, 48000])
def test_the_band_reaches_nine_and_a_half_kilohertz(run: Run, device_hz: int) -> None:
    assert run("audio/resample.js", SNR, [device_hz, 24000, 9500]) >= 75
    assert run("audio/resample.js", SNR, [24000, device_hz, 9500]) >= 75


@pytest.mark.parametrize("device_hz", [44100, 48000])
def test_what_would_alias_is_rejected(run: Run, device_hz: int) -> None:
    assert (
        max(run("audio/resample.js", LEVEL, [device_hz, 24000, hz]) for hz in (12500, 14000, 19000))
        < -75
    )


def test_input_needed_gives_exactly_a_quantum_for_an_hour(run: Run) -> None:
    wrong, ratio = run(
        "audio/resample.js",
        """const converter = new m.Resampler(24000, 44100);
        const input = new Float32Array(512), out = new Float32Array(128);
        let wrong = 0, taken = 0, quanta = 20000;
        for (let k = 0; k < quanta; k += 1) {
          const needed = converter.inputNeeded(128);
          taken += needed;
          if (converter.process(input, needed, out, 128) !== 128) wrong += 1;
        }
        return [wrong, taken / (quanta * 128)];""",
    )
    assert wrong == 0
    assert abs(ratio - 24000 / 44100) < 1e-4


def test_silence_stays_exactly_silent_and_a_constant_keeps_its_level(run: Run) -> None:
    silence, level = run(
        "audio/resample.js",
        """const converter = new m.Resampler(44100, 24000);
        const out = new Float32Array(4096);
        const zeros = converter.process(new Float32Array(2000), 2000, out, 4096);
        const silence = Math.max(...out.subarray(0, zeros).map(Math.abs));
        const count = converter.process(new Float32Array(4000).fill(0.5), 4000, out, 4096);
        return [silence, out[count - 1]];""",
    )
    assert silence == 0
    assert abs(level - 0.5) < 1e-5


ADJUSTED = """
const [outHz, toneHz, ppm] = a;
const inHz = 24000, taken = 1 + ppm / 1e6;
const converter = new m.Resampler(inHz, outHz);
converter.adjust(ppm);
const out = new Float32Array(128), got = [];
let at = 0, wrong = 0;
for (let k = 0; k < 600; k += 1) {
  const needed = converter.inputNeeded(128);
  const chunk = Float32Array.from({ length: needed }, (_, i) =>
    Math.sin(2 * Math.PI * toneHz * (at + i) / inHz));
  at += needed;
  if (converter.process(chunk, needed, out, 128) !== 128) wrong += 1;
  got.push(...out);
}
let signal = 0, error = 0;
for (let k = 6400; k < got.length; k += 1) {
  const ideal = Math.sin(2 * Math.PI * toneHz * (k * taken / outHz - converter.delaySeconds));
  signal += ideal ** 2; error += (got[k] - ideal) ** 2;
}
return [wrong, 10 * Math.log10(signal / error)];
"""


@pytest.mark.parametrize("device_hz", DEVICE_RATES_HZ)
@pytest.mark.parametrize("ppm", [-2000, 187.3])
def test_an_adjusted_ratio_is_as_exact_and_gives_whole_quanta(
    run: Run, device_hz: int, ppm: float
) -> None:
    wrong, snr_db = run("audio/resample.js", ADJUSTED, [device_hz, 3400, ppm])
    assert wrong == 0
    assert snr_db >= 75
