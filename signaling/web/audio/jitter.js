// @ts-check
/**
 * The page's jitter buffer: frames in by sequence number, 24 kHz samples out. Pure: the caller says
 * what time it is.
 *
 * - Play begins when the target is buffered, or when the frame that announces a pause is here.
 * - A missing frame is waited for until its play time, then concealed.
 * - Nothing to play and no pause announced is an underrun: 5 ms fade-out, refill, 5 ms fade-in.
 * - Inside speech samples are neither stretched nor skipped. Latency is corrected by whole frames in
 *   a silence that has lasted 200 ms, or by one jump when more than `capMs` are buffered.
 * - A frame of an older epoch is never played; a newer epoch empties the buffer at once, with a 3 ms fade.
 */

import { Concealer } from "./conceal.js";
import { FrameRing, SLOTS } from "./frame-ring.js";
import { LatencyTarget } from "./latency.js";
import { FLAG_PAUSE, FRAME_MS, FRAME_SAMPLES, epochNewer, seqAdd, seqDelta } from "./wire.js";

const SAMPLES_PER_MS = FRAME_SAMPLES / FRAME_MS;
const FADE_SAMPLES = 5 * SAMPLES_PER_MS;
const FLUSH_FADE_SAMPLES = 3 * SAMPLES_PER_MS;
/** -50 dBFS as mean square of int16 samples. */
const SILENT_MEAN_SQUARE = (32768 * 10 ** (-50 / 20)) ** 2;
const SILENT_RUN_FRAMES = 10;
/** At most one correction per this many frames. */
const CORRECTION_PAUSE_FRAMES = 5;
const EXCESS_MS = 60;
const SHORTAGE_MS = 30;
/** A short utterance whose end nobody announced starts this long after the target. */
const PATIENCE_MS = 100;
/** An underrun answered later than this was a pause that nobody announced. */
const UNANNOUNCED_PAUSE_MS = 400;
/** A frame so far behind, or so many late frames in a row, is a sender that counts anew. */
const RESTART_BEHIND_FRAMES = 50;
const RESTART_LATE_FRAMES = 10;
/** Room for disorder that is left behind an announced pause. */
const PAUSE_GAP_FRAMES = 3;

/**
 * @typedef {object} Played what one epoch has come to
 * @property {number} epoch
 * @property {number} playedMs position in the stream that has been played
 * @property {number} bufferedMs what was waiting behind it
 * @property {bigint|null} stampNs stamp of the newest frame of which a sample was played, null before the first
 * @property {number} offsetSamples how many samples of that frame were, 0 to 480
 */

/** @param {Int16Array} pcm */
function isSilent(pcm) {
  let sum = 0;
  for (let i = 0; i < pcm.length; i += 1) sum += pcm[i] * pcm[i];
  return sum < SILENT_MEAN_SQUARE * pcm.length;
}

export class JitterBuffer {
  /** @type {number|null} */
  epoch = null;
  /** @type {"idle"|"filling"|"playing"} */
  state = "idle";
  counts = {
    frames: 0, lost: 0, late: 0, stale: 0, duplicates: 0, underruns: 0,
    skipped: 0, inserted: 0, capped: 0, restarts: 0, flushes: 0,
  };

  #ring = new FrameRing();
  #concealer = new Concealer();
  #playedSamples = 0;
  /** What the sender's seq is ahead of the ring's numbers. */
  #gapFrames = 0;
  /** @type {number|null} last number that was played, concealed or skipped */
  #lastSeq = null;
  #lastFlags = FLAG_PAUSE;
  #lateRun = 0;
  #fillingSinceMs = 0;
  /** @type {number|null} */
  #dryAtMs = null;

  /** The samples on their way out; `counted`: they are part of the stream. */
  #block = new Float32Array(FRAME_SAMPLES);
  #length = 0;
  #position = 0;
  #counted = false;
  /** Stamp of the newest frame that was put in place; `sounding`: the block is that frame. */
  #stampNs = /** @type {bigint|null} */ (null);
  #sounding = false;
  #bridge = new Float32Array(FADE_SAMPLES);
  #bridging = false;
  #fadeIn = false;
  #silentRun = 0;
  #sinceCorrection = 0;

