// @ts-check
/** Frames that wait to be played, found by their number. Holds at most SLOTS in a row. */

import { seqAdd, seqDelta } from "./wire.js";

/** A power of two, more than any cap. */
export const SLOTS = 64;

/**
 * @typedef {object} Slot
 * @property {number} seq
 * @property {number} flags
 * @property {Int16Array} pcm 480 samples
 * @property {number} atMs arrival
 * @property {bigint} stampNs the gateway's stamp of the frame
 */

export class FrameRing {
  /** Number of the frame to be played next, here or not. */
  next = 0;
  /** Highest number that came; meaningless while nothing waits. */
  high = 0;
  /** Frames that are here. */
  waiting = 0;
  /** @type {(Slot|null)[]} */
  #slots = new Array(SLOTS).fill(null);

  /** The frame to be played next, when it is here. */
  get head() {
    return this.#slots[this.next % SLOTS];
  }

  /** The newest frame that waits. */
  get newest() {
    return this.waiting > 0 ? this.#slots[this.high % SLOTS] : null;
  }

  /** Frames from `next` to the newest, holes included. */
  get span() {
    return this.waiting > 0 ? seqDelta(this.high, this.next) + 1 : 0;
  }

  /** Count from here; nothing may wait. @param {number} seq */
  startAt(seq) {
    this.next = seq;
    this.high = seq;
  }

  /** @param {Slot} slot between `next` and `next` + SLOTS @returns {boolean} false: it was here already */
  store(slot) {
    const index = slot.seq % SLOTS;
    if (this.#slots[index]) return false;
    this.#slots[index] = slot;
    this.waiting += 1;
    if (seqDelta(slot.seq, this.high) > 0) this.high = slot.seq;
    return true;
  }

  /** Go past `next`, whether it is here or not. */
  step() {
    const index = this.next % SLOTS;
    if (this.#slots[index]) this.waiting -= 1;
    this.#slots[index] = null;
    this.next = seqAdd(this.next, 1);
  }

  /** Go past the hole before the oldest frame that waits; one must. @returns {Slot} */
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
