// @ts-check
/** Keeps the connection to a room: opens it, watches it, and opens it again when it is lost. */

import { CONNECTION_CODES, problem, signalProblem } from "../state/problems.js";
import { Connection } from "./connection.js";
import { Heartbeat, ReconnectPolicy } from "./policy.js";
import { SignalError, endOf, iceServers } from "./signal.js";

/**
 * @typedef {object} KeeperHooks
 * @property {() => void} onOpen the channels are open
 * @property {(message: any) => void} onControl
 * @property {() => void} onDown the connection or an attempt was lost; another one follows
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

  /** @type {Connection|null} */
  #connection = null;
  /** @type {Heartbeat|null} */
  #heartbeat = null;
  #policy = new ReconnectPolicy();
  /** Counts connections; reports of older ones are ignored. */
  #generation = 0;
  #everJoined = false;
  /** Address of the latest stay: only this browser knows it. */
  #former = "";
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
    if (this.#connection?.location) this.#former = this.#connection.location;
    this.#connection?.close(tell);
    this.#connection = null;
    this.#heartbeat = null;
  }

  /** @param {Record<string, unknown>} message @returns {boolean} sent */
  send(message) {
    return this.#connection?.send(message) ?? false;
  }

  /** A control message arrived. */
  heard() {
    this.#heartbeat?.heard(performance.now());
  }

  /** The network came back. */
  hurry() {
    this.#policy.hurry(performance.now());
  }

  /** @param {number} nowMs */
  tick(nowMs) {
    if (this.wanted && this.#policy.due(nowMs)) this.#connect();
    if (!this.#heartbeat || !this.#connection) return;
    const { ping, gone } = this.#heartbeat.tick(nowMs);
    if (gone) this.lost();
    else if (ping) this.#connection.send({ type: "ping", t: nowMs });
  }

  /** A report of the audio link. @param {any} report */
  linkReport(report) {
    if (report.generation !== this.#generation) return;
    if (report.type === "open") this.#connection?.audioOpened?.();
    else if (report.type === "closed") this.#connection?.open && this.lost();
    else if (report.type === "stats") {
      this.linkStats = report;
      this.#heartbeat?.heard(performance.now() - report.quietMs);
    }
  }

  /** The connection is gone: try again soon. */
  lost() {
    if (!this.wanted) return;
    this.#generation += 1;
    this.hangUp();
    this.store.note("lost");
    this.store.raise(problem("gone"));
    this.#retry(0);
  }

  async #connect() {
    this.#generation += 1;
    const generation = this.#generation;
    this.hangUp();
    const current = () => this.wanted && generation === this.#generation;
    this.store.note("connecting", { generation });
    try {
      const servers = await iceServers();
      if (!current()) return;
      const connection = new Connection({
        link: this.link, generation, servers,
        onControl: (message) => current() && this.hooks.onControl(message),
        onLost: () => current() && this.lost(),
      });
      this.#connection = connection;
      const { room, name, mode } = this.store.state;
      const ticket = this.#ticket;
      await connection.connect({ room, name, mode, ticket, replaces: this.#former });
      if (current()) this.#opened(connection, generation);
    } catch (error) {
      if (current()) this.#failed(error);
    }
  }

  /** @param {Connection} connection @param {number} generation */
  #opened(connection, generation) {
    const nowMs = performance.now();
    this.#everJoined = true;
    this.#ticket = "";
    this.#policy.opened(nowMs);
    this.#heartbeat = new Heartbeat(nowMs);
    this.store.clear(...CONNECTION_CODES);
    this.store.set({ phase: "connected", attempt: 0, inLine: false });
    this.store.note("connected", { generation });
    connection.pair().then((pair) => {
      this.pair = pair;
    }).catch(() => {});
    this.hooks.onOpen();
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
    this.hangUp();
    const known = error instanceof SignalError;
    this.store.clear(...CONNECTION_CODES);
    this.store.raise(known ? signalProblem(error, this.#everJoined) : problem("blocked"));
    if (!known) console.warn(error);
    if (known && !error.retryable) {
      this.stop();
      this.hooks.onRefused();
      return;
    }
    this.#ticket = known ? error.ticket : "";
    this.#retry(known ? error.retryAfterMs : 0);
  }

  /** @param {number} retryAfterMs */
  #retry(retryAfterMs) {
    const nowMs = performance.now();
    const inLine = this.#ticket !== "";
    if (inLine) this.#policy.wait(nowMs, retryAfterMs);
    else this.#policy.failed(nowMs, retryAfterMs);
    const phase = this.#everJoined ? "reconnecting" : "joining";
    this.store.set({ phase, attempt: this.#policy.attempt, inLine, rttMs: null });
    this.hooks.onDown();
  }
}
