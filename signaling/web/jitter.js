// @ts-check
/**
 * The page's jitter buffer: frames in by sequence number, 24 kHz samples out. Pure: the caller says
 * what time it is.
 *
 * Rules:
 * - Play begins when `targetMs` are buffered, or when the frame that announces a pause is here.
 * - A missing frame is waited for until its play time, then concealed.
 * - Nothing to play and no pause announced is an underrun: 5 ms fade-out, refill, 5 ms fade-in.
 * - Inside speech samples are neither stretched nor skipped. Latency is corrected by whole frames in
 *   a silence that has lasted 200 ms, or by one jump when more than `capMs` are buffered.
 * - A frame of an older epoch is never played; a newer epoch empties the buffer at once, with a 3 ms fade.
 */

import { Concealer } from "./conceal.js";
import { FLAG_PAUSE, FRAME_MS, FRAME_SAMPLES, epochNewer, seqAdd, seqDelta } from "./wire.js";

const SAMPLES_PER_MS = FRAME_SAMPLES / FRAME_MS;
/** Slots of the ring; a power of two, more than any cap. */
const SLOTS = 64;
const FADE_SAMPLES = 5 * SAMPLES_PER_MS;
const FLUSH_FADE_SAMPLES = 3 * SAMPLES_PER_MS;
/** -50 dBFS as mean square of int16 samples. */
const SILENT_MEAN_SQUARE = (32768 * 10 ** (-50 / 20)) ** 2;
const SILENT_RUN_FRAMES = 10;
/** At most one correction per this many frames. */
const CORRECTION_PAUSE_FRAMES = 5;
const EXCESS_MS = 60;
const SHORTAGE_MS = 30;
/** An underrun answered later than this was a pause that nobody announced. */
const UNANNOUNCED_PAUSE_MS = 400;
/** A frame so far behind, or so many late frames in a row, is a sender that counts anew. */
const RESTART_BEHIND_FRAMES = 50;
const RESTART_LATE_FRAMES = 10;
const CLEAN_DECAY_MS = 10000;
/** Room for disorder that is left behind an announced pause. */
const PAUSE_GAP_FRAMES = 3;

/**
 * @typedef {object} Slot
 * @property {number} seq
 * @property {number} flags
 * @property {Int16Array} pcm
 * @property {number} atMs arrival
 */

/**
 * @typedef {object} Played what one epoch has come to
 * @property {number} epoch
 * @property {number} playedMs position in the stream that has been played
 * @property {number} bufferedMs what was waiting behind it
 */

/** @param {Int16Array} pcm */
function isSilent(pcm) {
  let sum = 0;
  for (let i = 0; i < pcm.length; i += 1) sum += pcm[i] * pcm[i];
  return sum < SILENT_MEAN_SQUARE * pcm.length;
}

export class JitterBuffer {
  /**
   * @param {object} [options]
   * @param {number} [options.targetMs] prefill, adapted between minMs and maxMs
   * @param {number} [options.minMs]
   * @param {number} [options.maxMs]
   * @param {number} [options.capMs] more than this is cut down to the target
   * @param {boolean} [options.fixed] do not adapt the target
   */
  constructor({ targetMs = 80, minMs = 40, maxMs = 200, capMs = 300, fixed = false } = {}) {
    this.targetMs = targetMs;
    this.minMs = minMs;
    this.maxMs = maxMs;
    this.capMs = Math.min(Math.max(capMs, targetMs + 200), (SLOTS - 4) * FRAME_MS);
    this.fixed = fixed;
    /** @type {number|null} */
    this.epoch = null;
    this.counts = {
      frames: 0, lost: 0, late: 0, stale: 0, duplicates: 0, underruns: 0,
      skipped: 0, inserted: 0, capped: 0, restarts: 0, flushes: 0,
    };
    /** @type {(Slot|null)[]} */
    this.slots = new Array(SLOTS).fill(null);
    this.block = new Float32Array(FRAME_SAMPLES);
    this.concealer = new Concealer();
    this.bridge = new Float32Array(FADE_SAMPLES);
    this.jitterBins = new Float64Array(32);
    this.#clearAll();
  }

