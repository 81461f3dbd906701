// @ts-check
/**
 * One person's stay in a room: connects the parts and carries out what the person does. Audio does not pass
 * through here, it goes from worklet to data channel and back.
 */

import { AudioEngine } from "../audio/engine.js";
import { LinkHost } from "../audio/link-host.js";
import { foldHistory } from "../state/captions.js";
import { historyLines } from "../state/history.js";
import { CONNECTION_CODES, MICROPHONE_CODES, ROOM_CODES, problem } from "../state/problems.js";
import { may, roomState } from "../state/store.js";
import { Archive } from "./archive.js";
import { ConnectionKeeper } from "./connection-keeper.js";
import { Inbox } from "./inbox.js";
import { Microphone } from "./microphone.js";
import { base64 } from "./picture.js";
import { PlayedReports } from "./played.js";
import { RecordingWish } from "./recording.js";
import { isRoomName, postPicture } from "./signal.js";
import { Speaker } from "./speaker.js";
import { Talk } from "./talk.js";
import { Typed } from "./typed.js";
import { Unheard } from "./unheard.js";
import { WakeLock } from "./wake-lock.js";

const TICK_MS = 250;
/** A microphone that the system holds for less than this is no news. */
const HELD_SHOWN_MS = 800;

/** @typedef {import("./microphone.js").MicrophoneChoice} MicrophoneChoice */

export class Session {
  /** Called when a room is joined and when the audio graph was rebuilt. @type {(() => void)|null} */
  onJoined = null;
  /** Called when a device came or went. @type {(() => void)|null} */
  onDevices = null;
  /** Called with a typed line that the room has not got. @type {((text: string) => void)|null} */
  onUnsaid = null;
  /** The playback worklet's latest statistics. */
  #playback = {};
  #wakeLock = new WakeLock();
  /** Counts joining and leaving: what the one before still waits for is void. */
  #turn = 0;

  /**
   * @param {import("../state/store.js").Store} store
   * @param {{jitter: object, allowWorker: boolean, route?: import("../audio/output.js").Route}} options
   */
  constructor(store, options) {
    this.store = store;
    this.audio = new AudioEngine(this.#audioCallbacks(), { jitter: options.jitter, route: options.route });
    this.link = new LinkHost({
      allowWorker: options.allowWorker,
      onReport: (report) => this.keeper.linkReport(report),
      onTrouble: (detail) => this.#workerDied(detail),
    });
    this.keeper = new ConnectionKeeper(store, this.link, {
      onOpen: () => this.#connected(),
      onControl: (message) => this.inbox.take(message),
      onDown: () => this.#disconnected(),
      onBack: () => this.unheard.tell(),
      onHeard: () => this.unheard.heard(),
      onRefused: () => this.#refused(),
    });
    const send = (/** @type {Record<string, unknown>} */ message) => this.keeper.send(message);
    this.talk = new Talk(store, { setMuted: (muted) => this.audio.setMuted(muted), send });
    this.typed = new Typed(store, {
      send, giveBack: (text) => this.onUnsaid?.(text), catchUp: () => this.#catchUp(),
    });
    this.recording = new RecordingWish(store, send);
    this.played = new PlayedReports(store, send);
    this.microphone = new Microphone(store, this.audio, {
      onReopen: () => this.#reopenMicrophone(),
    });
    this.speaker = new Speaker(store, this.audio, () => this.microphone.rebuild());
    this.inbox = new Inbox(store, {
      heard: () => this.keeper.heard(),
      flush: (epoch) => this.#flush(epoch),
      rules: () => this.talk.apply(),
      buttonRefused: () => this.talk.pressesUnwanted(),
      sentAway: () => this.leave(false),
      welcomed: () => this.#welcomed(),
      interrupted: () => this.played.showInterrupted(),
      recorded: (recording) => this.recording.told(recording),
      stopping: () => this.keeper.expectRestart(),
    });
    this.unheard = new Unheard(store);
    this.archive = new Archive(() => store.state.room);
    setInterval(() => this.#tick(), TICK_MS);
    window.addEventListener("pagehide", () => this.keeper.hangUp());
    window.addEventListener("pageshow", (event) => event.persisted && this.keeper.lost());
    window.addEventListener("online", () => this.keeper.hurry(true));
    this.#watchNetwork(/** @type {any} */ (navigator).connection);
    document.addEventListener("visibilitychange", () => this.#seen());
  }

  get state() {
    return this.store.state;
  }

  // -- joining and leaving ---------------------------------------------------------------------

  /**
   * Open the audio and join; must be called in a gesture of the person.
   * @param {MicrophoneChoice & {room: string, name: string, mode: string, place: string, listenOnly?: boolean}} choice
   */
  async join({ room, name, mode, place, deviceId, raw, listenOnly = false }) {
    if (!isRoomName(room)) {
      this.store.raise(problem("bad-room"));
      return;
    }
    if (typeof RTCPeerConnection === "undefined") {
      this.store.raise(problem("no-webrtc"));
      return;
    }
    this.store.clear(...CONNECTION_CODES);
    const { access } = this.state;
    listenOnly ||= access?.role === "listen";
    this.store.set({
      phase: "joining", room, name: access?.name || name, mode, place, listenOnly, attempt: 0, inLine: false,
    });
    const turn = ++this.#turn;
    const ready = await this.microphone.openToJoin({ deviceId, raw, listenOnly });
    if (turn !== this.#turn) return;
    if (!ready) {
      this.store.set({ phase: "lobby" });
      return;
    }
    this.talk.apply();
    this.link.connect(this.audio.makePorts());
    await this.keeper.start();
  }

  /** Leave for good; the microphone closes. @param {boolean} [tell] the gateway does not know yet */
  async leave(tell = true) {
    this.keeper.stop(tell);
    this.store.clear(...CONNECTION_CODES);
    this.#backToLobby();
    await this.audio.close();
  }

  /** The gateway does not let this person in: nothing needs the microphone. */
  #refused() {
    this.#backToLobby();
    this.audio.close();
  }

  #backToLobby() {
    this.#turn += 1;
    this.microphone.left();
    this.recording.over();
    this.#wakeLock.release();
    clearTimeout(this.holding);
    this.store.clear(...ROOM_CODES, ...MICROPHONE_CODES.filter((code) => code !== "insecure"), "no-echo-cancel");
    this.store.levels.clear();
    this.store.set({ phase: "lobby", attempt: 0, inLine: false, ...roomState() });
  }

  // -- the connection and time -----------------------------------------------------------------

  #connected() {
    this.keeper.send({ type: "hello", name: this.state.name });
    if (this.state.speakerUse === "headphones") this.setSpeakerUse("headphones"); // The gateway knows who plays.
    this.talk.connected();
    this.recording.connected();
    this.unheard.tell();
    this.#running(this.state.audioRunning);
    if (!this.audio.context) this.resume();
    this.#wakeLock.request();
    this.onJoined?.();
  }

  #welcomed() {
    this.typed.welcomed();
    this.#catchUp();
  }

