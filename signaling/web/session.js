// @ts-check
/**
 * One person's stay in a room: joins, keeps the connection alive, reconnects, and folds what the
 * gateway says into the store. Audio flows past it, from worklet to data channel and back.
 */

import { AudioEngine } from "./audio.js";
import { foldCaption, markInterrupted } from "./captions.js";
import { LinkHost } from "./link-host.js";
import { CaptureWatchdog, Heartbeat, ReconnectPolicy } from "./policy.js";
import {
  CONNECTION_CODES, MICROPHONE_CODES, environmentProblem, microphoneProblem, problem, signalProblem,
} from "./problems.js";
import { Connection } from "./rtc.js";
import { SignalError, isRoomName } from "./signal.js";

const TICK_MS = 250;
const ERROR_SHOWN_MS = 8000;
const TALKING_DBFS = -35;
const MUTED_TALK_REPORTS = 8;

export class Session {
  /**
   * @param {import("./state.js").Store} store
   * @param {{jitter: object, allowWorker: boolean}} options
   */
  constructor(store, options) {
    this.store = store;
    this.policy = new ReconnectPolicy();
    /** @type {Connection|null} */
    this.connection = null;
    /** @type {Heartbeat|null} */
    this.heartbeat = null;
    this.watchdog = new CaptureWatchdog(performance.now());
    this.generation = 0;
    this.wanted = false;
    this.everJoined = false;
    this.mutedTalk = 0;
    this.figures = { link: {}, playback: {}, pair: "" };
    this.link = new LinkHost({
      allowWorker: options.allowWorker,
      onReport: (report) => this.#linkReport(report),
      onTrouble: (detail) => this.#workerDied(detail),
    });
    this.audio = new AudioEngine(this.#audioCallbacks(), { jitter: options.jitter });
    this.timer = setInterval(() => this.#tick(), TICK_MS);
    window.addEventListener("pagehide", () => this.#pageHides());
    window.addEventListener("pageshow", (event) => event.persisted && this.#lost());
    window.addEventListener("online", () => this.policy.hurry(performance.now()));
    document.addEventListener("visibilitychange", () => this.#keepAwake());
  }

  get state() {
    return this.store.state;
  }

  // -- joining and leaving ---------------------------------------------------------------------

  /**
   * Open the microphone only, for the join card's meter.
   * @param {{deviceId?: string, raw?: boolean}} wish
   * @returns {Promise<boolean>}
   */
  async preview(wish) {
    const bad = environmentProblem();
    if (bad) {
      this.store.raise(bad);
      return false;
    }
    try {
      await this.audio.openMicrophone(wish);
      await this.audio.openContext();
    } catch (error) {
      this.store.raise(microphoneProblem(error));
      return false;
    }
    this.watchdog.restart(performance.now());
    this.store.clear(...MICROPHONE_CODES);
    this.#judgeEcho();
    return true;
  }

  /**
   * Do everything that the Join button promises; runs inside the gesture.
   * @param {{room: string, name: string, mode: string, deviceId?: string, raw?: boolean, listenOnly?: boolean}} wish
   */
  async join({ room, name, mode, deviceId, raw, listenOnly = false }) {
    if (!isRoomName(room)) {
      this.store.raise(problem("bad-room"));
      return;
    }
    this.store.clear(...CONNECTION_CODES);
    this.store.set({ phase: "joining", room, name, mode, listenOnly, attempt: 0 });
    const ready = await this.#openAudio({ deviceId, raw, listenOnly });
    if (!ready) {
      this.store.set({ phase: "lobby" });
      return;
    }
    this.link.connect(this.audio.makePorts());
    this.wanted = true;
    this.everJoined = false;
    await this.#connect();
  }

  /** @param {{deviceId?: string, raw?: boolean, listenOnly: boolean}} wish */
  async #openAudio({ deviceId, raw, listenOnly }) {
    if (listenOnly) {
      this.store.clear(...MICROPHONE_CODES);
      if (window.isSecureContext) await this.audio.openContext();
      return true;
    }
    const same = this.audio.hasMicrophone && (deviceId ?? "") === this.audio.deviceId
      && (raw ?? false) === this.audio.raw;
    if (!same) return this.preview({ deviceId, raw });
    await this.audio.openContext();
    return true;
  }

  /** Leave for good; the microphone closes. */
  async leave() {
    this.wanted = false;
    this.policy.cancel();
    this.connection?.close(true);
    this.connection = null;
    this.heartbeat = null;
    this.wakeLock?.release().catch(() => {});
    this.store.clear(...CONNECTION_CODES, "upstream", "upstream-retry", "gateway", "suspended");
    this.store.set({ phase: "lobby", participants: [], captions: [], participant: "", rttMs: null });
    await this.audio.close();
  }

  #pageHides() {
    this.connection?.close(true);
    this.connection = null;
    this.heartbeat = null;
  }

  // -- the connection --------------------------------------------------------------------------

  async #connect() {
    this.generation += 1;
    const generation = this.generation;
    this.connection?.close(true);
    this.connection = null;
    const current = () => this.wanted && generation === this.generation;
    this.store.note("connecting", { generation });
    try {
      const connection = new Connection({
        link: this.link, generation,
        onControl: (message) => current() && this.#control(message),
        onLost: () => current() && this.#lost(),
      });
      this.connection = connection;
      const { room, name, mode } = this.state;
      await connection.connect({ room, name, mode });
      if (current()) this.#opened(connection);
    } catch (error) {
      if (current()) this.#connectFailed(error);
    }
  }

  /** @param {Connection} connection */
  #opened(connection) {
    const nowMs = performance.now();
    this.everJoined = true;
    this.policy.opened(nowMs);
    this.heartbeat = new Heartbeat(nowMs);
    this.store.clear(...CONNECTION_CODES);
    this.store.set({ phase: "connected", attempt: 0 });
    this.store.note("connected", { generation: this.generation });
    connection.send({ type: "hello", name: this.state.name });
    connection.send({ type: "mute", muted: this.#effectivelyMuted() });
    connection.pair().then((pair) => {
      this.figures.pair = pair;
    }).catch(() => {});
    this.#keepAwake();
    this.onJoined?.();
  }

  /** @param {unknown} error */
  #connectFailed(error) {
    this.connection?.close(true);
    this.connection = null;
    const known = error instanceof SignalError;
    this.store.raise(known ? signalProblem(error, this.everJoined) : problem("blocked"));
    if (!known) console.warn(error);
    if (known && !error.retryable) {
      this.wanted = false;
      this.store.set({ phase: "lobby" });
      return;
    }
    this.#retry(known ? error.retryAfterMs : 0);
  }

  #lost() {
    if (!this.wanted) return;
    this.generation += 1;
    this.connection?.close(true);
    this.connection = null;
    this.store.note("lost");
    this.store.raise(problem("gone"));
    this.#retry(0);
  }

  /** @param {number} retryAfterMs */
  #retry(retryAfterMs) {
    this.heartbeat = null;
    this.policy.failed(performance.now(), retryAfterMs);
    const phase = this.everJoined ? "reconnecting" : "joining";
    this.store.levels.clear();
    this.store.set({ phase, attempt: this.policy.attempt, rttMs: null });
  }

