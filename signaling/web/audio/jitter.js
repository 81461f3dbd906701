// @ts-check
/**
 * The page's jitter buffer: frames in by sequence number, 24 kHz samples out. Sans-I/O.
 *
 * - Playback begins when the target is buffered, or when the frame that announces a pause has arrived.
 * - A missing frame is waited for until its turn comes, then concealed.
 * - With nothing to play and no pause announced, it is an underrun: it fades as a loss does (60 ms) while it
 *   refills, and is faded over.
 * - What two clocks drift apart is made good by the device's rate (`driftPpm`). Other latency is corrected by
 *   whole frames in a silence of 200 ms or more, or by one jump when more than `capMs` is buffered.
 * - A frame of an older epoch is never played; a newer epoch empties the buffer at once, with a 3 ms fade.
 */

import { Correction } from "./correction.js";
import { Drift } from "./drift.js";
import { FrameOrder } from "./frame-order.js";
import { SLOTS } from "./frame-ring.js";
import { LatencyTarget } from "./latency.js";
import { Playout } from "./playout.js";
import { FLAG_PAUSE, FRAME_MS, epochNewer } from "./wire.js";

/** An utterance too short to fill the buffer, with no pause announced, starts this long after the target. */
const PATIENCE_MS = 100;
/** If the stream goes on later than this after an underrun, it was a pause that was not announced. */
const UNANNOUNCED_PAUSE_MS = 400;

/** @typedef {import("./frame-ring.js").Slot} Slot */
/** @typedef {import("./playout.js").Position} Position */

/**
 * @typedef {Position & {epoch: number, bufferedMs: number}} Played how far an epoch was played, and how much
 *   waited behind that
 */

export class JitterBuffer {
  /** @type {number|null} */
  epoch = null;
  /** @type {"idle"|"filling"|"playing"} */
  state = "idle";
  counts = {
    frames: 0, lost: 0, late: 0, stale: 0, duplicates: 0, underruns: 0,
    skipped: 0, inserted: 0, capped: 0, restarts: 0, flushes: 0,
  };

  #order = new FrameOrder();
  #playout = new Playout();
  #correction;
  #drift = new Drift();
  /** After an underrun: it has not faded yet. */
  #fading = false;
  #lastFlags = FLAG_PAUSE;
  #fillingSinceMs = 0;
  /** @type {number|null} */
  #dryAtMs = null;

  /**
   * @param {object} [options]
   * @param {number} [options.targetMs] how much to buffer; adapted between minMs and maxMs
   * @param {number} [options.minMs]
   * @param {number} [options.maxMs]
   * @param {number} [options.capMs] above this, what waits is cut to the target
   * @param {boolean} [options.fixed] do not adapt the target
   */
  constructor({ targetMs = 80, minMs = 40, maxMs = 200, capMs = 300, fixed = false } = {}) {
    this.latency = new LatencyTarget({ targetMs, minMs, maxMs, fixed });
    this.#correction = new Correction(this.latency);
    this.capMs = Math.min(Math.max(capMs, targetMs + 200), (SLOTS - 4) * FRAME_MS);
  }

