// @ts-check
/** Invents a few milliseconds of sound from what was just played: the last pitch period, fading. */

/** Samples of the past that are kept (40 ms at 24 kHz). */
const HISTORY_SAMPLES = 960;
/** Pitch lags tried: 2.5 ms (400 Hz) to 15 ms (67 Hz). */
const LAG_MIN_SAMPLES = 60;
const LAG_MAX_SAMPLES = 360;
const MATCH_SAMPLES = 240;
/** Full level for 10 ms, then silent after another 60 ms. */
const HOLD_SAMPLES = 240;
const FADE_SAMPLES = 1440;

export class Concealer {
  history = new Float32Array(HISTORY_SAMPLES);
  /** Pitch lag of this episode; 0 before one begins. */
  lag = 0;
  /** Samples invented in this episode. */
  index = 0;

  /** Forget the past: what follows a reset is silence. */
  reset() {
    this.history.fill(0);
    this.lag = 0;
    this.index = 0;
  }

  /** Remember samples that were really played; ends an episode. @param {Float32Array} block */
  learn(block) {
    const { history } = this;
    history.copyWithin(0, block.length);
    history.set(block, history.length - block.length);
    this.lag = 0;
    this.index = 0;
  }

  /** Write the next `count` invented samples. @param {Float32Array} out @param {number} count */
  fill(out, count) {
    if (this.lag === 0) this.lag = this.#findLag();
    const base = HISTORY_SAMPLES - this.lag;
    for (let i = 0; i < count; i += 1) {
      const faded = (this.index - HOLD_SAMPLES) / FADE_SAMPLES;
      const gain = faded <= 0 ? 1 : Math.max(0, 1 - faded);
      out[i] = this.history[base + (this.index % this.lag)] * gain;
      this.index += 1;
    }
  }

  /** The lag with the best normalised match, on every second sample. */
  #findLag() {
    const { history } = this;
    const from = HISTORY_SAMPLES - MATCH_SAMPLES;
    let best = LAG_MAX_SAMPLES;
    let bestScore = 0;
    for (let lag = LAG_MIN_SAMPLES; lag <= LAG_MAX_SAMPLES; lag += 1) {
      let dot = 0;
      let energy = 1e-9;
      for (let i = from; i < HISTORY_SAMPLES; i += 2) {
        dot += history[i] * history[i - lag];
        energy += history[i - lag] ** 2;
      }
      const score = dot > 0 ? (dot * dot) / energy : 0;
      if (score > bestScore) {
        bestScore = score;
        best = lag;
      }
    }
    return best;
  }
}
