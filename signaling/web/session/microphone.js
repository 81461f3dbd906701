// @ts-check
/** Opens the microphone, watches that it delivers samples, and shows what is wrong when it does not. */

import { Closed, GraphError } from "../audio/failures.js";
import { MICROPHONE_CODES, environmentProblem, microphoneProblem, problem } from "../state/problems.js";
import { CaptureWatchdog } from "./policy.js";

/**
 * @typedef {object} MicrophoneChoice
 * @property {string} [deviceId] empty for the browser's default
 * @property {boolean} [raw] without echo cancellation and noise suppression
 */

export class Microphone {
  /** @type {Promise<boolean>} */
  #opening = Promise.resolve(false);
  #watchdog = new CaptureWatchdog(performance.now());
  /** One for each work under way, but those that leaving has voided. @type {Set<object>} */
  #works = new Set();
  /** Those of them that are to leave it open. @type {Set<object>} */
  #wishes = new Set();
  /** It was open, and nobody has closed it. */
  #wanted = false;
  /** Its silence is shown to the person. */
  #told = false;

  /**
   * @param {import("../state/store.js").Store} store
   * @param {import("../audio/engine.js").AudioEngine} audio
   * @param {object} hooks
   * @param {() => void} hooks.onReopen the watchdog wants the microphone opened again
   */
  constructor(store, audio, { onReopen }) {
    this.store = store;
    this.audio = audio;
    this.onReopen = onReopen;
  }

  /**
   * Open the microphone and the audio graph, or show why that failed.
   * @param {MicrophoneChoice} [choice] what it leaves out stays as it is
   * @returns {Promise<boolean>} whether it is open
   */
  open(choice = {}) {
    this.#opening = this.#busily(() => this.#open(choice), true);
    return this.#opening;
  }

  /**
   * @template T
   * @param {() => Promise<T>} work during which no samples are expected
   * @param {boolean} opens it is to leave the microphone open
   */
  async #busily(work, opens) {
    const mark = {};
    this.#works.add(mark);
    if (opens) this.#wishes.add(mark);
    try {
      return await work();
    } finally {
      this.#works.delete(mark);
      this.#wishes.delete(mark);
    }
  }

  /** Somebody is opening it now. */
  get isOpening() {
    return this.#wishes.size > 0;
  }

  /** @param {MicrophoneChoice} choice */
  async #open(choice) {
    const unfit = environmentProblem();
    if (unfit) {
      this.store.raise(unfit);
      return false;
    }
    try {
      await this.audio.openMicrophone(choice);
    } catch (error) {
      return this.#failed(error);
    }
    this.#wanted = true;
    if (!await this.openGraph()) return false;
    this.store.clear(...MICROPHONE_CODES.filter((code) => !this.#told || code !== "mic-lost"));
    this.#checkEchoCancellation();
    return true;
  }

  /**
   * Open the audio graph, or show why that failed; a page without HTTPS has none, and was told so.
   * @returns {Promise<boolean>} whether it is open
   */
  async openGraph() {
    if (!window.isSecureContext) return false;
    try {
      await this.audio.openContext();
    } catch (error) {
      return this.#failed(error);
    }
    this.store.clear("no-audio");
    return true;
  }

  /** Show why it did not open. Who closed it meanwhile knows. @param {unknown} error */
  #failed(error) {
    if (error instanceof Closed) return false;
    const { phase } = this.store.state;
    const isIn = phase === "connected" || phase === "reconnecting";
    this.store.raise(error instanceof GraphError ? problem("no-audio") : microphoneProblem(error, isIn));
    return false;
  }

  /**
   * Open what joining needs; a microphone that is already open as chosen is kept.
   * @param {MicrophoneChoice & {listenOnly: boolean}} choice
   * @returns {Promise<boolean>} false: the reason is shown
   */
  async openToJoin({ deviceId = "", raw = false, listenOnly }) {
    if (listenOnly) {
      this.left();
      this.audio.microphone.close(); // A preview has opened it, or is opening it.
      this.store.clear(...MICROPHONE_CODES);
      return await this.openGraph() || !window.isSecureContext;
    }
    // Join may be pressed while the preview is still opening the microphone.
    const { closings } = this.audio;
    await this.#opening;
    if (closings !== this.audio.closings) return false;
    const { hasMicrophone, microphone } = this.audio;
    const same = hasMicrophone && deviceId === microphone.deviceId && raw === microphone.raw;
    if (!same) return this.open({ deviceId, raw });
    return this.openGraph();
  }

  /** Samples arrived. */
  heard() {
    this.#watchdog.heard(performance.now());
    if (this.#told) this.store.clear("mic-lost");
    this.#told = false;
  }

  /** It was open and is gone: when a device comes, it may be the one. */
  get isMissing() {
    return this.#wanted && this.#works.size === 0 && (!this.audio.hasMicrophone || this.audio.microphone.ended);
  }

  /** Nobody wants it any more: the person has left, or joins without one. */
  left() {
    this.#opening = Promise.resolve(false);
    this.#works.clear();
    this.#wishes.clear();
    this.#wanted = false;
    this.#told = false;
  }

  /** @param {number} nowMs @param {boolean} inCall samples are expected now */
  tick(nowMs, inCall) {
    if (!inCall || document.hidden) this.#watchdog.restart(nowMs);
    else if (this.#works.size > 0 || !this.audio.running) this.#watchdog.hold(nowMs);
    else if (!this.audio.hasMicrophone) this.#watchdog.restart(nowMs);
    else this.#cure(this.#watchdog.tick(nowMs));
  }

  /** @param {import("./policy.js").Cure|null} cure */
  #cure(cure) {
    if (!cure) return;
    this.store.note("microphone-silent", { cure });
    if (cure === "resume") this.audio.resume();
    else if (cure === "reopen") this.onReopen();
    else if (cure === "rebuild") this.rebuild();
    else this.#tell();
  }

  #tell() {
    this.#told = true;
    this.store.raise(problem("mic-lost"));
  }

  /** Make the audio graph anew, and open the microphone again if it was open; sound is there without it, too. */
  rebuild() {
    const opens = this.audio.hasMicrophone || this.isOpening; // The opening ends with the old graph.
    return this.#busily(() => this.#rebuild(opens), opens);
  }

  /** @param {boolean} opens the microphone, too */
  async #rebuild(opens) {
    if (!await this.audio.restart()) return;
    const { closings } = this.audio;
    if (opens) await this.open();
    if (closings === this.audio.closings) await this.openGraph();
  }

  #checkEchoCancellation() {
    const { settings, raw } = this.audio.microphone;
    const off = settings?.echoCancellation === false && !raw;
    if (off) this.store.raise(problem("no-echo-cancel"));
    else this.store.clear("no-echo-cancel");
  }
}
