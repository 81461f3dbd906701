// @ts-check
/**
 * One person's stay in a room: joins, keeps the connection alive, reconnects, and folds what the
 * gateway says into the store. Audio flows past it, from worklet to data channel and back.
 */

import { AudioEngine } from "../audio/engine.js";
import { foldCaption, markInterrupted } from "../state/captions.js";
import { Inbox } from "./inbox.js";
import { LinkHost } from "../audio/link-host.js";
import { CaptureWatchdog, Heartbeat, ReconnectPolicy } from "./policy.js";
import {
  CONNECTION_CODES, MICROPHONE_CODES, environmentProblem, microphoneProblem, problem, signalProblem,
} from "../state/problems.js";
import { Connection } from "./connection.js";
import { SignalError, isRoomName } from "./signal.js";
import { holdsToTalk } from "../state/store.js";

const TICK_MS = 250;
const TALKING_DBFS = -35;
const MUTED_TALK_REPORTS = 8;
/** The last word is still on its way from the microphone when the finger leaves the button. */
const RELEASE_MS = 80;

export class Session {
  /** Called when a room is joined and when the audio was rebuilt. @type {(() => void)|null} */
  onJoined = null;
  /** Called when a device came or went. @type {(() => void)|null} */
  onDevices = null;

  /**
   * @param {import("../state/store.js").Store} store
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
    /** @type {Promise<boolean>} */
    this.previewing = Promise.resolve(false);
    this.inbox = new Inbox(store, {
      heard: () => this.heartbeat?.heard(performance.now()),
      flush: (epoch) => this.#flush(epoch),
      rules: () => this.#applyMute(),
      buttonRefused: () => {
        this.buttonWanted = false;
      },
    });
    /** The gateway wants to know about the talk button. */
    this.buttonWanted = true;
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
  preview(wish) {
    this.previewing = this.#preview(wish);
    return this.previewing;
  }

  /** @param {{deviceId?: string, raw?: boolean}} wish */
  async #preview(wish) {
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
    if (typeof RTCPeerConnection === "undefined") {
      this.store.raise(problem("no-webrtc"));
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
    // Join may be pressed while the card's own preview is still opening the microphone.
    await this.previewing;
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
    this.store.clear(...CONNECTION_CODES, "upstream", "upstream-retry", "budget-low", "gateway", "suspended");
    this.store.set({
      phase: "lobby", participants: [], captions: [], participant: "", rttMs: null, pressed: false,
      tools: {}, questions: [], usage: null, pushToTalk: false,
    });
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
        onControl: (message) => current() && this.inbox.take(message),
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
    this.buttonWanted = true;
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
    this.store.clear(...CONNECTION_CODES);
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
    this.store.set({ phase, attempt: this.policy.attempt, rttMs: null, pressed: false, questions: [], tools: {} });
    this.#applyMute();
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

  /** @param {number} epoch */
  #flush(epoch) {
    this.link.learnEpoch(epoch);
    this.audio.flush(epoch);
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
    const unheard = this.state.muted && dbfs > TALKING_DBFS;
    this.mutedTalk = unheard ? this.mutedTalk + 1 : Math.max(0, this.mutedTalk - 0.1);
    const talkingWhileMuted = this.state.muted && this.mutedTalk >= MUTED_TALK_REPORTS;
    if (talkingWhileMuted !== this.state.talkingWhileMuted) this.store.set({ talkingWhileMuted });
  }

  /** @param {any} report */
  #played(report) {
    const { epoch, why, atSeconds } = report;
    const playedMs = Math.round(report.playedMs);
    const bufferedMs = Math.round(report.bufferedMs);
    const exact = report.stampNs === null ? {} : { stamp_ns: report.stampNs, offset_samples: report.offsetSamples };
    if (why !== "progress") this.store.note("played", { why, epoch, playedMs, bufferedMs, atSeconds });
    const cutOff = why === "flush" && bufferedMs > 0;
    if (cutOff) this.store.set({ captions: markInterrupted(this.state.captions) });
    this.connection?.send({
      type: "played", epoch, played_ms: playedMs, buffered_ms: bufferedMs, ...exact, last: why === "flush",
    });
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
    this.store.set({ muted, talkingWhileMuted: false });
    this.#applyMute();
    this.connection?.send({ type: "mute", muted: this.#effectivelyMuted() });
  }

  /** Between presses nothing leaves the page; the gateway need not know. */
  #applyMute() {
    const { muted, pressed } = this.state;
    this.audio.setMuted(muted || (holdsToTalk(this.state) && !pressed));
  }

  /** How this person wants to talk. @param {"open"|"hold"} talk */
  setTalk(talk) {
    this.press(false);
    this.store.set({ talk });
    if (talk === "hold" && this.state.muted) this.setMuted(false);
    else this.#applyMute();
  }

  /**
   * The talk button goes down or up.
   * @param {boolean} down
   * @returns {boolean} whether the button is held now
   */
  press(down) {
    const { pressed, phase, listenOnly } = this.state;
    const held = down && phase === "connected" && !listenOnly;
    if (held === pressed) return held;
    if (held && this.state.muted) this.setMuted(false);
    this.store.set({ pressed: held });
    if (this.buttonWanted) this.connection?.send({ type: "ptt", down: held });
    if (held) this.#applyMute();
    else setTimeout(() => this.#applyMute(), RELEASE_MS);
    return held;
  }

  /** Answer a tool's question. @param {string} call @param {boolean} allow */
  confirm(call, allow) {
    if (!this.connection?.send({ type: "confirm", call, allow })) return;
    const questions = this.state.questions.map((known) => (known.call === call ? { ...known, answered: true } : known));
    this.store.set({ questions });
  }

  /** A question that nobody answered in time. @param {string} call */
  dropQuestion(call) {
    this.store.set({ questions: this.state.questions.filter((known) => known.call !== call) });
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
