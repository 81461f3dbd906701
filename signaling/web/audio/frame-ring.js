// @ts-check
/** Frames that wait to be played, by number: at most SLOTS places in a row. Sans-I/O. */

import { seqAdd, seqDelta } from "./wire.js";

/** A power of two, more than the jitter buffer's cap. */
export const SLOTS = 64;

/**
 * @typedef {object} Slot
 * @property {number} seq
 * @property {number} flags
 * @property {Int16Array} pcm 480 samples
 * @property {number} atMs when it arrived
 * @property {bigint} stampNs the gateway's stamp of the frame
 */

export class FrameRing {
  /** Number of the frame to play next, whether it has arrived or not. */
  next = 0;
  /** Highest number that has arrived; meaningless while nothing waits. */
  high = 0;
  /** Frames that wait. */
  waiting = 0;
  /** @type {(Slot|null)[]} */
  #slots = new Array(SLOTS).fill(null);

  /** The frame to play next, if it has arrived. */
  get head() {
    return this.#slots[this.next % SLOTS];
  }

  /** The newest frame that waits. */
  get newest() {
    return this.waiting > 0 ? this.#slots[this.high % SLOTS] : null;
  }

  /** Places from `next` to the newest frame, holes included. */
  get span() {
    return this.waiting > 0 ? seqDelta(this.high, this.next) + 1 : 0;
  }

  /** Count from here; nothing may wait. @param {number} seq */
  startAt(seq) {
    this.next = seq;
    this.high = seq;
  }

  /** @param {Slot} slot between `next` and `next` + SLOTS @returns {boolean} false: a duplicate */
  store(slot) {
    const index = slot.seq % SLOTS;
    if (this.#slots[index]) return false;
    this.#slots[index] = slot;
    this.waiting += 1;
    if (seqDelta(slot.seq, this.high) > 0) this.high = slot.seq;
    return true;
  }

  /** Go past `next`, filled or not. */
  step() {
    const index = this.next % SLOTS;
    if (this.#slots[index]) this.waiting -= 1;
    this.#slots[index] = null;
    this.next = seqAdd(this.next, 1);
  }

  /** Go past the hole before the oldest waiting frame; there must be one. @returns {Slot} */
  skipHole() {
    while (!this.head) this.next = seqAdd(this.next, 1);
    return this.head;
  }

  clear() {
    this.#slots.fill(null);
    this.waiting = 0;
    this.high = seqAdd(this.next, -1);
  }
}