  get #ring() {
    return this.#order.ring;
  }

  /** Milliseconds that wait to be played. */
  get bufferedMs() {
    return this.#ring.span * FRAME_MS + this.#playout.waitingMs;
  }

  /** How much of the epoch's stream was played. */
  get playedMs() {
    return this.#playout.position.playedMs;
  }

  /** How far the epoch was played. @returns {Played|null} null before the first epoch */
  get played() {
    const { epoch, bufferedMs } = this;
    return epoch === null ? null : { epoch, bufferedMs, ...this.#playout.position };
  }

  /** How much more than its clock says the device should take, parts per million. */
  get driftPpm() {
    return this.#drift.ppm;
  }

  get targetMs() {
    return this.latency.targetMs;
  }

  get jitterMs() {
    return this.latency.jitterMs;
  }

  /** A new connection: forget the stream. @returns {Played|null} how far it was played */
  reset() {
    const played = this.#drop();
    this.epoch = null;
    this.#order.reset();
    this.#lastFlags = FLAG_PAUSE;
    return played;
  }

  /**
   * Take one frame.
   * @param {number} seq
   * @param {number} epoch
   * @param {number} flags
   * @param {Int16Array} pcm 480 samples; the buffer keeps it
   * @param {number} nowMs
   * @param {bigint} [stampNs]
   * @returns {Played|null} how far the old epoch was played, if this frame begins a newer one
   */
  push(seq, epoch, flags, pcm, nowMs, stampNs = 0n) {
    const flushed = this.flush(epoch);
    if (epoch !== this.epoch) this.counts.stale += 1;
    else this.#store({ seq: this.#order.number(seq), flags, pcm, atMs: nowMs, stampNs });
    return flushed;
  }

  /** The stream goes quiet after what is buffered. */
  pause() {
    const { newest } = this.#ring;
    if (newest) newest.flags |= FLAG_PAUSE;
    else this.#lastFlags |= FLAG_PAUSE;
  }

  /**
   * Drop everything of older epochs.
   * @param {number} epoch
   * @returns {Played|null} how far the old epoch was played; null if `epoch` is not newer
   */
  flush(epoch) {
    const known = this.epoch;
    if (known !== null && !epochNewer(epoch, known)) return null;
    const played = this.#drop();
    this.epoch = epoch;
    if (known !== null) this.counts.flushes += 1;
    return played;
  }

  /**
   * Write the next samples, silence included.
   * @param {Float32Array} out
   * @param {number} count
   * @param {number} nowMs
   */
  pull(out, count, nowMs) {
    let done = 0;
    while (done < count) {
      if (this.#playout.waitingSamples === 0 && !this.#nextBlock(nowMs)) {
        out.fill(0, done, count);
        return;
      }
      done += this.#playout.take(out, done, count - done);
    }
    if (this.state === "playing") this.#drift.observe(this.bufferedMs, this.#wantedMs, nowMs);
  }

  /** What should wait on average: a little less than when playback began in the middle of a frame. */
  get #wantedMs() {
    return Math.max(1.5 * FRAME_MS, this.targetMs - 1.25 * FRAME_MS);
  }

  // -- in ------------------------------------------------------------------------------------

  /** @param {Slot} slot */
  #store(slot) {
    const { seq, atMs } = slot;
    const verdict = this.#order.judge(seq, this.state);
    if (verdict === "late") {
      this.counts.late += 1;
      this.latency.noteTrouble();
      return;
    }
    if (verdict === "restarts") this.#restart();
    if (verdict !== "fits") this.#beginUtterance(seq, atMs);
    if (!this.#order.store(slot)) {
      this.counts.duplicates += 1;
      return;
    }
    this.counts.frames += 1;
    this.latency.observe(seq, atMs);
    if (this.#ring.span * FRAME_MS > this.capMs) this.#jump();
  }

  /** The sender counts from a new start: forget what waits. */
  #restart() {
    this.counts.restarts += 1;
    this.#ring.clear();
    this.#playout.fadeInNext();
  }

  /** @param {number} seq @param {number} nowMs */
  #beginUtterance(seq, nowMs) {
    this.state = "filling";
    this.#ring.startAt(seq);
    this.#fillingSinceMs = nowMs;
    if (this.#dryAtMs !== null && nowMs - this.#dryAtMs < UNANNOUNCED_PAUSE_MS) {
      this.latency.noteTrouble();
    } else {
      this.#playout.forgetFade();
      this.latency.forgetRhythm();
    }
    this.#dryAtMs = null;
    this.latency.adapt(nowMs);
  }

  /** Cut what waits to the target, in one jump. */
  #jump() {
    const drop = this.#ring.span - Math.max(1, Math.ceil(this.targetMs / FRAME_MS));
    for (let i = 0; i < drop; i += 1) this.#order.step();
    this.counts.capped += drop;
    this.#playout.skip(drop);
    if (this.state === "playing") this.#playout.bridgeNext();
    else this.#playout.fadeInNext();
  }

  // -- out -----------------------------------------------------------------------------------

  /** Make the next block. @param {number} nowMs @returns {boolean} false: there is none, play silence */
  #nextBlock(nowMs) {
    if (this.state === "filling" && this.#ready(nowMs)) {
      this.state = "playing";
      this.#fading = false;
      this.#correction.begin();
      this.#drift.restart();
    }
    if (this.state !== "playing") return this.#fade();
    const slot = this.#ring.head;
    if (!slot) return this.#ring.waiting > 0 ? this.#conceal() : this.#runDry(nowMs);
    const correction = this.#correction.decide(this.#ring, slot.pcm, nowMs);
    if (correction === "skip") {
      this.counts.skipped += 1;
      this.#playout.skip(1);
      this.#order.step();
      return this.#nextBlock(nowMs);
    }
    if (correction === "none") {
      this.#playSlot(slot);
    } else {
      this.counts.inserted += 1;
      this.#playout.insertSilence();
    }
    return true;
  }

  /** @param {number} nowMs */
  #ready(nowMs) {
    const { newest, span, waiting } = this.#ring;
    if (!newest) return false;
    if (span * FRAME_MS >= this.targetMs) return true;
    if ((newest.flags & FLAG_PAUSE) !== 0 && span === waiting) return true;
    return nowMs - this.#fillingSinceMs >= this.targetMs + PATIENCE_MS;
  }

  /** @param {Slot} slot */
  #playSlot(slot) {
    this.#playout.playFrame(slot);
    this.#lastFlags = slot.flags;
    this.#order.step();
    if ((slot.flags & FLAG_PAUSE) !== 0) this.#endUtterance();
  }

  /** The frame that announces a pause is playing; what waits behind it is a new utterance. */
  #endUtterance() {
    this.state = "idle";
    if (this.#ring.waiting === 0) return;
    this.state = "filling";
    this.#fillingSinceMs = this.#ring.skipHole().atMs;
  }

  #conceal() {
    this.counts.lost += 1;
    this.#playout.conceal();
    this.#order.step();
    return true;
  }

  /** Nothing waits. @param {number} nowMs @returns {boolean} there is a fade-out to play */
  #runDry(nowMs) {
    this.state = "idle";
    if ((this.#lastFlags & FLAG_PAUSE) !== 0) return false;
    this.counts.underruns += 1;
    this.#dryAtMs = nowMs;
    this.#fading = true;
    return this.#fade();
  }

  /** @returns {boolean} there is something of the fade after an underrun to play */
  #fade() {
    this.#fading = this.#fading && this.#playout.fadeOut();
    return this.#fading;
  }

  /** Drop all that waits, with a short fade. @returns {Played|null} */
  #drop() {
    const { epoch, bufferedMs } = this;
    if (epoch === null) return null;
    const position = this.#playout.flush(this.#ring.head, this.state === "playing");
    this.#ring.clear();
    this.state = "idle";
    this.#fading = false;
    this.#dryAtMs = null;
    return { epoch, bufferedMs, ...position };
  }
}
