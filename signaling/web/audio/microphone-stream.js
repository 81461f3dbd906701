// @ts-check
/** The microphone's MediaStream: opens, changes and closes it. */

import { Closed } from "./failures.js";

/** What was being opened when it was closed may keep the next one waiting for so long: a prompt may never be answered. */
const GIVEN_UP_MS = 1500;

export class MicrophoneStream {
  /** @type {MediaStream|null} */
  stream = null;
  /** Empty for the browser's default. */
  deviceId = "";
  /** Without echo cancellation and noise suppression. */
  raw = false;
  /** @type {Promise<void>} */
  #turn = Promise.resolve();
  /** Counts how often it was closed. */
  #closings = 0;

  /**
   * @param {() => void} onEnded the device was unplugged or taken away
   * @param {(held: boolean) => void} [onHeld] the system lets no sound of it through, or does again
   */
  constructor(onEnded, onHeld = () => {}) {
    this.onEnded = onEnded;
    this.onHeld = onHeld;
  }

  /** The settings that the browser really uses. */
  get settings() {
    const track = this.stream?.getAudioTracks()[0];
    return track ? { label: track.label, ...track.getSettings() } : null;
  }

  /** The device is gone, but nobody closed the stream. */
  get ended() {
    return this.stream?.getAudioTracks()[0].readyState === "ended";
  }

  /**
   * Open the microphone, or change to another one; calls are carried out one after another.
   * @param {{deviceId?: string, raw?: boolean}} choice what it leaves out stays as it is
   * @returns {Promise<void>}
   * @throws {DOMException|Closed} as getUserMedia does
   */
  open(choice) {
    const closings = this.#closings;
    const isClosed = () => closings !== this.#closings;
    const opened = this.#turn.then(() => this.#open(choice, isClosed)).catch((error) => {
      throw isClosed() ? new Closed() : error;
    });
    this.#turn = opened.catch(() => {});
    return opened;
  }

  /** @param {{deviceId?: string, raw?: boolean}} choice @param {() => boolean} isClosed since it was asked for */
  async #open({ deviceId = this.deviceId, raw = this.raw }, isClosed) {
    if (isClosed()) throw new Closed();
    this.deviceId = deviceId;
    this.raw = raw;
    // Some platforms refuse a second open microphone, so the old one goes first.
    this.#stop();
    const stream = await this.#chosenStream(isClosed);
    if (isClosed()) {
      for (const track of stream.getTracks()) track.stop(); // Another one may be open by now.
      throw new Closed();
    }
    this.stream = stream;
    const [track] = stream.getAudioTracks();
    track.onended = () => this.onEnded();
    track.onmute = () => this.onHeld(true);
    track.onunmute = () => this.onHeld(false);
    this.onHeld(track.muted);
  }

  /** That of the chosen microphone; where it is gone, that of the browser's default. @param {() => boolean} isClosed */
  async #chosenStream(isClosed) {
    try {
      return await this.#getStream();
    } catch (error) {
      const missing = error instanceof DOMException && error.name === "OverconstrainedError";
      if (!missing || !this.deviceId || isClosed()) throw error;
      this.deviceId = "";
      return this.#getStream();
    }
  }

  #getStream() {
    const processed = !this.raw;
    const audio = {
      ...(this.deviceId ? { deviceId: { exact: this.deviceId } } : {}),
      channelCount: { ideal: 1 },
      echoCancellation: processed,
      noiseSuppression: processed,
      autoGainControl: false,
    };
    return navigator.mediaDevices.getUserMedia({ audio });
  }

  /** Close it; what is being opened now closes as soon as it is open. */
  close() {
    this.#closings += 1;
    const late = /** @type {Promise<void>} */ (new Promise((resolve) => setTimeout(resolve, GIVEN_UP_MS)));
    this.#turn = Promise.race([this.#turn, late]);
    this.#stop();
  }

  #stop() {
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = null;
      track.onmute = null;
      track.onunmute = null;
      track.stop();
    }
    this.stream = null;
  }
}
