// @ts-check
/**
 * When to reconnect, when the gateway counts as gone, when the microphone needs help. Sans-I/O: every method
 * takes `nowMs`, in milliseconds of any monotonic clock.
 */

/** When to try again after a loss or a failed attempt. It never gives up. */
export class ReconnectPolicy {
  static DELAYS_MS = [0, 300, 600, 1200, 2000, 3000, 5000];
  /** Shortest time between two questions for a place. */
  static LEAST_WAIT_MS = 300;
  /** After a connection that lasted this long, the delays start again with the shortest. */
  static STABLE_MS = 3000;
  /** The gateway has said that it stops: so long after that, it may be started again at any moment. */
  static RESTART_MS = 150_000;
  static RESTART_EVERY_MS = 1000;

  constructor() {
    /** Failures in a row. */
    this.attempt = 0;
    /** @type {number|null} */
    this.dueAtMs = null;
    /** @type {number|null} */
    this.openedAtMs = null;
    this.hastyUntilMs = -Infinity;
  }

  /** The gateway is to stop, and may be started again. @param {number} nowMs */
  expectRestart(nowMs) {
    this.hastyUntilMs = nowMs + ReconnectPolicy.RESTART_MS;
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
    const longestMs = nowMs < this.hastyUntilMs ? ReconnectPolicy.RESTART_EVERY_MS : Infinity;
    const ownMs = Math.min(delays[Math.min(this.attempt, delays.length - 1)], longestMs);
    const delayMs = Math.max(ownMs, retryAfterMs);
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
    this.dueAtMs = nowMs + Math.max(waitMs, ReconnectPolicy.LEAST_WAIT_MS);
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

/**
 * Pings every second. A ping without an answer is followed by others, four times a second, and after a while the
 * connection counts as gone. What speaks against it (`suspect`) shortens the while.
 */
export class Heartbeat {
  static PING_EVERY_MS = 1000;
  static ASK_EVERY_MS = 250;
  static PATIENCE_MS = 1200;
  static HASTE_MS = 600;
  /** Round trips that are added to both, each counted as at most this long. */
  static ROUND_TRIPS = 4;
  static LONGEST_TRIP_MS = 500;
  /** After a tick this late the page itself was asleep (a frozen tab), so the gateway gets time to answer. */
  static SLEPT_MS = 1500;

  /** @param {number} nowMs */
  constructor(nowMs) {
    this.heardAtMs = nowMs;
    this.pingedAtMs = -Infinity;
    this.tickedAtMs = nowMs;
    /** When the first ping without an answer was sent. @type {number|null} */
    this.askedAtMs = null;
    this.suspected = false;
  }

  /** A message arrived. @param {number} nowMs */
  heard(nowMs) {
    this.heardAtMs = Math.max(this.heardAtMs, nowMs);
    if (this.askedAtMs === null || nowMs < this.askedAtMs) return;
    this.askedAtMs = null;
    this.suspected = false;
  }

  /** Something speaks against the connection: the network has changed, or what is sent piles up. */
  suspect() {
    this.suspected = true;
  }

  /** @param {number} nowMs @param {number} [rttMs] @returns {{ping: boolean, gone: boolean}} */
  tick(nowMs, rttMs = 0) {
    if (nowMs - this.tickedAtMs > Heartbeat.SLEPT_MS) this.#wake();
    this.tickedAtMs = nowMs;
    const urgent = this.suspected || this.askedAtMs !== null;
    const everyMs = urgent ? Heartbeat.ASK_EVERY_MS : Heartbeat.PING_EVERY_MS;
    const ping = nowMs - this.pingedAtMs >= everyMs;
    if (ping) {
      this.pingedAtMs = nowMs;
      this.askedAtMs ??= nowMs;
    }
    const trips = Heartbeat.ROUND_TRIPS * Math.min(rttMs, Heartbeat.LONGEST_TRIP_MS);
    const limitMs = (this.suspected ? Heartbeat.HASTE_MS : Heartbeat.PATIENCE_MS) + trips;
    return { ping, gone: this.askedAtMs !== null && nowMs - this.askedAtMs >= limitMs };
  }

  #wake() {
    this.askedAtMs = null;
    this.suspected = false;
    this.pingedAtMs = -Infinity;
  }
}

/** @typedef {"resume"|"reopen"|"rebuild"|"tell"} Cure tell: the person, for what is done does not help */

/** When nothing has helped: after how many ms it is tried again. */
const LATER_MS = [30_000, 60_000, 120_000, 240_000];

/** Something that comes all the time; for a gap that grows, cures that grow. Nothing but its coming ends the gap. */
class Watchdog {
  /** @param {[number, Cure][]} stages after how many ms which @param {number} nowMs */
  constructor(stages, nowMs) {
    this.stages = stages;
    this.heardAtMs = nowMs;
    this.tickedAtMs = nowMs;
    this.stage = 0;
  }

  /** It cannot come now, since a cure is at work: this while does not count, and the gap goes on. @param {number} nowMs */
  hold(nowMs) {
    this.heardAtMs += nowMs - this.tickedAtMs;
    this.tickedAtMs = nowMs;
  }

  /** Start again: it is not expected, or the page was asleep. @param {number} nowMs */
  restart(nowMs) {
    this.heardAtMs = nowMs;
    this.tickedAtMs = nowMs;
    this.stage = 0;
  }

  /** It came. @param {number} nowMs */
  heard(nowMs) {
    this.heardAtMs = nowMs;
    this.stage = 0;
  }

  /**
   * The cure that is due, each once per gap.
   * @param {number} nowMs
   * @returns {Cure|null}
   */
  tick(nowMs) {
    if (nowMs - this.tickedAtMs > Heartbeat.SLEPT_MS) this.restart(nowMs);
    this.tickedAtMs = nowMs;
    const next = this.stages[this.stage];
    if (!next || nowMs - this.heardAtMs < next[0]) return null;
    this.stage += 1;
    return next[1];
  }
}

/** Watches the samples, since after an interruption a track may be "live" and deliver nothing. */
export class CaptureWatchdog extends Watchdog {
  /** @param {number} nowMs */
  constructor(nowMs) {
    super([[500, "resume"], [1500, "reopen"], [4000, "rebuild"], [6000, "tell"], ...later("reopen")], nowMs);
  }
}

/** Watches the clock of what is played. It gives way to the other one, whose cures mend it, too. */
export class OutputWatchdog extends Watchdog {
  /** @param {number} nowMs */
  constructor(nowMs) {
    super([[1000, "resume"], [5500, "rebuild"], [8000, "tell"], ...later("rebuild")], nowMs);
  }
}

/** @param {Cure} cure @returns {[number, Cure][]} */
function later(cure) {
  return LATER_MS.map((ms) => [ms, cure]);
}
