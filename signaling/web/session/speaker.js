// @ts-check
/** Watches the way to the speaker: a chosen device that goes, a browser that stops the sound, a clock that stands. */

import { listDevices } from "../audio/devices.js";
import { problem } from "../state/problems.js";
import { OutputWatchdog } from "./policy.js";

export class Speaker {
  #watchdog = new OutputWatchdog(performance.now());
  /** Whose clock is looked at. @type {AudioContext|null} */
  #context = null;
  /** What it said last. */
  #clockS = 0;
  /** That it stands is shown to the person. */
  #told = false;

  /**
   * @param {import("../state/store.js").Store} store
   * @param {import("../audio/engine.js").AudioEngine} audio
   * @param {() => void} onRebuild the audio graph must be made anew
   */
  constructor(store, audio, onRebuild) {
    this.store = store;
    this.audio = audio;
    this.onRebuild = onRebuild;
  }

  /** A device came or went. Without the chosen speaker sound goes to the default one, at once. */
  async devicesChanged() {
    const { outputId } = this.audio;
    if (!outputId) return;
    const { speakers } = await listDevices();
    if (!speakers.some(({ id }) => id === outputId)) await this.failed();
  }

  /** The speaker takes no sound any more. The default one is the browser's own matter. */
  async failed() {
    const { outputId } = this.audio;
    if (!outputId) return;
    await this.audio.setOutput("").catch(() => this.onRebuild());
    await this.audio.resume();
    this.store.note("speaker-lost", { outputId });
    this.store.raise(problem("speaker-lost"));
  }

  /** The page is seen again, or heard: after a call or a lock a phone leaves the sound off, or the element paused. */
  async seen() {
    if (this.audio.context && !this.audio.isAudible) await this.audio.resume();
  }

  /** @param {number} nowMs @param {boolean} inCall */
  tick(nowMs, inCall) {
    const { context, running } = this.audio;
    const clockS = context?.currentTime ?? 0;
    const isSame = context === this.#context;
    if (!inCall || document.hidden) this.#watchdog.restart(nowMs);
    else if (!context || !running || !isSame) this.#watchdog.hold(nowMs);
    else if (clockS !== this.#clockS) this.#runs(nowMs);
    this.#context = context;
    this.#clockS = clockS;
    this.#cure(this.#watchdog.tick(nowMs));
  }

  /** @param {number} nowMs */
  #runs(nowMs) {
    this.#watchdog.heard(nowMs);
    if (this.#told) this.store.clear("sound-stands");
    this.#told = false;
  }

  /** @param {import("./policy.js").Cure|null} cure */
  #cure(cure) {
    if (!cure) return;
    this.store.note("speaker-stands", { cure });
    if (cure === "tell") this.#tell();
    else if (cure === "resume") this.audio.resume();
    else this.onRebuild();
  }

  #tell() {
    this.#told = true;
    this.store.raise(problem("sound-stands"));
  }
}
