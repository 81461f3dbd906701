// @ts-check
/** Corrects latency where nobody hears it: by whole frames, in a silence of 200 ms or more. Sans-I/O. */

import { FLAG_PAUSE, FRAME_MS } from "./wire.js";

/** -50 dBFS as mean square of int16 samples. */
const SILENT_MEAN_SQUARE = (32768 * 10 ** (-50 / 20)) ** 2;
const SILENT_RUN_FRAMES = 10;
/** At most one correction per this many frames. */
const PAUSE_FRAMES = 5;
const EXCESS_MS = 60;
const SHORTAGE_MS = 30;

/** @param {Int16Array} pcm */
function isSilent(pcm) {
  let sum = 0;
  for (let i = 0; i < pcm.length; i += 1) sum += pcm[i] * pcm[i];
  return sum < SILENT_MEAN_SQUARE * pcm.length;
}

export class Correction {
  #silentFrames = 0;
  #sinceFrames = 0;

  /** @param {import("./latency.js").LatencyTarget} latency */
  constructor(latency) {
    this.latency = latency;
  }

  /** Playback begins. */
  begin() {
    this.#silentFrames = 0;
  }

  /**
   * What to do with the next frame.
   * @param {import("./frame-ring.js").FrameRing} ring its head is that frame
   * @param {Int16Array} pcm the frame's 480 samples
   * @param {number} nowMs
   * @returns {"none"|"skip"|"insert"} insert: a frame of silence before it
   */
  decide(ring, pcm, nowMs) {
    this.#sinceFrames += 1;
    this.#silentFrames = isSilent(pcm) ? this.#silentFrames + 1 : 0;
    const ending = ((ring.newest?.flags ?? 0) & FLAG_PAUSE) !== 0;
    if (this.#silentFrames < SILENT_RUN_FRAMES || this.#sinceFrames < PAUSE_FRAMES || ending) return "none";
    this.latency.adapt(nowMs);
    const excessMs = ring.span * FRAME_MS - this.latency.targetMs;
    if (excessMs <= EXCESS_MS && excessMs >= -SHORTAGE_MS) return "none";
    this.#sinceFrames = 0;
    return excessMs > 0 ? "skip" : "insert";
  }
}