  /** A new connection: nothing that was known about the stream holds any more. @returns {Played|null} */
  reset() {
    const played = this.#fadeAway();
    const { block, length, position, counted } = this;
    this.#clearAll();
    Object.assign(this, { block, length, position, counted });
    this.epoch = null;
    return played;
  }

  /**
   * Give one frame.
   * @param {number} seq
   * @param {number} epoch
   * @param {number} flags
   * @param {Int16Array} pcm 480 samples; the buffer keeps it
   * @param {number} nowMs
   * @returns {Played|null} the old epoch's account, when this frame begins a newer one
   */
  push(seq, epoch, flags, pcm, nowMs) {
    const flushed = this.epoch !== null && epochNewer(epoch, this.epoch) ? this.flush(epoch) : null;
    if (this.epoch === null) this.epoch = epoch;
    if (epoch !== this.epoch) {
      this.counts.stale += 1;
      return flushed;
    }
    this.#store(this.#closeGap(seqAdd(seq, -this.gapFrames)), flags, pcm, nowMs);
    return flushed;
  }

  /** @param {number} seq @param {number} flags @param {Int16Array} pcm @param {number} nowMs */
  #store(seq, flags, pcm, nowMs) {
    if (!this.#place(seq, nowMs)) return;
    const index = seq % SLOTS;
    if (this.slots[index]) {
      this.counts.duplicates += 1;
      return;
    }
    this.slots[index] = { seq, flags, pcm, atMs: nowMs };
    this.waiting += 1;
    this.counts.frames += 1;
    this.lateRun = 0;
    if (seqDelta(seq, this.high) > 0) this.high = seq;
    this.#measureJitter(seq, nowMs);
    if (this.#spanFrames() * FRAME_MS > this.capMs) this.#jump();
  }

  /** The stream goes quiet after what is buffered. */
  pause() {
    const last = this.waiting > 0 ? this.slots[this.high % SLOTS] : null;
    if (last) last.flags |= FLAG_PAUSE;
    else this.lastFlags |= FLAG_PAUSE;
  }

  /**
   * Drop everything of older epochs.
   * @param {number} epoch
   * @returns {Played|null} the old epoch's account, or null when `epoch` is not newer
   */
  flush(epoch) {
    if (this.epoch === null) {
      this.epoch = epoch;
      return null;
    }
    if (!epochNewer(epoch, this.epoch)) return null;
    const played = this.#fadeAway();
    this.counts.flushes += 1;
    this.epoch = epoch;
    this.playedSamples = 0;
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
      if (this.position >= this.length && !this.#nextBlock(nowMs)) {
        out.fill(0, done, count);
        return;
      }
      const take = Math.min(count - done, this.length - this.position);
      for (let i = 0; i < take; i += 1) out[done + i] = this.block[this.position + i];
      if (this.counted) this.playedSamples += take;
      this.position += take;
      done += take;
    }
  }

  /** @returns {"idle"|"filling"|"playing"} */
  get state() {
    return this.mode;
  }

  /** Milliseconds that wait behind the sample played now. */
  get bufferedMs() {
    const inBlock = this.counted ? (this.length - this.position) / SAMPLES_PER_MS : 0;
    return this.#spanFrames() * FRAME_MS + inBlock;
  }

  /** Position in the epoch's stream, in milliseconds. */
  get playedMs() {
    return this.playedSamples / SAMPLES_PER_MS;
  }

  /** 95th percentile of lateness against the earliest frame of an utterance, in ms. */
  get jitterMs() {
    let total = 0;
    for (const weight of this.jitterBins) total += weight;
    let sum = 0;
    for (let bin = 0; bin < this.jitterBins.length && total > 0; bin += 1) {
      sum += this.jitterBins[bin];
      if (sum >= 0.95 * total) return bin * 10;
    }
    return 0;
  }

  // -- in ------------------------------------------------------------------------------------