  /**
   * @param {object} [options]
   * @param {number} [options.targetMs] prefill, adapted between minMs and maxMs
   * @param {number} [options.minMs]
   * @param {number} [options.maxMs]
   * @param {number} [options.capMs] more than this is cut down to the target
   * @param {boolean} [options.fixed] do not adapt the target
   */
  constructor({ targetMs = 80, minMs = 40, maxMs = 200, capMs = 300, fixed = false } = {}) {
    this.latency = new LatencyTarget({ targetMs, minMs, maxMs, fixed });
    this.capMs = Math.min(Math.max(capMs, targetMs + 200), (SLOTS - 4) * FRAME_MS);
  }

  /** Milliseconds that wait behind the sample played now. */
  get bufferedMs() {
    const inBlock = this.#counted ? (this.#length - this.#position) / SAMPLES_PER_MS : 0;
    return this.#ring.span * FRAME_MS + inBlock;
  }

  /** Position in the epoch's stream, in milliseconds. */
  get playedMs() {
    return this.#playedSamples / SAMPLES_PER_MS;
  }

  /** What the epoch has come to. @returns {Played|null} null before the first epoch */
  get played() {
    if (this.epoch === null) return null;
    const { epoch, playedMs, bufferedMs } = this;
    const offsetSamples = this.#sounding ? this.#position : FRAME_SAMPLES;
    return { epoch, playedMs, bufferedMs, stampNs: this.#stampNs, offsetSamples };
  }

  get targetMs() {
    return this.latency.targetMs;
  }

  get jitterMs() {
    return this.latency.jitterMs;
  }

  /** A new connection: nothing that was known about the stream holds any more. @returns {Played|null} */
  reset() {
    const played = this.#fadeAway();
    this.epoch = null;
    this.#playedSamples = 0;
    this.#gapFrames = 0;
    this.#lastSeq = null;
    this.#lastFlags = FLAG_PAUSE;
    return played;
  }

  /**
   * Give one frame.
   * @param {number} seq
   * @param {number} epoch
   * @param {number} flags
   * @param {Int16Array} pcm 480 samples; the buffer keeps it
   * @param {number} nowMs
   * @param {bigint} [stampNs]
   * @returns {Played|null} the old epoch's account, when this frame begins a newer one
   */
  push(seq, epoch, flags, pcm, nowMs, stampNs = 0n) {
    const flushed = this.flush(epoch);
    if (epoch !== this.epoch) this.counts.stale += 1;
    else this.#store(this.#closeGap(seqAdd(seq, -this.#gapFrames)), flags, pcm, nowMs, stampNs);
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
   * @returns {Played|null} the old epoch's account, or null when `epoch` is not newer
   */
  flush(epoch) {
    const known = this.epoch;
    if (known !== null && !epochNewer(epoch, known)) return null;
    const played = this.#fadeAway();
    this.epoch = epoch;
    this.#playedSamples = 0;
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
      if (this.#position >= this.#length && !this.#nextBlock(nowMs)) {
        out.fill(0, done, count);
        return;
      }
      const take = Math.min(count - done, this.#length - this.#position);
      for (let i = 0; i < take; i += 1) out[done + i] = this.#block[this.#position + i];
      if (this.#counted) this.#playedSamples += take;
      this.#position += take;
      done += take;
    }
  }

  // -- in ------------------------------------------------------------------------------------

  /** @param {number} seq @param {number} flags @param {Int16Array} pcm @param {number} nowMs @param {bigint} stampNs */
  #store(seq, flags, pcm, nowMs, stampNs) {
    if (!this.#place(seq, nowMs)) return;
    if (!this.#ring.store({ seq, flags, pcm, atMs: nowMs, stampNs })) {
      this.counts.duplicates += 1;
      return;
    }
    this.counts.frames += 1;
    this.#lateRun = 0;
    this.latency.observe(seq, nowMs);
    if (this.#ring.span * FRAME_MS > this.capMs) this.#jump();
  }

  /**
   * After an announced pause the stream may go on at any later seq. Such a gap is no loss: it is taken
   * out of the count, but for some room for frames that come in the wrong order.
   * @param {number} seq
   * @returns {number} the number in the ring
   */
  #closeGap(seq) {
    const { newest, high } = this.#ring;
    const gap = seqDelta(seq, high);
    if (!newest || (newest.flags & FLAG_PAUSE) === 0 || gap <= 2 * PAUSE_GAP_FRAMES) return seq;
    this.#gapFrames = (this.#gapFrames + gap - PAUSE_GAP_FRAMES) >>> 0;
    return seqAdd(high, PAUSE_GAP_FRAMES);
  }

  /** Find the frame's place. @param {number} seq @param {number} nowMs @returns {boolean} wanted */
  #place(seq, nowMs) {
    const ring = this.#ring;
    if (this.state === "idle") {
      if (this.#lastSeq !== null && this.#isLate(seqDelta(seq, this.#lastSeq) - 1)) return false;
      this.#beginUtterance(seq, nowMs);
      return true;
    }
    const ahead = seqDelta(seq, ring.next);
    if (ahead >= SLOTS) {
      this.counts.restarts += 1;
      return this.#restart(seq, nowMs);
    }
    if (ahead >= 0) return true;
    const unplayed = this.#lastSeq === null || seqDelta(seq, this.#lastSeq) > 0;
    if (this.state === "filling" && unplayed && seqDelta(ring.high, seq) < SLOTS) {
      ring.next = seq;
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
    this.#lateRun += 1;
    if (ahead < -RESTART_BEHIND_FRAMES || this.#lateRun >= RESTART_LATE_FRAMES) {
      this.#lastSeq = null;
      this.counts.restarts += 1;
      return false;
    }
    this.counts.late += 1;
    this.latency.noteTrouble();
    return true;
  }

  /** The sender counts anew: forget what waits. @param {number} seq @param {number} nowMs */
  #restart(seq, nowMs) {
    this.#ring.clear();
    this.#lastSeq = null;
    this.#fadeIn = true;
    this.#beginUtterance(seq, nowMs);
    return true;
  }

  /** @param {number} seq @param {number} nowMs */
  #beginUtterance(seq, nowMs) {
    this.state = "filling";
    this.#ring.startAt(seq);
    this.#fillingSinceMs = nowMs;
    if (this.#dryAtMs !== null && nowMs - this.#dryAtMs < UNANNOUNCED_PAUSE_MS) {
      this.latency.noteTrouble();
      this.#fadeIn = true;
    } else {
      this.latency.forgetRhythm();
    }
    this.#dryAtMs = null;
    this.latency.adapt(nowMs);
  }

  /** Cut what waits down to the target in one jump. */
  #jump() {
    const drop = this.#ring.span - Math.max(1, Math.ceil(this.targetMs / FRAME_MS));
    for (let i = 0; i < drop; i += 1) this.#step();
    this.counts.capped += drop;
    this.#playedSamples += drop * FRAME_SAMPLES;
    if (this.state === "playing") this.#bridging = true;
    else this.#fadeIn = true;
  }

  // -- out -----------------------------------------------------------------------------------

  /** Put the next block in place. @param {number} nowMs @returns {boolean} false: silence */
  #nextBlock(nowMs) {
    if (this.state === "filling" && this.#ready(nowMs)) {
      this.state = "playing";
      this.#silentRun = 0;
    }
    if (this.state !== "playing") return false;
    const slot = this.#ring.head;
    if (!slot) return this.#ring.waiting > 0 ? this.#concealNext() : this.#runDry(nowMs);
    const correction = this.#correction(slot, nowMs);
    if (correction === "insert") return this.#insertSilence();
    if (correction === "none") return this.#playSlot(slot);
    this.counts.skipped += 1;
    this.#playedSamples += FRAME_SAMPLES;
    this.#step();
    return this.#nextBlock(nowMs);
  }

