// @ts-check
/**
 * 24 kHz samples in, 20 ms int16 frames out. Sans-I/O. The stream pauses on mute and after 400 ms of digital
 * silence: the last frame before a pause has FLAG_PAUSE, and none follows until there is sound again.
 */

import { FLAG_PAUSE, FRAME_MS, FRAME_SAMPLES } from "./wire.js";

const SILENCE_FRAMES = 400 / FRAME_MS;
const FADE_SAMPLES = 72;
/** Digital silence with dither: at most two int16 steps. */
const SILENCE_PEAK = 2;

/**
 * @typedef {object} UplinkFrame
 * @property {Int16Array} pcm 480 samples
 * @property {number} flags
 */

export class FrameMaker {
  constructor() {
    this.current = new Float32Array(FRAME_SAMPLES);
    this.filled = 0;
    this.muted = false;
    this.paused = true;
    this.silentFrames = 0;
    this.fadeIn = false;
    /** Of the last whole frame; full scale is 1. */
    this.meanSquare = 0;
  }

  /**
   * @param {boolean} muted
   * @returns {UplinkFrame|null} the frame that ends a running stream, faded out
   */
  setMuted(muted) {
    if (muted === this.muted) return null;
    this.muted = muted;
    this.silentFrames = 0;
    const filled = this.filled;
    this.filled = 0;
    if (!muted) {
      this.fadeIn = true;
      return null;
    }
    if (this.paused) return null;
    this.paused = true;
    this.current.fill(0, filled);
    const from = Math.max(0, filled - FADE_SAMPLES);
    for (let i = from; i < filled; i += 1) this.current[i] *= (filled - i) / FADE_SAMPLES;
    return { pcm: this.#toInt16(), flags: FLAG_PAUSE };
  }

  /**
   * Take samples; calls `emit` for each frame to send, and `level` after each whole frame.
   * @param {Float32Array} samples
   * @param {number} count
   * @param {(frame: UplinkFrame) => void} emit
   * @param {() => void} level
   */
  take(samples, count, emit, level) {
    for (let i = 0; i < count; i += 1) {
      this.current[this.filled] = samples[i];
      this.filled += 1;
      if (this.filled < FRAME_SAMPLES) continue;
      this.filled = 0;
      this.#measure();
      level();
      const frame = this.muted ? null : this.#finish();
      if (frame) emit(frame);
    }
  }

  /** @returns {UplinkFrame|null} */
  #finish() {
    if (this.fadeIn) {
      for (let i = 0; i < FADE_SAMPLES; i += 1) this.current[i] *= i / FADE_SAMPLES;
      this.fadeIn = false;
    }
    const pcm = this.#toInt16();
    const silent = pcm.every((sample) => sample <= SILENCE_PEAK && sample >= -SILENCE_PEAK);
    this.silentFrames = silent ? this.silentFrames + 1 : 0;
    if (silent && this.paused) return null;
    this.paused = this.silentFrames >= SILENCE_FRAMES;
    return { pcm, flags: this.paused ? FLAG_PAUSE : 0 };
  }

  #measure() {
    let sum = 0;
    for (const sample of this.current) sum += sample * sample;
    this.meanSquare = sum / FRAME_SAMPLES;
  }

  #toInt16() {
    const pcm = new Int16Array(FRAME_SAMPLES);
    for (let i = 0; i < FRAME_SAMPLES; i += 1) {
      pcm[i] = Math.round(Math.max(-1, Math.min(1, this.current[i])) * 32767);
    }
    return pcm;
  }
}

/** Mean square to dBFS, at least -100. @param {number} meanSquare */
export function toDbfs(meanSquare) {
  return meanSquare <= 1e-10 ? -100 : 10 * Math.log10(meanSquare);
}
