// @ts-check
/** Opens the microphone, watches that it delivers samples, and shows what is wrong when it does not. */

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

  /**
   * @param {import("../state/store.js").Store} store
   * @param {import("../audio/engine.js").AudioEngine} audio
   * @param {object} hooks
   * @param {() => void} hooks.onReopen the watchdog wants the microphone opened again
   * @param {() => void} hooks.onRebuilt the audio graph is a new one
   */
  constructor(store, audio, { onReopen, onRebuilt }) {
    this.store = store;
    this.audio = audio;
    this.onReopen = onReopen;
    this.onRebuilt = onRebuilt;
  }

  /**
   * Open the microphone and the audio graph, or show why that failed.
   * @param {MicrophoneChoice} [choice] what it leaves out stays as it is
   * @returns {Promise<boolean>} whether it is open
   */
  open(choice = {}) {
    this.#opening = this.#open(choice);
    return this.#opening;
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
      await this.audio.openContext();
    } catch (error) {
      this.store.raise(microphoneProblem(error));
      return false;
    }
    this.#watchdog.restart(performance.now());
    this.store.clear(...MICROPHONE_CODES);
    this.#checkEchoCancellation();
    return true;
  }

  /**
   * Open what joining needs; a microphone that is already open as chosen is kept.
   * @param {MicrophoneChoice & {listenOnly: boolean}} choice
   * @returns {Promise<boolean>} false: the reason is shown
   */
  async openToJoin({ deviceId = "", raw = false, listenOnly }) {
    if (listenOnly) {
      this.store.clear(...MICROPHONE_CODES);
      if (window.isSecureContext) await this.audio.openContext();
      return true;
    }
    // Join may be pressed while the preview is still opening the microphone.
    await this.#opening;
    const { hasMicrophone, microphone } = this.audio;
    const same = hasMicrophone && deviceId === microphone.deviceId && raw === microphone.raw;
    if (!same) return this.open({ deviceId, raw });
    await this.audio.openContext();
    return true;
  }

  /** Samples arrived. */
  heard() {
    this.#watchdog.heard(performance.now());
  }

  /** @param {number} nowMs @param {boolean} inCall samples are expected now */
  tick(nowMs, inCall) {
    const expected = inCall && this.audio.hasMicrophone && this.audio.running && !document.hidden;
    if (expected) this.#cure(this.#watchdog.tick(nowMs));
    else this.#watchdog.restart(nowMs);
  }

  /** @param {"resume"|"reopen"|"rebuild"|null} cure */
  #cure(cure) {
    if (!cure) return;
    this.store.note("microphone-silent", { cure });
    if (cure === "resume") this.audio.resume();
    else if (cure === "reopen") this.onReopen();
    else this.rebuild();
  }

  /** Make the audio graph anew, and open the microphone again. */
  async rebuild() {
    await this.audio.close();
    if (await this.open()) this.onRebuilt();
  }

  #checkEchoCancellation() {
    const { settings, raw } = this.audio.microphone;
    const off = settings?.echoCancellation === false && !raw;
    if (off) this.store.raise(problem("no-echo-cancel"));
    else this.store.clear("no-echo-cancel");
  }
}
