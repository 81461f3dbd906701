// @ts-check
/** Decides where an arriving frame belongs: in its place, too late, or to a restarted sender. Sans-I/O. */

import { FrameRing, SLOTS } from "./frame-ring.js";
import { FLAG_PAUSE, seqAdd, seqDelta } from "./wire.js";

/** A frame this far behind, or this many late ones in a row: the sender counts from a new start. */
const RESTART_BEHIND_FRAMES = 50;
const RESTART_LATE_FRAMES = 10;
/** Places kept free after an announced pause, for frames that arrive out of order. */
const PAUSE_GAP_FRAMES = 3;

export class FrameOrder {
  ring = new FrameRing();

  /** The sender's seq minus the ring's number. */
  #gapFrames = 0;
  /** @type {number|null} last number that was played, concealed or skipped */
  #lastSeq = null;
  #lateRun = 0;

  /**
   * The ring's number of a frame. After an announced pause the stream may go on at any later seq; that gap
   * is not a loss, so it is taken out, except for a few places.
   * @param {number} seq the sender's
   */
  number(seq) {
    const number = seqAdd(seq, -this.#gapFrames);
    const { newest, high } = this.ring;
    const gap = seqDelta(number, high);
    if (!newest || (newest.flags & FLAG_PAUSE) === 0 || gap <= 2 * PAUSE_GAP_FRAMES) return number;
    this.#gapFrames = (this.#gapFrames + gap - PAUSE_GAP_FRAMES) >>> 0;
    return seqAdd(high, PAUSE_GAP_FRAMES);
  }

  /**
   * Judge a frame.
   * @param {number} number
   * @param {"idle"|"filling"|"playing"} state of the buffer
   * @returns {"fits"|"begins"|"restarts"|"late"} begins: a new utterance; restarts: the sender
   */
  judge(number, state) {
    const { ring } = this;
    const last = this.#lastSeq;
    if (state === "idle") {
      const ahead = last === null ? 0 : seqDelta(number, last) - 1;
      return ahead >= 0 ? "begins" : this.#judgeLate(ahead);
    }
    const ahead = seqDelta(number, ring.next);
    if (ahead >= SLOTS) return this.#restarts();
    if (ahead >= 0) return "fits";
    const unplayed = last === null || seqDelta(number, last) > 0;
    if (state === "filling" && unplayed && seqDelta(ring.high, number) < SLOTS) {
      ring.next = number;
      return "fits";
    }
    return this.#judgeLate(ahead);
  }

  /** @param {number} ahead negative: the frame's distance from its earliest useful place */
  #judgeLate(ahead) {
    this.#lateRun += 1;
    if (ahead < -RESTART_BEHIND_FRAMES || this.#lateRun >= RESTART_LATE_FRAMES) return this.#restarts();
    return "late";
  }

  /** @returns {"restarts"} */
  #restarts() {
    this.#lastSeq = null;
    return "restarts";
  }

  /**
   * Put a frame in its place.
   * @param {import("./frame-ring.js").Slot} slot
   * @returns {boolean} false: a duplicate
   */
  store(slot) {
    if (!this.ring.store(slot)) return false;
    this.#lateRun = 0;
    return true;
  }

  /** Go past the next place, filled or not. */
  step() {
    this.#lastSeq = this.ring.next;
    this.ring.step();
  }

  /** A new connection: any number may be the first. */
  reset() {
    this.ring.clear();
    this.#gapFrames = 0;
    this.#lastSeq = null;
  }
}
