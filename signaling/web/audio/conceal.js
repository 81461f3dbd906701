// @ts-check
/**
 * Packet loss concealment: repeats the last pitch period of what was played, fading out. Sans-I/O.
 *
 * Waveform substitution as in ITU-T G.711 Appendix I; `mixer_core/concealment.py` does the same.
 */

/** Samples that are remembered: 40 ms at 24 kHz. */
const HISTORY_SAMPLES = 960;
/** Pitch lags tried: 2.5 ms (400 Hz) to 15 ms (67 Hz). */
const LAG_MIN_SAMPLES = 60;
const LAG_MAX_SAMPLES = 360;
const MATCH_SAMPLES = 240;
/** Full level for 10 ms, then silent after another 50 ms. */
const HOLD_SAMPLES = 240;
const FADE_SAMPLES = 1200;

export class Concealer {
  history = new Float32Array(HISTORY_SAMPLES);
  /** Pitch lag of this episode; 0 between episodes. */
  lagSamples = 0;
  /** Samples written in this episode. */
  doneSamples = 0;
  #period = new Float32Array(LAG_MAX_SAMPLES);

  /** Forget what was played; there is silence to repeat. */
  reset() {
    this.history.fill(0);
    this.lagSamples = 0;
    this.doneSamples = 0;
  }

  /** Everything has faded. */
  get isOver() {
    return this.doneSamples >= HOLD_SAMPLES + FADE_SAMPLES;
  }

  /** Remember samples of a real frame; ends an episode of concealment. @param {Float32Array} block */
  learn(block) {
    const { history } = this;
    history.copyWithin(0, block.length);
    history.set(block, history.length - block.length);
    this.lagSamples = 0;
    this.doneSamples = 0;
  }

  /** Write the next `count` samples of concealment. @param {Float32Array} out @param {number} count */
  fill(out, count) {
    if (this.lagSamples === 0) this.#begin();
    for (let i = 0; i < count; i += 1) {
      const faded = (this.doneSamples - HOLD_SAMPLES) / FADE_SAMPLES;
      const gain = faded <= 0 ? 1 : Math.max(0, 1 - faded);
      out[i] = this.#period[this.doneSamples % this.lagSamples] * gain;
      this.doneSamples += 1;
    }
  }

  /** The period to repeat; its last quarter fades into what was before it, so that it ends as it begins. */
  #begin() {
    const lag = this.#findLag();
    const base = HISTORY_SAMPLES - lag;
    const quarter = Math.floor(lag / 4);
    for (let i = 0; i < lag; i += 1) {
      const share = Math.max(0, i - (lag - quarter)) / quarter;
      this.#period[i] = this.history[base + i] * (1 - share) + this.history[base - lag + i] * share;
    }
    this.lagSamples = lag;
  }

  /** The lag with the best normalised correlation, over every second sample. */
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
