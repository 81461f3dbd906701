// @ts-check
/**
 * How much faster or slower than its own clock the device should play, so that what waits stays what it should
 * be: clocks of two machines differ by up to 200 ppm, which is 240 ms in 20 minutes of speech. Sans-I/O.
 *
 * A proportional-integral controller of what waits, on average over each 4 s of playing. 0.2 % at most is a
 * thirtieth of a semitone: nobody hears it.
 */

const PERIOD_MS = 4000;
/** Parts per million for each millisecond too much, and for each millisecond and second that it lasts. */
const PROPORTIONAL_PPM = 20;
const INTEGRAL_PPM = 0.1;
const MOST_PPM = 2000;
/** Clocks differ by less; what lasts longer is a target that has changed. */
const MOST_LASTING_PPM = 500;

export class Drift {
  /** Parts per million that the device should take more than its clock says. */
  ppm = 0;

  #lastingPpm = 0;
  #sumMs = 0;
  #count = 0;
  /** @type {number|null} */
  #sinceMs = null;

  /** Playback begins or has stopped: what waited until now says nothing. */
  restart() {
    this.#sinceMs = null;
    this.ppm = this.#lastingPpm;
  }

  /**
   * While it plays.
   * @param {number} waitingMs what waits now
   * @param {number} wantedMs what should wait on average
   * @param {number} nowMs
   */
  observe(waitingMs, wantedMs, nowMs) {
    if (this.#sinceMs === null) {
      this.#sinceMs = nowMs;
      this.#sumMs = this.#count = 0;
    }
    this.#sumMs += waitingMs;
    this.#count += 1;
    const passedMs = nowMs - this.#sinceMs;
    if (passedMs < PERIOD_MS) return;
    this.#decide(this.#sumMs / this.#count - wantedMs, passedMs / 1000);
    this.#sinceMs = nowMs;
    this.#sumMs = this.#count = 0;
  }

  /** @param {number} excessMs @param {number} seconds */
  #decide(excessMs, seconds) {
    const quickPpm = PROPORTIONAL_PPM * excessMs;
    if (Math.abs(quickPpm) < MOST_PPM / 2) {
      this.#lastingPpm = clamp(this.#lastingPpm + INTEGRAL_PPM * excessMs * seconds, MOST_LASTING_PPM);
    }
    this.ppm = clamp(this.#lastingPpm + quickPpm, MOST_PPM);
  }
}

/** @param {number} value @param {number} most */
function clamp(value, most) {
  return Math.max(-most, Math.min(most, value));
}
