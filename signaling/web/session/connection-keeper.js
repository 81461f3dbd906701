// @ts-check
/**
 * Keeps the connection to a room: opens it, watches it, and opens another one when it seems lost. The old one stays
 * until the new one is open: whichever answers first is used, since a network often comes back by itself.
 */

import {
  CONNECTION_CODES, NOTICE_CODES, problem, signalProblem,
} from "../state/problems.js";
import { Connection } from "./connection.js";
import { Heartbeat, ReconnectPolicy } from "./policy.js";
import { SignalError, endOf, iceServers } from "./signal.js";

/** How long the gateway may take for a step when the person was in the room a moment ago; then the next attempt. */
const AGAIN_MS = 4000;
/** What comes so soon after a loss, and a round trip, was under way before it: no sign of life. */
const UNDER_WAY_MS = 300;
/** So long the gateway may keep a stay of which it hears nothing, and its name with it. */
const OUTLIVED_MS = 15_000;
/** With more than this in the queue to the gateway, it may not be there any more. */
const PILED_UP_BYTES = 4000;

/**
 * @typedef {object} KeeperHooks
 * @property {() => void} onOpen the channels are open
 * @property {(message: any) => void} onControl
 * @property {() => void} onDown what was known from the connection that was lost is void
 * @property {() => void} onBack the connection that seemed lost goes on
 * @property {() => void} onHeard something came from the gateway
 * @property {() => void} onRefused the gateway refused for good
 */

/** Between two questions whether the stay has ended, where the gateway does not answer. */
const ASK_AGAIN_MS = 2000;

export class ConnectionKeeper {
  /** The person wants to be in a room. */
  wanted = false;
  /** The pair of ICE candidates in use. */
  pair = "";
  /** The audio link's latest statistics. */
  linkStats = {};

  /** In use. @type {Connection|null} */
  #connection = null;
  /** To be used as soon as it is open. @type {Connection|null} */
  #attempt = null;
  /** @type {Heartbeat|null} */
  #heartbeat = null;
  /** The connection in use does not answer. */
  #missing = false;
  #missedAtMs = 0;
  #policy = new ReconnectPolicy();
  /** Counts connections. */
  #generation = 0;
  #everJoined = false;
  /** Address of the latest stay that the gateway has taken in: only this browser knows it. */
  #former = "";
  /** Since when each attempt is told that somebody else has the name; null: the latest was not. @type {number|null} */
  #nameTakenAtMs = null;
  /** Place in the line in front of a full gateway; empty: not in line. */
  #ticket = "";

  /**
   * @param {import("../state/store.js").Store} store
   * @param {import("../audio/link-host.js").LinkHost} link
   * @param {KeeperHooks} hooks
   */
  constructor(store, link, hooks) {
    this.store = store;
    this.link = link;
    this.hooks = hooks;
  }

  /** Secret address of this stay; empty: there is none. */
  get location() {
    return this.#connection?.location ?? "";
  }

  /** Connect to the room of the store, and stay connected. */
  async start() {
    this.wanted = true;
    this.#everJoined = false;
    this.#nameTakenAtMs = null;
    this.#ticket = "";
    await this.#connect();
  }

  /** Leave for good. @param {boolean} [tell] the gateway does not know yet */
  stop(tell = true) {
    this.wanted = false;
    this.#policy.cancel();
    this.hangUp(tell);
  }

  /** Close the connection. @param {boolean} [tell] the gateway does not know yet */
  hangUp(tell = true) {
    this.#dropAttempt();
    this.#drop(tell);
  }

  /** @param {Record<string, unknown>} message @returns {boolean} sent */
  send(message) {
    return this.#connection?.send(message) ?? false;
  }

  /** The gateway is to stop; where it is started again, it is back within seconds. */
  expectRestart() {
    this.#policy.expectRestart(performance.now());
  }

  /** A control message arrived. */
  heard() {
    this.#alive(performance.now());
  }