  /** @param {number} nowMs */
  #ready(nowMs) {
    const { newest, span, waiting } = this.#ring;
    if (!newest) return false;
    if (span * FRAME_MS >= this.targetMs) return true;
    if ((newest.flags & FLAG_PAUSE) !== 0 && span === waiting) return true;
    return nowMs - this.#fillingSinceMs >= this.targetMs + PATIENCE_MS;
  }

  /**
   * In a long silence, bring the latency toward the target by a whole frame.
   * @param {import("./frame-ring.js").Slot} slot the frame to be played next
   * @param {number} nowMs
   * @returns {"none"|"skip"|"insert"}
   */
  #correction(slot, nowMs) {
    this.#sinceCorrection += 1;
    this.#silentRun = isSilent(slot.pcm) ? this.#silentRun + 1 : 0;
    const tooSoon = this.#sinceCorrection < CORRECTION_PAUSE_FRAMES;
    const ending = ((this.#ring.newest?.flags ?? 0) & FLAG_PAUSE) !== 0;
    if (this.#silentRun < SILENT_RUN_FRAMES || tooSoon || ending) return "none";
    this.latency.adapt(nowMs);
    const excessMs = this.#ring.span * FRAME_MS - this.targetMs;
    if (excessMs <= EXCESS_MS && excessMs >= -SHORTAGE_MS) return "none";
    this.#sinceCorrection = 0;
    return excessMs > 0 ? "skip" : "insert";
  }

  #insertSilence() {
    this.counts.inserted += 1;
    this.#block.fill(0);
    return this.#setBlock(FRAME_SAMPLES, false);
  }

  /** @param {import("./frame-ring.js").Slot} slot */
  #playSlot(slot) {
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
    this.#lastFlags = slot.flags;
    this.#stampNs = slot.stampNs;
    this.#step();
    if ((slot.flags & FLAG_PAUSE) !== 0) this.#endUtterance();
    this.#setBlock(FRAME_SAMPLES, true);
    this.#sounding = true;
    return true;
  }

  /** The pause frame is in place; what already waits behind it is a new utterance. */
  #endUtterance() {
    this.state = "idle";
    if (this.#ring.waiting === 0) return;
    this.state = "filling";
    this.#fillingSinceMs = this.#ring.skipHole().atMs;
  }

  #concealNext() {
    this.#concealer.fill(this.#block, FRAME_SAMPLES);
    this.counts.lost += 1;
    this.#bridging = true;
    this.#step();
    return this.#setBlock(FRAME_SAMPLES, true);
  }

  /** Nothing waits. @param {number} nowMs @returns {boolean} a fade-out was put in place */
  #runDry(nowMs) {
    this.state = "idle";
    if ((this.#lastFlags & FLAG_PAUSE) !== 0) return false;
    this.counts.underruns += 1;
    this.#dryAtMs = nowMs;
    this.#bridging = false;
    this.#concealer.fill(this.#block, FADE_SAMPLES);
    for (let i = 0; i < FADE_SAMPLES; i += 1) this.#block[i] *= 1 - (i + 1) / FADE_SAMPLES;
    return this.#setBlock(FADE_SAMPLES, false);
  }

  // -- shared --------------------------------------------------------------------------------

  /** Drop all that waits; what follows in the stream fades out over 3 ms. @returns {Played|null} */
  #fadeAway() {
    const { played } = this;
    if (!played) return null;
    const sounding = this.state === "playing" || this.#position < this.#length;
    const tail = new Float32Array(FLUSH_FADE_SAMPLES);
    if (sounding && this.#counted) this.#countTail(played);
    if (sounding) this.#copyTail(tail);
    this.#stampNs = null;
    this.#ring.clear();
    this.#concealer.reset();
    this.state = "idle";
    this.#bridging = false;
    this.#fadeIn = false;
    this.#dryAtMs = null;
    this.#block.set(tail);
    this.#setBlock(sounding ? FLUSH_FADE_SAMPLES : 0, false);
    return played;
  }

  /** The tail will be heard too. @param {Played} played is changed */
  #countTail(played) {
    played.playedMs += FLUSH_FADE_SAMPLES / SAMPLES_PER_MS;
    const rest = FLUSH_FADE_SAMPLES - (this.#length - this.#position);
    const slot = this.#ring.head;
    if (rest > 0 && slot) {
      played.stampNs = slot.stampNs;
      played.offsetSamples = rest;
    } else if (this.#sounding) {
      played.offsetSamples = Math.min(FRAME_SAMPLES, played.offsetSamples + FLUSH_FADE_SAMPLES);
    }
  }

  /** What would have been played next, fading. @param {Float32Array} tail */
  #copyTail(tail) {
    const rest = Math.min(this.#length - this.#position, tail.length);
    tail.set(this.#block.subarray(this.#position, this.#position + rest));
    const slot = this.#ring.head;
    for (let i = rest; slot && i < tail.length; i += 1) tail[i] = slot.pcm[i - rest] / 32768;
    for (let i = 0; i < tail.length; i += 1) tail[i] *= 1 - (i + 1) / tail.length;
  }

  /** Go past the next frame, whether it is here or not. */
  #step() {
    this.#lastSeq = this.#ring.next;
    this.#ring.step();
  }

  /** @param {number} length @param {boolean} counted @returns {true} */
  #setBlock(length, counted) {
    this.#length = length;
    this.#position = 0;
    this.#counted = counted;
    this.#sounding = false;
    return true;
  }
}