  /** @param {string} detail */
  #workerDied(detail) {
    console.warn(detail);
    this.link.connect(this.audio.makePorts());
    this.#lost();
  }

  // -- time ------------------------------------------------------------------------------------

  #tick() {
    const nowMs = performance.now();
    if (this.wanted && this.policy.due(nowMs)) this.#connect();
    if (this.heartbeat && this.connection) {
      const { ping, gone } = this.heartbeat.tick(nowMs);
      if (gone) this.#lost();
      else if (ping) this.connection.send({ type: "ping", t: nowMs });
    }
    const watching = this.wanted && this.audio.hasMicrophone && this.audio.running && !document.hidden;
    if (watching) this.#cure(this.watchdog.tick(nowMs));
    else this.watchdog.restart(nowMs);
  }

  /** @param {"resume"|"reopen"|"rebuild"|null} cure */
  #cure(cure) {
    if (!cure) return;
    this.store.note("microphone-silent", { cure });
    if (cure === "resume") this.audio.resume();
    else if (cure === "reopen") this.reopenMicrophone();
    else this.#rebuild();
  }

  async #rebuild() {
    await this.audio.close();
    if (await this.preview({})) this.link.connect(this.audio.makePorts());
    this.onJoined?.();
  }

  // -- what the gateway says -------------------------------------------------------------------

  /** @param {any} message */
  #control(message) {
    this.heartbeat?.heard(performance.now());
    if (message.type !== "level" && message.type !== "pong") this.store.note("control", { message });
    const handlers = {
      welcome: () => this.#welcome(message),
      state: () => this.#assistantState(message),
      participants: () => this.store.set({ participants: message.participants ?? [] }),
      level: () => this.#levels(message.levels ?? {}),
      caption: () => this.#caption(message),
      flush: () => this.#flush(message.epoch),
      tool: () => this.#tool(message),
      latency: () => this.store.set({ latency: { ...this.state.latency, ...numbers(message) } }),
      usage: () => this.store.set({ usage: message }),
      pong: () => this.#pong(message.t),
      error: () => this.#error(message),
    };
    handlers[/** @type {keyof typeof handlers} */ (message.type)]?.();
  }

  /** @param {any} message */
  #welcome(message) {
    this.store.set({
      room: message.room ?? this.state.room, participant: message.participant ?? "",
      mode: message.mode ?? this.state.mode, version: message.version ?? "",
    });
    if (Number.isInteger(message.epoch)) this.#flush(message.epoch);
  }

  /** @param {any} message */
  #assistantState(message) {
    const { assistant = this.state.assistant, upstream = this.state.upstream, detail = "" } = message;
    const simulated = message.simulated ?? this.state.simulated;
    const tool = assistant === "thinking" ? this.state.tool : "";
    this.store.set({ assistant, upstream, simulated, detail, tool });
    this.store.clear("upstream", "upstream-retry");
    if (upstream === "failed") this.store.raise(problem("upstream", detail ? { cure: detail } : {}));
    if (upstream === "reconnecting") this.store.raise(problem("upstream-retry", detail ? { cure: detail } : {}));
  }

  /** @param {Record<string, number>} levels */
  #levels(levels) {
    for (const [id, dbfs] of Object.entries(levels)) this.store.levels.set(id, dbfs);
  }

  /** @param {any} message */
  #caption(message) {
    const speaker = String(message.speaker ?? "assistant");
    const person = this.state.participants.find((known) => known.participant === speaker);
    const name = message.name ?? (speaker === "assistant" ? "Assistant" : person?.name ?? "Room");
    const line = {
      item: String(message.item ?? ""), speaker, name, text: String(message.text ?? ""),
      final: Boolean(message.final), interrupted: Boolean(message.interrupted),
      kind: /** @type {const} */ ("speech"),
    };
    this.store.set({ captions: foldCaption(this.state.captions, line) });
  }

  /** @param {number} epoch */
  #flush(epoch) {
    this.link.learnEpoch(epoch);
    this.audio.flush(epoch);
  }

  /** @param {any} message */
  #tool(message) {
    const running = !["done", "completed", "failed", "error"].includes(message.status);
    const line = {
      item: `tool-${message.id ?? message.item ?? message.name}`, speaker: "tool", name: "Tool",
      text: [message.name, message.status].filter(Boolean).join(" · "), final: !running,
      kind: /** @type {const} */ ("tool"),
    };
    this.store.set({ tool: running ? message.name : "", captions: foldCaption(this.state.captions, line) });
  }

  /** @param {number} sentAtMs */
  #pong(sentAtMs) {
    if (typeof sentAtMs !== "number") return;
    const rttMs = performance.now() - sentAtMs;
    const before = this.state.rttMs;
    this.store.set({ rttMs: before === null ? rttMs : before + 0.3 * (rttMs - before) });
  }

  /** @param {any} message */
  #error(message) {
    const code = `gateway-${message.code ?? "error"}`;
    this.store.raise({ ...problem("gateway"), code, cure: String(message.message ?? message.code ?? "") });
    setTimeout(() => this.store.clear(code), ERROR_SHOWN_MS);
  }

  // -- what the audio says ---------------------------------------------------------------------

  #audioCallbacks() {
    return {
      onLevel: (/** @type {any} */ level) => this.#ownLevel(level),
      onPlayed: (/** @type {any} */ report) => this.#played(report),
      onStats: (/** @type {any} */ stats) => {
        this.figures.playback = stats;
      },
      onUplink: (/** @type {any} */ uplink) => {
        this.store.note("uplink", uplink);
        this.store.set({ uplinkTalking: uplink.talking });
      },
      onWorkletError: (/** @type {string} */ detail) => {
        this.store.raise(problem("worklet", { title: `The page's audio stopped working (${detail})` }));
      },
      onRunning: (/** @type {boolean} */ running) => this.#running(running),
      onTrackEnded: () => this.store.raise(problem("mic-lost")),
      onDevices: () => this.#devicesChanged(),
    };
  }

  /** @param {{dbfs: number}} level */
  #ownLevel({ dbfs }) {
    this.watchdog.heard(performance.now());
    this.store.levels.set("me", dbfs);
    this.mutedTalk = this.state.muted && dbfs > TALKING_DBFS ? this.mutedTalk + 1 : Math.max(0, this.mutedTalk - 0.1);
    const talkingWhileMuted = this.state.muted && this.mutedTalk >= MUTED_TALK_REPORTS;
    if (talkingWhileMuted !== this.state.talkingWhileMuted) this.store.set({ talkingWhileMuted });
  }

  /** @param {any} report */
  #played(report) {
    const { epoch, why, atSeconds } = report;
    const playedMs = Math.round(report.playedMs);
    const bufferedMs = Math.round(report.bufferedMs);
    if (why !== "progress") this.store.note("played", { why, epoch, playedMs, bufferedMs, atSeconds });
    if (why === "flush") this.store.set({ captions: markInterrupted(this.state.captions) });
    this.connection?.send({ type: "played", epoch, played_ms: playedMs, buffered_ms: bufferedMs });
  }

  /** @param {boolean} running */
  #running(running) {
    this.store.set({ audioRunning: running });
    if (running || !this.wanted) this.store.clear("suspended");
    else this.store.raise(problem("suspended"));
  }

  async #devicesChanged() {
    this.store.note("devices");
    this.onDevices?.();
    const track = this.audio.stream?.getAudioTracks()[0];
    if (this.wanted && track && track.readyState === "ended") await this.reopenMicrophone();
  }

  /** @param {any} report */
  #linkReport(report) {
    if (report.generation !== this.generation) return;
    if (report.type === "open") this.connection?.audioOpened?.();
    else if (report.type === "closed") this.connection?.open && this.#lost();
    else if (report.type === "stats") {
      this.figures.link = report;
      this.heartbeat?.heard(performance.now() - report.quietMs);
    }
  }

  #judgeEcho() {
    const settings = this.audio.trackSettings;
    const off = settings?.echoCancellation === false && !this.audio.raw;
    if (off) this.store.raise(problem("no-echo-cancel"));
    else this.store.clear("no-echo-cancel");
  }

  // -- what the person does --------------------------------------------------------------------

  #effectivelyMuted() {
    return this.state.muted || this.state.listenOnly;
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.mutedTalk = 0;
    this.audio.setMuted(muted);
    this.store.set({ muted, talkingWhileMuted: false });
    this.connection?.send({ type: "mute", muted: this.#effectivelyMuted() });
  }

  stopAssistant() {
    this.connection?.send({ type: "interrupt" });
  }

  /** @param {string} text @returns {boolean} sent */
  say(text) {
    if (!this.connection?.send({ type: "say", text })) return false;
    const { participant, name, captions } = this.state;
    const line = {
      item: `typed-${performance.now()}`, speaker: participant, name, text, final: true,
      kind: /** @type {const} */ ("typed"),
    };
    this.store.set({ captions: foldCaption(captions, line) });
    return true;
  }

  /** @param {{deviceId?: string, raw?: boolean}} [wish] */
  async reopenMicrophone(wish = {}) {
    const opened = await this.preview(wish);
    if (opened && this.state.listenOnly) this.store.set({ listenOnly: false });
    if (opened) this.connection?.send({ type: "mute", muted: this.#effectivelyMuted() });
    return opened;
  }

  async #keepAwake() {
    if (!this.wanted || document.hidden || !navigator.wakeLock) return;
    try {
      this.wakeLock = await navigator.wakeLock.request("screen");
    } catch {
      this.wakeLock = undefined;
    }
  }

  /** Every figure the page has, for the debug panel and for tests. */
  stats() {
    const context = this.audio.context;
    return {
      rttMs: this.state.rttMs,
      latency: this.state.latency,
      link: { place: this.link.place, pair: this.figures.pair, ...this.figures.link },
      playback: this.figures.playback,
      output: {
        route: this.audio.route, rateHz: context?.sampleRate ?? 0, state: context?.state ?? "none",
        baseMs: Math.round(1000 * (context?.baseLatency ?? 0)),
        outputMs: Math.round(1000 * (context?.outputLatency ?? 0)),
      },
      microphone: this.audio.trackSettings,
    };
  }
}

/** The numeric fields of a message. @param {Record<string, unknown>} message */
function numbers(message) {
  return /** @type {Record<string, number>} */ (Object.fromEntries(
    Object.entries(message).filter(([, value]) => typeof value === "number"),
  ));
}
