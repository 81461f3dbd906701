// @ts-check
/** Finds the place of each frame that arrives: in order, early, late, or of a sender that counts anew. */

import { FrameRing, SLOTS } from "./frame-ring.js";
import { FLAG_PAUSE, seqAdd, seqDelta } from "./wire.js";

/** A frame so far behind, or so many late frames in a row, is a sender that counts anew. */
const RESTART_BEHIND_FRAMES = 50;
const RESTART_LATE_FRAMES = 10;
/** Room for disorder that is left behind an announced pause. */
const PAUSE_GAP_FRAMES = 3;

export class FrameOrder {
  ring = new FrameRing();

  /** What the sender's seq is ahead of the ring's numbers. */
  #gapFrames = 0;
  /** @type {number|null} last number that was played, concealed or skipped */
  #lastSeq = null;
  #lateRun = 0;

  /**
   * The number of a frame in the ring. After an announced pause the stream may go on at any later seq;
   * that gap is no loss, so all of it but some room for frames out of order is taken out of the count.
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
   * @returns {"fits"|"begins"|"restarts"|"late"} begins: an utterance; restarts: the sender counts anew
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
   * Keep a frame at its place.
   * @param {import("./frame-ring.js").Slot} slot
   * @returns {boolean} false: it was here already
   */
  store(slot) {
    if (!this.ring.store(slot)) return false;
    this.#lateRun = 0;
    return true;
  }

  /** Go past the next frame, whether it is here or not. */
  step() {
    this.#lastSeq = this.ring.next;
    this.ring.step();
  }

  /** A new connection: any number may come. */
  reset() {
    this.ring.clear();
    this.#gapFrames = 0;
    this.#lastSeq = null;
  }
}