  /** Show what was said before this person came, or while the connection was lost; who only listens may not. */
  async #catchUp() {
    const { role, participant, deletions, captions: asked } = this.state;
    if (!may(role, "speak")) return;
    try {
      const { items } = await this.archive.running();
      if (this.state.participant !== participant) return;
      if (this.state.deletions !== deletions) { // What came may be what was deleted meanwhile.
        await this.#catchUp();
        return;
      }
      this.store.set({ captions: foldHistory(this.state.captions, asked, historyLines(items, asked)) });
    } catch (error) {
      this.store.note("no history", { detail: String(error) });
    }
  }

  #disconnected() {
    this.typed.lost();
    this.store.levels.clear();
    this.store.set({ questions: [], tools: {} });
  }

  /** @param {string} detail */
  #workerDied(detail) {
    console.warn(detail);
    this.link.connect(this.audio.makePorts());
    this.keeper.lost();
  }

  /** A phone leaves Wi-Fi; where the kind is not told, a change may be one of speed. @param {any} network */
  #watchNetwork(network) {
    let kind = network?.type;
    network?.addEventListener?.("change", () => {
      this.keeper.hurry(network.type !== kind && network.type !== "none");
      kind = network.type;
    });
  }

  /** The page was hidden, or is seen again. */
  #seen() {
    if (document.hidden || !this.keeper.wanted) return;
    this.#wakeLock.request();
    this.speaker.seen();
  }

  #tick() {
    const nowMs = performance.now();
    this.keeper.tick(nowMs);
    if (this.keeper.wanted) this.typed.tick(nowMs);
    this.microphone.tick(nowMs, this.keeper.wanted);
    this.speaker.tick(nowMs, this.keeper.wanted);
  }

  // -- reports of the audio --------------------------------------------------------------------

  #audioCallbacks() {
    return {
      onLevel: (/** @type {{dbfs: number}} */ { dbfs }) => this.#ownLevel(dbfs),
      onPlayed: (/** @type {any} */ report) => this.played.take(report),
      onStats: (/** @type {any} */ stats) => {
        this.#playback = stats;
      },
      onUplink: (/** @type {any} */ uplink) => this.store.note("uplink", uplink),
      onWorkletError: (/** @type {string} */ detail) => {
        this.store.raise(problem("worklet", { title: `The page's audio has stopped (${detail})` }));
      },
      onRunning: (/** @type {boolean} */ running) => this.#running(running),
      onTrackEnded: () => this.store.raise(problem("mic-lost")),
      onTrackHeld: (/** @type {boolean} */ held) => this.#held(held),
      onDevices: () => this.#devicesChanged(),
      onOutputError: () => this.speaker.failed(),
      onBuilt: () => this.#audioBuilt(),
    };
  }

  /** There are new worklets; before joining, nothing is to reach them. */
  #audioBuilt() {
    this.store.clear("worklet");
    if (!this.keeper.wanted) return;
    this.link.connect(this.audio.makePorts());
    this.onJoined?.();
  }

  /** @param {number} epoch */
  #flush(epoch) {
    this.link.learnEpoch(epoch);
    this.audio.flush(epoch);
  }

  /** @param {number} dbfs */
  #ownLevel(dbfs) {
    this.microphone.heard();
    this.store.levels.set("me", dbfs);
    this.talk.level(dbfs);
    if (this.keeper.wanted && this.talk.isOpen) this.unheard.level(dbfs);
  }

  /** @param {boolean} running */
  #running(running) {
    this.store.set({ audioRunning: running });
    if (running || !this.keeper.wanted || !this.audio.context) this.store.clear("suspended");
    else this.store.raise(problem("suspended"));
  }

  /** A phone call takes the microphone, often for a moment only, and may stop the sound with it. @param {boolean} held */
  #held(held) {
    clearTimeout(this.holding);
    if (held) {
      this.holding = setTimeout(() => this.store.raise(problem("mic-held")), HELD_SHOWN_MS);
      return;
    }
    this.store.clear("mic-held");
    if (this.keeper.wanted) this.speaker.seen();
  }

  async #devicesChanged() {
    this.store.note("devices");
    this.onDevices?.();
    await this.speaker.devicesChanged();
    if (this.keeper.wanted && this.microphone.isMissing) await this.#reopenMicrophone();
  }

  // -- what the person does --------------------------------------------------------------------

  /** Start sound; where its graph could not be built, try again. */
  async resume() {
    if (this.audio.context) await this.audio.resume();
    else await this.microphone.openGraph();
  }

  /** The person wants to be heard. @param {MicrophoneChoice} [choice] what it leaves out stays as it is */
  async openMicrophone(choice = {}) {
    const turn = this.#turn;
    const opened = await this.microphone.open(choice);
    // Joining decides for itself. A new graph goes on with what it has interrupted.
    if (turn !== this.#turn || (!opened && !this.microphone.isOpening)) return;
    this.store.set({ listenOnly: false });
    this.talk.apply();
    this.talk.announce();
  }

  async #reopenMicrophone() {
    if (!await this.microphone.open()) return;
    this.talk.apply();
    this.talk.announce();
  }

  /** Answer a tool's question. @param {string} call id of the tool call @param {boolean} allow */
  confirm(call, allow) {
    if (!this.keeper.send({ type: "confirm", call, allow })) return;
    const questions = this.state.questions.map((known) => (known.call === call ? { ...known, answered: true } : known));
    this.store.set({ questions });
  }

  /** Remove a question that timed out. @param {string} call id of the tool call */
  dropQuestion(call) {
    this.store.set({ questions: this.state.questions.filter((known) => known.call !== call) });
  }

  /** @param {string} place empty: where no other device of the room is */
  setPlace(place) {
    this.store.set({ place });
    this.keeper.send({ type: "place", name: place });
  }

  /** @param {import("../state/store.js").SpeakerUse} speakerUse */
  setSpeakerUse(speakerUse) {
    this.store.set({ speakerUse });
    this.keeper.send({ type: "speaker", use: speakerUse });
  }

  stopAssistant() {
    this.keeper.send({ type: "interrupt" });
  }

  /**
   * Show the assistant a picture.
   * @param {import("./picture.js").Picture} picture @param {string} text typed with it, or empty
   * @throws {import("./signal.js").SignalError} the gateway refused, or does not answer
   */
  async show({ image, thumbnail }, text) {
    await postPicture(this.keeper.location, {
      image: await base64(image), text, ...(thumbnail ? { thumbnail: await base64(thumbnail) } : {}),
    });
  }

  /** All figures, for the settings dialog and for tests. */
  stats() {
    const context = this.audio.context;
    return {
      rttMs: this.state.rttMs,
      latency: this.state.latency,
      link: { place: this.link.place, pair: this.keeper.pair, ...this.keeper.linkStats },
      playback: this.#playback,
      output: {
        route: this.audio.route, rateHz: context?.sampleRate ?? 0, state: context?.state ?? "none",
        baseMs: Math.round(1000 * (context?.baseLatency ?? 0)),
        outputMs: Math.round(1000 * (context?.outputLatency ?? 0)),
      },
      microphone: this.audio.microphone.settings,
    };
  }
}
