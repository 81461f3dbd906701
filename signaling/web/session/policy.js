// @ts-check
/**
 * When to reconnect, when the gateway counts as gone, when the microphone needs help. Sans-I/O: every method
 * takes `nowMs`, in milliseconds of any monotonic clock.
 */

/** When to try again after a loss or a failed attempt. It never gives up. */
export class ReconnectPolicy {
  static DELAYS_MS = [300, 600, 1200, 2000, 3000, 5000];
  /** After a connection that lasted this long, the delays start again with the shortest. */
  static STABLE_MS = 3000;

  constructor() {
    /** Failures in a row. */
    this.attempt = 0;
    /** @type {number|null} */
    this.dueAtMs = null;
    /** @type {number|null} */
    this.openedAtMs = null;
  }

  /**
   * An attempt failed or a connection was lost.
   * @param {number} nowMs
   * @param {number} [retryAfterMs] what the gateway asked for; it may lengthen the wait, not shorten it
   * @returns {number} the wait in milliseconds
   */
  failed(nowMs, retryAfterMs = 0) {
    if (this.openedAtMs !== null && nowMs - this.openedAtMs >= ReconnectPolicy.STABLE_MS) {
      this.attempt = 0;
    }
    this.openedAtMs = null;
    const delays = ReconnectPolicy.DELAYS_MS;
    const delayMs = Math.max(delays[Math.min(this.attempt, delays.length - 1)], retryAfterMs);
    this.attempt += 1;
    this.dueAtMs = nowMs + delayMs;
    return delayMs;
  }

  /**
   * It is no failure, the gateway has no place yet: ask again when it says.
   * @param {number} nowMs
   * @param {number} waitMs
   */
  wait(nowMs, waitMs) {
    this.attempt = 0;
    this.openedAtMs = null;
    this.dueAtMs = nowMs + Math.max(waitMs, ReconnectPolicy.DELAYS_MS[0]);
  }

  /** The connection is open. @param {number} nowMs */
  opened(nowMs) {
    this.openedAtMs = nowMs;
    this.dueAtMs = null;
  }

  /** The network came back: try at once. @param {number} nowMs */
  hurry(nowMs) {
    if (this.dueAtMs !== null) this.dueAtMs = nowMs;
  }

  /** The person left: make no more attempts. */
  cancel() {
    this.attempt = 0;
    this.dueAtMs = null;
    this.openedAtMs = null;
  }

  /** Whether it is time to try; true once per failure. @param {number} nowMs */
  due(nowMs) {
    if (this.dueAtMs === null || nowMs < this.dueAtMs) return false;
    this.dueAtMs = null;
    return true;
  }
}

/** Pings every second; after 2.5 s without any message the gateway counts as gone. */
export class Heartbeat {
  static PING_EVERY_MS = 1000;
  static GONE_AFTER_MS = 2500;
  /** After a tick this late the page itself was asleep (a frozen tab), so the gateway gets time to answer. */
  static SLEPT_MS = 1500;
  static GRACE_MS = 1500;

  /** @param {number} nowMs */
  constructor(nowMs) {
    this.heardAtMs = nowMs;
    this.pingedAtMs = -Infinity;
    this.tickedAtMs = nowMs;
  }

  /** A message arrived. @param {number} nowMs */
  heard(nowMs) {
    this.heardAtMs = Math.max(this.heardAtMs, nowMs);
  }

  /** @param {number} nowMs @returns {{ping: boolean, gone: boolean}} */
  tick(nowMs) {
    if (nowMs - this.tickedAtMs > Heartbeat.SLEPT_MS) {
      this.heard(nowMs - Heartbeat.GONE_AFTER_MS + Heartbeat.GRACE_MS);
    }
    this.tickedAtMs = nowMs;
    const ping = nowMs - this.pingedAtMs >= Heartbeat.PING_EVERY_MS;
    if (ping) this.pingedAtMs = nowMs;
    return { ping, gone: nowMs - this.heardAtMs >= Heartbeat.GONE_AFTER_MS };
  }
}

/** Watches the samples, since after an interruption a track may be "live" and deliver nothing. */
export class CaptureWatchdog {
  /** @type {[number, "resume"|"reopen"|"rebuild"][]} */
  static STAGES = [[500, "resume"], [1500, "reopen"], [4000, "rebuild"]];

  /** @param {number} nowMs */
  constructor(nowMs) {
    this.heardAtMs = nowMs;
    this.tickedAtMs = nowMs;
    this.stage = 0;
  }

  /** Start again, after the microphone was opened or the page was asleep. @param {number} nowMs */
  restart(nowMs) {
    this.heardAtMs = nowMs;
    this.tickedAtMs = nowMs;
    this.stage = 0;
  }

  /** Samples arrived. @param {number} nowMs */
  heard(nowMs) {
    this.heardAtMs = nowMs;
    this.stage = 0;
  }

  /**
   * The cure that is due, each once per gap.
   * @param {number} nowMs
   * @returns {"resume"|"reopen"|"rebuild"|null}
   */
  tick(nowMs) {
    if (nowMs - this.tickedAtMs > Heartbeat.SLEPT_MS) this.restart(nowMs);
    this.tickedAtMs = nowMs;
    const next = CaptureWatchdog.STAGES[this.stage];
    if (!next || nowMs - this.heardAtMs < next[0]) return null;
    this.stage += 1;
    return next[1];
  }
}
