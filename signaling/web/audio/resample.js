// @ts-check
/**
 * Streaming sample-rate converter for any two integer rates: a polyphase windowed-sinc filter with an
 * exact row of coefficients per output phase. Sans-I/O.
 *
 * The ratio out/in is reduced to L/M. Output k lies at input position k*M/L; its phase is
 * (k*M mod L)/L. The filter spans 64 samples of the slower rate under a Kaiser window (about 90 dB),
 * passes up to about 0.41 of the slower rate and stops at its Nyquist frequency.
 *
 * While it is asked to take a little more or less (`adjust`), phases lie between rows, of which there are
 * at least 512: the two nearest are interpolated, which costs twice as much and is as exact.
 */

const TAPS_AT_LOW_RATE = 64;
const KAISER_BETA = 9;
/** Rows between which an adjusted ratio is interpolated: enough for 90 dB. */
const LEAST_PHASES = 512;
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
 * Coefficient rows, one per phase and one for the next sample's first, each `taps` long and with a sum of one.
 * @param {number} phases
 * @param {number} taps even, at the input rate
 * @param {number} cutoff fraction of the input's Nyquist frequency
 */
function makeTable(phases, taps, cutoff) {
  const table = new Float32Array((phases + 1) * taps);
  const half = taps / 2;
  const windowScale = 1 / besselI0(KAISER_BETA);
  const row = new Float64Array(taps);
  for (let phase = 0; phase <= phases; phase += 1) {
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

/**
 * @param {Float32Array} samples
 * @param {number} at
 * @param {Float32Array} table
 * @param {number} row
 * @param {number} taps
 */
function dot(samples, at, table, row, taps) {
  let sum = 0;
  for (let tap = 0; tap < taps; tap += 1) sum += samples[at + tap] * table[row + tap];
  return sum;
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
    const finer = Math.ceil((LEAST_PHASES * common) / outHz);
    /** Phases of the position between two input samples. */
    this.phases = (finer * outHz) / common;
    /** Phases that the position advances per output sample. */
    this.exactStep = (finer * inHz) / common;
    this.step = this.exactStep;
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

  /** Take `ppm` parts per million more input than the rates say; 0: exactly as much. @param {number} ppm */
  adjust(ppm) {
    this.step = this.exactStep * (1 + ppm / 1e6);
    if (ppm === 0) this.phase = Math.min(this.phases - 1, Math.round(this.phase));
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
    let { start, phase } = this;
    let written = 0;
    while (written < limit && start + taps <= this.filled) {
      const row = Math.floor(phase);
      const share = phase - row;
      let sum = dot(history, start, table, row * taps, taps);
      if (share > 0) sum += share * (dot(history, start, table, (row + 1) * taps, taps) - sum);
      output[written] = sum;
      written += 1;
      // Computed as `inputNeeded` does, so that no rounding comes between the two.
      const passed = this.phase + written * step;
      const whole = Math.floor(passed / phases);
      start = this.start + whole;
      phase = Math.max(0, passed - whole * phases);
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
