// @ts-check
/**
 * Streaming sample-rate converter for any two integer rates: a polyphase windowed-sinc filter with one
 * exact row of coefficients per output phase, without interpolation between rows. Sans-I/O.
 *
 * The ratio out/in is reduced to L/M. Output k lies at input position k*M/L; its phase is
 * (k*M mod L)/L. The filter spans 64 samples of the slower rate under a Kaiser window (about 90 dB),
 * passes up to about 0.41 of the slower rate and stops at its Nyquist frequency.
 */

const TAPS_AT_LOW_RATE = 64;
const KAISER_BETA = 9;
/** Half the transition band, as a fraction of the lower Nyquist frequency. */
const HALF_TRANSITION = 0.09;

/** @param {number} a @param {number} b @returns {number} */
function gcd(a, b) {
  return b === 0 ? a : gcd(b, a % b);
}

/** Modified Bessel function of order zero. @param {number} x */
function besselI0(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; k < 60 && term > sum * 1e-14; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/**
 * Coefficient rows, one per phase, each `taps` long and with a sum of one.
 * @param {number} phases
 * @param {number} taps even, at the input rate
 * @param {number} cutoff fraction of the input's Nyquist frequency
 */
function makeTable(phases, taps, cutoff) {
  const table = new Float32Array(phases * taps);
  const half = taps / 2;
  const windowScale = 1 / besselI0(KAISER_BETA);
  const row = new Float64Array(taps);
  for (let phase = 0; phase < phases; phase += 1) {
    let sum = 0;
    for (let tap = 0; tap < taps; tap += 1) {
      const x = tap - (half - 1) - phase / phases;
      const edge = x / half;
      const window = edge * edge >= 1 ? 0 : besselI0(KAISER_BETA * Math.sqrt(1 - edge * edge));
      const angle = Math.PI * cutoff * x;
      row[tap] = (x === 0 ? 1 : Math.sin(angle) / angle) * window * windowScale;
      sum += row[tap];
    }
    for (let tap = 0; tap < taps; tap += 1) table[phase * taps + tap] = row[tap] / sum;
  }
  return table;
}

export class Resampler {
  /**
   * @param {number} inHz integer rate of the input
   * @param {number} outHz integer rate of the output
   */
  constructor(inHz, outHz) {
    const common = gcd(inHz, outHz);
    this.inHz = inHz;
    this.outHz = outHz;
    /** Output phases. */
    this.phases = outHz / common;
    /** Phases that the position advances per output sample. */
    this.step = inHz / common;
    const widen = Math.max(1, inHz / outHz);
    this.taps = 2 * Math.ceil((TAPS_AT_LOW_RATE * widen) / 2);
    this.table = makeTable(this.phases, this.taps, (1 - HALF_TRANSITION) / widen);
    this.history = new Float32Array(this.taps * 4 + 4096);
    /** Samples in `history`; it begins with silence. */
    this.filled = this.taps - 1;
    /** Where in `history` the window of the next output sample starts. */
    this.start = 0;
    this.phase = 0;
  }

  /** Delay of the filter. */
  get delaySeconds() {
    return this.taps / 2 / this.inHz;
  }

  /**
   * How many more input samples `process` needs to write exactly `outputs` samples.
   * @param {number} outputs
   */
  inputNeeded(outputs) {
    if (outputs <= 0) return 0;
    const last = this.start + Math.floor((this.phase + (outputs - 1) * this.step) / this.phases);
    return Math.max(0, last + this.taps - this.filled);
  }

  /**
   * Take input, write every output sample that it completes.
   * @param {Float32Array} input
   * @param {number} count samples of `input` to take, at most 4096
   * @param {Float32Array} output
   * @param {number} limit room in `output`
   * @returns {number} samples written
   */
  process(input, count, output, limit) {
    this.#append(input, count);
    const { history, table, taps, phases, step } = this;
    let start = this.start;
    let phase = this.phase;
    let written = 0;
    while (written < limit && start + taps <= this.filled) {
      const row = phase * taps;
      let sum = 0;
      for (let tap = 0; tap < taps; tap += 1) sum += history[start + tap] * table[row + tap];
      output[written] = sum;
      written += 1;
      phase += step;
      while (phase >= phases) {
        phase -= phases;
        start += 1;
      }
    }
    this.start = start;
    this.phase = phase;
    return written;
  }

  /** @param {Float32Array} input @param {number} count */
  #append(input, count) {
    if (this.filled + count > this.history.length) {
      const keep = Math.min(this.start, this.filled);
      this.history.copyWithin(0, keep, this.filled);
      this.filled -= keep;
      this.start -= keep;
      if (this.filled + count > this.history.length) {
        const grown = new Float32Array((this.filled + count) * 2);
        grown.set(this.history.subarray(0, this.filled));
        this.history = grown;
      }
    }
    for (let i = 0; i < count; i += 1) this.history[this.filled + i] = input[i];
    this.filled += count;
  }
}