  /**
   * After an announced pause the stream may go on at any later seq. Such a gap is no loss: it is taken
   * out of the count, but for some room for frames that come in the wrong order.
   * @param {number} seq
   * @returns {number} the seq as this buffer counts
   */
  #closeGap(seq) {
    const last = this.waiting > 0 ? this.slots[this.high % SLOTS] : null;
    const gap = seqDelta(seq, this.high);
    if (!last || (last.flags & FLAG_PAUSE) === 0 || gap <= 2 * PAUSE_GAP_FRAMES) return seq;
    this.gapFrames = (this.gapFrames + gap - PAUSE_GAP_FRAMES) >>> 0;
    return seqAdd(this.high, PAUSE_GAP_FRAMES);
  }

  /** Find the frame's place. @param {number} seq @param {number} nowMs @returns {boolean} wanted */
  #place(seq, nowMs) {
    if (this.mode === "idle") {
      if (this.lastSeq !== null && this.#isLate(seqDelta(seq, this.lastSeq) - 1)) return false;
      this.#beginUtterance(seq, nowMs);
      return true;
    }
    const ahead = seqDelta(seq, this.next);
    if (ahead >= SLOTS) {
      this.counts.restarts += 1;
      return this.#restart(seq, nowMs);
    }
    if (ahead >= 0) return true;
    const unplayed = this.lastSeq === null || seqDelta(seq, this.lastSeq) > 0;
    if (this.mode === "filling" && unplayed && seqDelta(this.high, seq) < SLOTS) {
      this.next = seq;
      return true;
    }
    return this.#isLate(ahead) ? false : this.#restart(seq, nowMs);
  }

  /**
   * Judge a frame that lies `ahead` frames of its earliest useful place.
   * @param {number} ahead
   * @returns {boolean} true: too late to use
   */
  #isLate(ahead) {
    if (ahead >= 0) return false;
    this.lateRun += 1;
    if (ahead < -RESTART_BEHIND_FRAMES || this.lateRun >= RESTART_LATE_FRAMES) {
      this.lastSeq = null;
      this.counts.restarts += 1;
      return false;
    }
    this.counts.late += 1;
    this.sawTrouble = true;
    return true;
  }

  /** The sender counts anew: forget what waits. @param {number} seq @param {number} nowMs */
  #restart(seq, nowMs) {
    this.#dropWaiting();
    this.lastSeq = null;
    this.fadeIn = true;
    this.#beginUtterance(seq, nowMs);
    return true;
  }

  /** @param {number} seq @param {number} nowMs */
  #beginUtterance(seq, nowMs) {
    this.mode = "filling";
    this.next = seq;
    this.high = seq;
    this.fillingSinceMs = nowMs;
    if (this.dryAtMs !== null && nowMs - this.dryAtMs < UNANNOUNCED_PAUSE_MS) {
      this.sawTrouble = true;
      this.fadeIn = true;
    } else {
      this.jitterBaseMs = null;
    }
    this.dryAtMs = null;
    this.#adapt(nowMs);
  }

  /** Cut the latency down to the target in one jump. */
  #jump() {
    const drop = this.#spanFrames() - Math.max(1, Math.ceil(this.targetMs / FRAME_MS));
    for (let i = 0; i < drop; i += 1) this.#forgetNext();
    this.counts.capped += drop;
    this.playedSamples += drop * FRAME_SAMPLES;
    if (this.mode === "playing") this.bridging = true;
    else this.fadeIn = true;
  }

  /** @param {number} seq @param {number} nowMs */
  #measureJitter(seq, nowMs) {
    if (this.jitterBaseMs === null) {
      this.jitterBaseMs = nowMs;
      this.jitterBaseSeq = seq;
    }
    const lateMs = nowMs - this.jitterBaseMs - seqDelta(seq, this.jitterBaseSeq) * FRAME_MS;
    if (lateMs < 0) this.jitterBaseMs += lateMs;
    for (let bin = 0; bin < this.jitterBins.length; bin += 1) this.jitterBins[bin] *= 0.998;
    const bin = Math.min(this.jitterBins.length - 1, Math.floor(Math.max(0, lateMs) / 10));
    this.jitterBins[bin] += 1;
  }

  /** Move the target; called only where the stream is quiet. @param {number} nowMs */
  #adapt(nowMs) {
    const troubled = this.sawTrouble;
    this.sawTrouble = false;
    if (this.fixed) return;
    const needMs = Math.min(this.maxMs, this.jitterMs + 2 * FRAME_MS);
    if (troubled) this.targetMs = Math.min(this.maxMs, Math.max(this.targetMs + FRAME_MS, needMs));
    else if (needMs > this.targetMs) this.targetMs = needMs;
    if (troubled || this.cleanSinceMs === null) this.cleanSinceMs = nowMs;
    else if (nowMs - this.cleanSinceMs >= CLEAN_DECAY_MS) {
      this.cleanSinceMs = nowMs;
      this.targetMs = Math.max(this.minMs, needMs, this.targetMs - 5);
    }
  }

  // -- out -----------------------------------------------------------------------------------

  /** Put the next block in place. @param {number} nowMs @returns {boolean} false: silence */
  #nextBlock(nowMs) {
    if (this.mode === "filling" && this.#ready(nowMs)) {
      this.mode = "playing";
      this.silentRun = 0;
    }
    if (this.mode !== "playing") return false;
    const slot = this.slots[this.next % SLOTS];
    if (slot) {
      if (this.#correct(slot, nowMs)) return this.#nextBlock(nowMs);
      if (this.inserting) return this.#silentBlock();
      this.#playSlot(slot);
      return true;
    }
    if (this.waiting > 0) {
      this.#concealNext();
      return true;
    }
    return this.#runDry(nowMs);
  }

  /** @param {number} nowMs */
  #ready(nowMs) {
    if (this.waiting === 0) return false;
    const span = this.#spanFrames();
    if (span * FRAME_MS >= this.targetMs) return true;
    const last = this.slots[this.high % SLOTS];
    if (last && (last.flags & FLAG_PAUSE) !== 0 && span === this.waiting) return true;
    return nowMs - this.fillingSinceMs >= this.targetMs + 100;
  }

  /**
   * In a long silence, bring the latency toward the target by a whole frame.
   * @param {Slot} slot the frame to be played next
   * @param {number} nowMs
   * @returns {boolean} the frame was skipped
   */
  #correct(slot, nowMs) {
    this.inserting = false;
    this.sinceCorrection += 1;
    this.silentRun = isSilent(slot.pcm) ? this.silentRun + 1 : 0;
    if (this.silentRun < SILENT_RUN_FRAMES || this.sinceCorrection < CORRECTION_PAUSE_FRAMES) return false;
    this.#adapt(nowMs);
    const levelMs = this.#spanFrames() * FRAME_MS;
    if (levelMs > this.targetMs + EXCESS_MS && (slot.flags & FLAG_PAUSE) === 0) {
      this.sinceCorrection = 0;
      this.counts.skipped += 1;
      this.playedSamples += FRAME_SAMPLES;
      this.#forgetNext();
      return true;
    }
    const ending = ((this.slots[this.high % SLOTS]?.flags ?? 0) & FLAG_PAUSE) !== 0;
    if (levelMs < this.targetMs - SHORTAGE_MS && !ending) {
      this.sinceCorrection = 0;
      this.counts.inserted += 1;
      this.inserting = true;
    }
    return false;
  }

  #silentBlock() {
    this.block.fill(0);
    this.#setBlock(FRAME_SAMPLES, false);
    return true;
  }

  /** @param {Slot} slot */
  #playSlot(slot) {
    const { block } = this;
    const bridging = this.bridging;
    if (bridging) this.concealer.fill(this.bridge, FADE_SAMPLES);
    for (let i = 0; i < FRAME_SAMPLES; i += 1) block[i] = slot.pcm[i] / 32768;
    this.concealer.learn(block);
    if (bridging || this.fadeIn) {
      for (let i = 0; i < FADE_SAMPLES; i += 1) {
        const rise = i / FADE_SAMPLES;
        block[i] = block[i] * rise + (bridging ? this.bridge[i] * (1 - rise) : 0);
      }
    }
    this.bridging = false;
    this.fadeIn = false;
    this.#setBlock(FRAME_SAMPLES, true);
    this.lastFlags = slot.flags;
    this.#forgetNext();
    if ((slot.flags & FLAG_PAUSE) !== 0) this.#endUtterance();
  }

  /** The pause frame is in place; what already waits behind it is a new utterance. */
  #endUtterance() {
    this.mode = "idle";
    if (this.waiting === 0) return;
    let seq = this.next;
    while (!this.slots[seq % SLOTS]) seq = seqAdd(seq, 1);
    this.mode = "filling";
    this.next = seq;
    this.fillingSinceMs = /** @type {Slot} */ (this.slots[seq % SLOTS]).atMs;
  }

  #concealNext() {
    this.concealer.fill(this.block, FRAME_SAMPLES);
    this.#setBlock(FRAME_SAMPLES, true);
    this.counts.lost += 1;
    this.bridging = true;
    this.#forgetNext();
  }

  /** Nothing waits. @param {number} nowMs @returns {boolean} a fade-out was put in place */
  #runDry(nowMs) {
    if ((this.lastFlags & FLAG_PAUSE) !== 0) {
      this.mode = "idle";
      return false;
    }
    this.counts.underruns += 1;
    this.mode = "idle";
    this.dryAtMs = nowMs;
    this.concealer.fill(this.block, FADE_SAMPLES);
    for (let i = 0; i < FADE_SAMPLES; i += 1) this.block[i] *= 1 - (i + 1) / FADE_SAMPLES;
    this.bridging = false;
    this.#setBlock(FADE_SAMPLES, false);
    return true;
  }

  // -- shared --------------------------------------------------------------------------------

  /** Drop all that waits; what follows in the stream fades out over 3 ms. @returns {Played|null} */
  #fadeAway() {
    if (this.epoch === null) return null;
    const bufferedMs = this.bufferedMs;
    const tail = new Float32Array(FLUSH_FADE_SAMPLES);
    const active = this.mode === "playing" || this.position < this.length;
    const counted = this.counted || this.position >= this.length;
    if (active) {
      const rest = Math.min(this.length - this.position, FLUSH_FADE_SAMPLES);
      tail.set(this.block.subarray(this.position, this.position + rest));
      const slot = this.slots[this.next % SLOTS];
      for (let i = rest; slot && i < FLUSH_FADE_SAMPLES; i += 1) tail[i] = slot.pcm[i - rest] / 32768;
      for (let i = 0; i < FLUSH_FADE_SAMPLES; i += 1) tail[i] *= 1 - (i + 1) / FLUSH_FADE_SAMPLES;
    }
    const playedMs = this.playedMs + (active && counted ? FLUSH_FADE_SAMPLES / SAMPLES_PER_MS : 0);
    const played = { epoch: this.epoch, playedMs, bufferedMs };
    this.#dropWaiting();
    this.mode = "idle";
    this.concealer.reset();
    this.block.set(tail);
    this.#setBlock(active ? FLUSH_FADE_SAMPLES : 0, false);
    this.bridging = false;
    this.fadeIn = false;
    this.dryAtMs = null;
    return played;
  }

  #dropWaiting() {
    this.slots.fill(null);
    this.waiting = 0;
    this.high = seqAdd(this.next, -1);
  }

  /** Step over `next`, whether it is here or not. */
  #forgetNext() {
    const index = this.next % SLOTS;
    if (this.slots[index]) {
      this.slots[index] = null;
      this.waiting -= 1;
    }
    this.lastSeq = this.next;
    this.next = seqAdd(this.next, 1);
  }

  #spanFrames() {
    return this.waiting > 0 ? seqDelta(this.high, this.next) + 1 : 0;
  }

  /** @param {number} length @param {boolean} counted its samples are part of the stream */
  #setBlock(length, counted) {
    this.length = length;
    this.position = 0;
    this.counted = counted;
  }

  #clearAll() {
    this.slots.fill(null);
    this.waiting = 0;
    /** @type {"idle"|"filling"|"playing"} */
    this.mode = "idle";
    this.next = 0;
    this.high = 0;
    /** What the sender's seq is ahead of this buffer's count. */
    this.gapFrames = 0;
    /** @type {number|null} last seq that was played, concealed or skipped */
    this.lastSeq = null;
    this.lastFlags = FLAG_PAUSE;
    this.lateRun = 0;
    this.fillingSinceMs = 0;
    /** @type {number|null} */
    this.jitterBaseMs = null;
    this.jitterBaseSeq = 0;
    /** @type {number|null} */
    this.cleanSinceMs = null;
    /** @type {number|null} */
    this.dryAtMs = null;
    this.sawTrouble = false;
    this.silentRun = 0;
    this.sinceCorrection = 0;
    this.inserting = false;
    this.bridging = false;
    this.fadeIn = false;
    this.playedSamples = 0;
    this.concealer.reset();
    this.#setBlock(0, false);
  }
}
