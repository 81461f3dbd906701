// @ts-check
/** The block of samples that is played now (a frame, its concealment, a fade) and the position. Sans-I/O. */

import { Concealer } from "./conceal.js";
import { FRAME_MS, FRAME_SAMPLES } from "./wire.js";

const SAMPLES_PER_MS = FRAME_SAMPLES / FRAME_MS;
const FADE_SAMPLES = 5 * SAMPLES_PER_MS;
const FLUSH_FADE_SAMPLES = 3 * SAMPLES_PER_MS;

/** @typedef {import("./frame-ring.js").Slot} Slot */

/**
 * @typedef {object} Position how far the stream of an epoch was played
 * @property {number} playedMs
 * @property {bigint|null} stampNs stamp of the newest frame of which a sample was played, null before the first
 * @property {number} offsetSamples how many samples of that frame were, 0 to 480
 */

export class Playout {
  #concealer = new Concealer();
  #block = new Float32Array(FRAME_SAMPLES);
  #length = 0;
  #next = 0;
  /** The block is part of the stream, so it counts as played. */
  #counted = false;
  /** The block is the frame with the stamp `#stampNs`. */
  #real = false;
  #stampNs = /** @type {bigint|null} */ (null);
  #playedSamples = 0;
  #bridge = new Float32Array(FADE_SAMPLES);
  #bridging = false;
  #fadeIn = false;

  /** Samples of the block that were not taken yet. */
  get waitingSamples() {
    return this.#length - this.#next;
  }

  /** The same in milliseconds of the stream. */
  get waitingMs() {
    return this.#counted ? this.waitingSamples / SAMPLES_PER_MS : 0;
  }

  /** @returns {Position} */
  get position() {
    const playedMs = this.#playedSamples / SAMPLES_PER_MS;
    return { playedMs, stampNs: this.#stampNs, offsetSamples: this.#real ? this.#next : FRAME_SAMPLES };
  }

  /**
   * Move samples out.
   * @param {Float32Array} out
   * @param {number} at first index to write
   * @param {number} most
   * @returns {number} how many
   */
  take(out, at, most) {
    const count = Math.min(most, this.waitingSamples);
    for (let i = 0; i < count; i += 1) out[at + i] = this.#block[this.#next + i];
    if (this.#counted) this.#playedSamples += count;
    this.#next += count;
    return count;
  }

  /** Play a frame; after a gap it fades in, after a concealment it fades over. @param {Slot} slot */
  playFrame(slot) {
    const bridging = this.#bridging;
    if (bridging) this.#concealer.fill(this.#bridge, FADE_SAMPLES);
    for (let i = 0; i < FRAME_SAMPLES; i += 1) this.#block[i] = slot.pcm[i] / 32768;
    this.#concealer.learn(this.#block);
    for (let i = 0; (bridging || this.#fadeIn) && i < FADE_SAMPLES; i += 1) {
      const rise = i / FADE_SAMPLES;
      this.#block[i] = this.#block[i] * rise + (bridging ? this.#bridge[i] * (1 - rise) : 0);
    }
    this.#bridging = false;
    this.#fadeIn = false;
    this.#stampNs = slot.stampNs;
    this.#setBlock(FRAME_SAMPLES, true);
    this.#real = true;
  }

  /** Play a concealment in place of a lost frame. */
  conceal() {
    this.#concealer.fill(this.#block, FRAME_SAMPLES);
    this.#bridging = true;
    this.#setBlock(FRAME_SAMPLES, true);
  }

  /** Play a frame of silence that is not part of the stream. */
  insertSilence() {
    this.#block.fill(0);
    this.#setBlock(FRAME_SAMPLES, false);
  }

  /**
   * Nothing waits: the last period goes on for 5 ms, fading as after a loss; what comes next fades over.
   * @returns {boolean} false: it has faded
   */
  fadeOut() {
    if (this.#concealer.isOver) return false;
    this.#concealer.fill(this.#block, FADE_SAMPLES);
    this.#bridging = true;
    this.#setBlock(FADE_SAMPLES, false);
    return true;
  }

  /** It will not go on: what comes next is another utterance. */
  forgetFade() {
    this.#bridging = false;
  }

  /** The next frame fades in. */
  fadeInNext() {
    this.#fadeIn = true;
  }

  /** Frames that are left out count as played. @param {number} frames */
  skip(frames) {
    this.#playedSamples += frames * FRAME_SAMPLES;
  }

  /** The next frame fades over. */
  bridgeNext() {
    this.#bridging = true;
  }

  /**
   * Drop everything; the next 3 ms of the stream fade out.
   * @param {Slot|null} following the frame after the block
   * @param {boolean} playing the stream would have gone on after the block
   * @returns {Position} how far it is played, the fade included
   */
  flush(following, playing) {
    const sounding = playing || this.waitingSamples > 0;
    const position = sounding && this.#counted ? this.#positionAfterFade(following) : this.position;
    const tail = new Float32Array(FLUSH_FADE_SAMPLES);
    if (sounding) this.#copyTail(tail, following);
    this.#stampNs = null;
    this.#playedSamples = 0;
    this.#concealer.reset();
    this.#bridging = false;
    this.#fadeIn = false;
    this.#block.set(tail);
    this.#setBlock(sounding ? FLUSH_FADE_SAMPLES : 0, false);
    return position;
  }

  /** @param {Slot|null} following @returns {Position} */
  #positionAfterFade(following) {
    const { position } = this;
    const playedMs = position.playedMs + FLUSH_FADE_SAMPLES / SAMPLES_PER_MS;
    const rest = FLUSH_FADE_SAMPLES - this.waitingSamples;
    if (rest > 0 && following) return { playedMs, stampNs: following.stampNs, offsetSamples: rest };
    const offsetSamples = Math.min(FRAME_SAMPLES, position.offsetSamples + FLUSH_FADE_SAMPLES);
    return { ...position, playedMs, offsetSamples };
  }

  /** What would be played next, fading out. @param {Float32Array} tail @param {Slot|null} following */
  #copyTail(tail, following) {
    const rest = Math.min(this.waitingSamples, tail.length);
    tail.set(this.#block.subarray(this.#next, this.#next + rest));
    for (let i = rest; following && i < tail.length; i += 1) tail[i] = following.pcm[i - rest] / 32768;
    for (let i = 0; i < tail.length; i += 1) tail[i] *= 1 - (i + 1) / tail.length;
  }

  /** @param {number} length @param {boolean} counted */
  #setBlock(length, counted) {
    this.#length = length;
    this.#next = 0;
    this.#counted = counted;
    this.#real = false;
  }
}
