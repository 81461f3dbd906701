// @ts-check
/**
 * How much the jitter buffer should hold: follows the measured jitter, rises by one frame after trouble and
 * falls by 5 ms after each 10 s without. It changes only where the stream is quiet. Sans-I/O.
 */

import { FRAME_MS, seqDelta } from "./wire.js";

const BIN_MS = 10;
const BINS = 32;
/** Weight that an observation keeps with each further frame: about 10 s of memory. */
const MEMORY = 0.998;
const PERCENTILE = 0.95;
/** Margin above the measured jitter: one frame, and one for the rhythm of the worklet. */
const MARGIN_MS = 2 * FRAME_MS;
/** Clocks that drift apart by up to 1,000 ppm are no jitter: the earliest frame is forgotten that fast. */
const DRIFT_MS = FRAME_MS / 1000;
const DECAY_AFTER_MS = 10000;
const DECAY_MS = 5;

export class LatencyTarget {
  #bins = new Float64Array(BINS);
  #troubled = false;
  /** @type {number|null} */
  #baseMs = null;
  #baseSeq = 0;
  /** @type {number|null} */
  #cleanSinceMs = null;

  /** @param {{targetMs: number, minMs: number, maxMs: number, fixed: boolean}} options */
  constructor({ targetMs, minMs, maxMs, fixed }) {
    this.targetMs = targetMs;
    this.minMs = minMs;
    this.maxMs = maxMs;
    this.fixed = fixed;
  }

  /** 95th percentile of the delay against the earliest frame of an utterance. */
  get jitterMs() {
    let total = 0;
    for (const weight of this.#bins) total += weight;
    let sum = 0;
    for (let bin = 0; bin < BINS && total > 0; bin += 1) {
      sum += this.#bins[bin];
      if (sum >= PERCENTILE * total) return bin * BIN_MS;
    }
    return 0;
  }

  /** There was an underrun, or a frame that came too late. */
  noteTrouble() {
    this.#troubled = true;
  }

  /** After a pause, delays are measured from a new start. */
  forgetRhythm() {
    this.#baseMs = null;
  }

  /** A frame arrived. @param {number} seq @param {number} nowMs */
  observe(seq, nowMs) {
    if (this.#baseMs === null) {
      this.#baseMs = nowMs;
      this.#baseSeq = seq;
    }
    const lateMs = nowMs - this.#baseMs - seqDelta(seq, this.#baseSeq) * FRAME_MS;
    this.#baseMs += DRIFT_MS;
    if (lateMs < 0) this.#baseMs += lateMs;
    for (let bin = 0; bin < BINS; bin += 1) this.#bins[bin] *= MEMORY;
    this.#bins[Math.min(BINS - 1, Math.floor(Math.max(0, lateMs) / BIN_MS))] += 1;
  }

  /** The stream is quiet: adapt the target. @param {number} nowMs */
  adapt(nowMs) {
    const troubled = this.#troubled;
    this.#troubled = false;
    if (this.fixed) return;
    const needMs = Math.min(this.maxMs, this.jitterMs + MARGIN_MS);
    const raisedMs = troubled ? Math.min(this.maxMs, this.targetMs + FRAME_MS) : this.targetMs;
    this.targetMs = Math.max(raisedMs, needMs);
    if (troubled || this.#cleanSinceMs === null) {
      this.#cleanSinceMs = nowMs;
    } else if (nowMs - this.#cleanSinceMs >= DECAY_AFTER_MS) {
      this.#cleanSinceMs = nowMs;
      this.targetMs = Math.max(this.minMs, needMs, this.targetMs - DECAY_MS);
    }
  }
}