  /**
   * The network has changed or came back: ask at once, and do not wait for what the old one still owes.
   * @param {boolean} isAnother it is another network: the old connection hardly survives that
   */
  hurry(isAnother) {
    const nowMs = performance.now();
    this.#heartbeat?.suspect();
    if (isAnother && this.#connection && !this.#missing) this.#miss();
    if (this.#attempt && !this.#attempt.location && this.#everJoined) {
      this.#dropAttempt();
      this.#retry(0);
    }
    this.#policy.hurry(nowMs);
    this.tick(nowMs);
  }

  /** @param {number} nowMs */
  tick(nowMs) {
    if (this.wanted && !this.#attempt && this.#policy.due(nowMs)) this.#connect();
    if (!this.#heartbeat || !this.#connection) return;
    const { ping, gone } = this.#heartbeat.tick(nowMs, this.store.state.rttMs ?? 0);
    if (ping) this.#connection.send({ type: "ping", t: nowMs });
    if (gone && !this.#missing) this.#miss();
  }

  /** A report of the audio link. @param {any} report */
  linkReport(report) {
    if (report.type === "open") {
      if (report.generation === this.#attempt?.generation) this.#attempt?.audioOpened?.();
      return;
    }
    if (report.generation !== this.#connection?.generation) return;
    if (report.type === "closed") this.lost();
    else if (report.type === "stats") {
      this.linkStats = report;
      if (report.queuedBytes > PILED_UP_BYTES) this.#heartbeat?.suspect();
      this.#alive(performance.now() - report.quietMs);
    }
  }

  /** The connection in use is closed: open another one at once. */
  lost() {
    if (!this.wanted) return;
    const tried = this.#missing || this.#attempt !== null;
    this.#drop(false);
    this.store.note("lost");
    this.store.raise(problem("gone"));
    this.hooks.onDown();
    if (!tried) this.#retry(0);
  }

  /** The connection in use does not answer: it may come back, but another one is opened. */
  #miss() {
    this.#missing = true;
    this.#missedAtMs = performance.now();
    this.store.note("missing");
    this.store.raise(problem("gone"));
    if (!this.#attempt) this.#retry(0);
  }

  /** Something came from the gateway. @param {number} atMs */
  #alive(atMs) {
    if (!this.#heartbeat) return;
    if (atMs > this.#heartbeat.heardAtMs) this.hooks.onHeard();
    this.#heartbeat.heard(atMs);
    if (!this.#missing || this.#heartbeat.askedAtMs !== null) return;
    if (atMs < this.#missedAtMs + UNDER_WAY_MS + (this.store.state.rttMs ?? 0)) return;
    if (this.#attempt?.location) return; // The gateway has given the place away: there is no way back.
    this.#missing = false;
    this.#dropAttempt();
    this.#policy.opened(performance.now());
    this.#clearTroubles();
    this.store.set({ phase: "connected", attempt: 0 });
    this.store.note("back");
    this.hooks.onBack();
  }

  async #connect() {
    this.#dropAttempt();
    const generation = ++this.#generation;
    const current = () => this.wanted && generation === this.#generation;
    this.store.note("connecting", { generation });
    try {
      const servers = await iceServers(this.#everJoined);
      if (!current()) return;
      /** @type {Connection} */
      const connection = new Connection({
        link: this.link, generation, servers,
        onControl: (message) => connection === this.#connection && this.hooks.onControl(message),
        onLost: () => connection === this.#connection && this.lost(),
        onDoubt: () => connection === this.#connection && this.#heartbeat?.suspect(),
      });
      this.#attempt = connection;
      const { room, name, mode, place } = this.store.state;
      const stay = { room, name, mode, place, ticket: this.#ticket, replaces: this.#former };
      await connection.connect(stay, this.#everJoined ? AGAIN_MS : undefined);
      if (current()) this.#opened(connection);
    } catch (error) {
      if (current()) this.#failed(error);
    }
  }

  /** @param {Connection} connection */
  #opened(connection) {
    const nowMs = performance.now();
    if (this.#connection) {
      this.#drop(false);
      this.hooks.onDown();
    }
    this.#connection = connection;
    this.#attempt = null;
    this.#former = connection.location;
    this.#everJoined = true;
    this.#nameTakenAtMs = null;
    this.#ticket = "";
    this.#policy.opened(nowMs);
    this.#heartbeat = new Heartbeat(nowMs);
    this.link.use(connection.generation);
    this.store.clear(...CONNECTION_CODES, ...NOTICE_CODES);
    this.store.set({ phase: "connected", attempt: 0, inLine: false });
    this.store.note("connected", { generation: connection.generation });
    connection.pair().then((pair) => {
      this.pair = pair;
    }).catch(() => {});
    this.hooks.onOpen();
    connection.flush();
    this.#watchEnd(connection);
  }

  /** The gateway tells when the process of this stay has died. @param {Connection} connection */
  async #watchEnd(connection) {
    while (connection === this.#connection && connection.location) {
      try {
        const end = await endOf(connection.location, connection.abort.signal);
        if (end === "left") return;
        if (end === "lost" && connection === this.#connection) this.lost();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
      }
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    this.#dropAttempt();
    const known = error instanceof SignalError;
    if (!known || !error.nameTaken) this.#nameTakenAtMs = null;
    const holdsName = known && error.nameTaken && this.#mayHoldName();
    this.#clearTroubles();
    if (holdsName) this.store.raise(problem("gone"));
    else this.store.raise(known ? signalProblem(error, this.#everJoined) : problem("blocked"));
    if (!known) console.warn(error);
    if (known && !error.retryable && !holdsName) {
      this.stop();
      this.store.clear(...NOTICE_CODES);
      this.hooks.onRefused();
      return;
    }
    this.#ticket = known ? error.ticket : "";
    this.#retry(known ? error.retryAfterMs : 0);
  }

  /** What the gateway has said on a connection that may still go on stays: it says each thing once. */
  #clearTroubles() {
    const kept = this.#connection ? NOTICE_CODES : [];
    this.store.clear(...CONNECTION_CODES.filter((code) => !kept.includes(code)));
  }

  /** Whether it may be this person's own former stay that has the name: the gateway has not noticed its end yet. */
  #mayHoldName() {
    const nowMs = performance.now();
    this.#nameTakenAtMs ??= nowMs;
    return this.#everJoined && nowMs - this.#nameTakenAtMs < OUTLIVED_MS;
  }

  /** @param {number} retryAfterMs */
  #retry(retryAfterMs) {
    const nowMs = performance.now();
    const inLine = this.#ticket !== "";
    if (inLine) this.#policy.wait(nowMs, retryAfterMs);
    else this.#policy.failed(nowMs, retryAfterMs);
    const phase = this.#everJoined ? "reconnecting" : "joining";
    this.store.set({ phase, attempt: this.#policy.attempt, inLine });
    if (this.#policy.due(nowMs)) this.#connect();
  }

  /** Close the connection in use. @param {boolean} tell the gateway does not know yet */
  #drop(tell) {
    this.#connection?.close(tell);
    this.#connection = null;
    this.#heartbeat = null;
    this.#missing = false;
    this.store.set({ rttMs: null });
  }

  /** Give up the attempt; what the gateway has made of it ends, too. */
  #dropAttempt() {
    const attempt = this.#attempt;
    this.#attempt = null;
    this.#generation += 1;
    // It may outlive this, since the request to end it may be lost: the next one replaces it, and what it was to replace.
    if (attempt?.location) this.#former = attempt.location;
    attempt?.close(true);
  }
}
