// @ts-check
/** Runs the audio link: in a Worker where channels can be transferred, else on the main thread. */

import { AudioLink } from "./audio-link.js";

export class LinkHost {
  /**
   * @param {object} options
   * @param {boolean} options.allowWorker
   * @param {(report: any) => void} options.onReport
   * @param {(detail: string) => void} options.onTrouble the Worker died; later channels stay on this thread
   */
  constructor({ allowWorker, onReport, onTrouble }) {
    this.onReport = onReport;
    this.onTrouble = onTrouble;
    /** @type {Worker|null} */
    this.worker = allowWorker ? this.#startWorker() : null;
    /** @type {AudioLink|null} */
    this.local = null;
    /** @type {{capture: MessagePort, playback: MessagePort}|null} */
    this.waitingPorts = null;
    this.settled = false;
  }

  /** @returns {"worker"|"main thread"} */
  get place() {
    return this.local ? "main thread" : "worker";
  }

  #startWorker() {
    try {
      const worker = new Worker(new URL("./link-worker.js", import.meta.url), { type: "module" });
      worker.onmessage = (event) => this.onReport(event.data);
      worker.onerror = (event) => this.#lose(event.message || "the audio worker did not start");
      return worker;
    } catch {
      return null;
    }
  }

  /** @param {string} detail */
  #lose(detail) {
    if (!this.worker) return;
    this.worker.terminate();
    this.worker = null;
    this.settled = false;
    this.onTrouble(detail);
  }

  /**
   * Attach a channel, right after it was created: once open it cannot be transferred.
   * @param {RTCDataChannel} channel
   * @param {number} generation
   */
  attach(channel, generation) {
    if (this.worker) {
      try {
        this.worker.postMessage({ type: "channel", channel, generation }, [/** @type {any} */ (channel)]);
        this.#settle();
        return;
      } catch {
        this.worker.terminate();
        this.worker = null;
      }
    }
    this.local ??= new AudioLink(this.onReport);
    this.local.command({ type: "channel", channel, generation });
    this.#settle();
  }

  #settle() {
    this.settled = true;
    if (this.waitingPorts) this.connect(this.waitingPorts);
    this.waitingPorts = null;
  }

  /**
   * Connect the worklets; the ports wait until it is known where the link runs.
   * @param {{capture: MessagePort, playback: MessagePort}} ports
   */
  connect(ports) {
    if (!this.settled) {
      this.waitingPorts = ports;
      return;
    }
    const command = { type: "ports", ...ports };
    if (this.worker) this.worker.postMessage(command, [ports.capture, ports.playback]);
    else this.local?.command(command);
  }

  /** @param {number} epoch */
  learnEpoch(epoch) {
    this.#command({ type: "epoch", epoch });
  }

  /** The channel of this generation carries the audio from now on; the one before it is closed. @param {number} generation */
  use(generation) {
    this.#command({ type: "use", generation });
  }

  /** Close the channel of this generation. @param {number} generation */
  detach(generation) {
    this.#command({ type: "detach", generation });
  }

  /** @param {object} command */
  #command(command) {
    if (this.worker) this.worker.postMessage(command);
    else this.local?.command(command);
  }
}
