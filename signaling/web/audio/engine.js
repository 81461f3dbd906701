// @ts-check
/**
 * The page's sound: one AudioContext at the device's own rate, the microphone, the two worklets, the
 * output. It reports by callbacks and decides nothing about the connection.
 */

import { Closed, GraphError } from "./failures.js";
import { MicrophoneStream } from "./microphone-stream.js";
import { Output, usualRoute } from "./output.js";

const RESUME_TIMEOUT_MS = 600;

/**
 * @typedef {object} AudioCallbacks
 * @property {(level: {dbfs: number}) => void} onLevel
 * @property {(report: any) => void} onPlayed
 * @property {(stats: any) => void} onStats
 * @property {(uplink: {talking: boolean, atSeconds: number}) => void} onUplink
 * @property {(detail: string) => void} onWorkletError
 * @property {(running: boolean) => void} onRunning whether sound can be heard, now
 * @property {() => void} onTrackEnded
 * @property {(held: boolean) => void} onTrackHeld
 * @property {() => void} onDevices
 * @property {() => void} onOutputError the speaker takes no sound any more
 * @property {() => void} [onBuilt] there are new worklets: they want ports
 */

export class AudioEngine {
  /** @type {AudioContext|null} */
  context = null;
  /** @type {AudioWorkletNode|null} */
  captureNode = null;
  /** @type {AudioWorkletNode|null} */
  playbackNode = null;
  /** Id of the chosen speaker; empty for the browser's default. */
  outputId = "";
  /** Counts how often it was closed: whoever opens it can see that it is closed again. */
  closings = 0;

  /** @type {Promise<void>|null} */
  #opening = null;
  /** @type {MediaStreamAudioSourceNode|null} */
  #source = null;
  /** @type {Output|null} */
  #output = null;
  #muted = false;

  /**
   * @param {AudioCallbacks} callbacks
   * @param {{jitter: object, route?: import("./output.js").Route}} options
   */
  constructor(callbacks, options) {
    this.callbacks = callbacks;
    this.options = options;
    this.microphone = new MicrophoneStream(
      () => callbacks.onTrackEnded(), (held) => callbacks.onTrackHeld(held),
    );
    navigator.mediaDevices?.addEventListener?.("devicechange", () => callbacks.onDevices());
  }

  get hasMicrophone() {
    return this.microphone.stream !== null;
  }

  get running() {
    return this.context?.state === "running";
  }

  /** The context runs, and what it plays goes to the speaker. */
  get isAudible() {
    return this.running && this.#output !== null && this.#output.isOpen;
  }

  /** @returns {"direct"|"element"} */
  get route() {
    return this.#output?.route ?? this.options.route ?? usualRoute();
  }

  /**
   * Open the microphone, or change to another one; the worklets stay.
   * @param {{deviceId?: string, raw?: boolean}} [choice] what it leaves out stays as it is
   * @throws {DOMException|Closed} as getUserMedia does
   */
  async openMicrophone(choice = {}) {
    await this.microphone.open(choice);
    this.#connectMicrophone();
  }

  #connectMicrophone() {
    const { stream } = this.microphone;
    if (!this.context || !this.captureNode || !stream) return;
    this.#source?.disconnect();
    this.#source = this.context.createMediaStreamSource(stream);
    this.#source.connect(this.captureNode);
  }

  /**
   * Make the context and the worklets; concurrent callers share them.
   * Call it after openMicrophone: a page that captures may start sound.
   * @throws {GraphError|Closed}
   */
  async openContext() {
    const { closings } = this;
    try {
      this.#opening ??= this.#build();
      await this.#opening;
    } catch (cause) {
      if (closings !== this.closings) throw new Closed();
      throw new GraphError("the page's audio could not be built", { cause });
    }
    await this.resume();
    if (closings !== this.closings) throw new Closed();
  }

  /** What could be built in part only is dropped, so that the next caller begins anew. */
  async #build() {
    const { closings } = this;
    try {
      const context = new AudioContext({ latencyHint: "interactive" });
      this.context = context;
      await this.#furnish(context);
    } catch (error) {
      if (closings === this.closings) {
        await this.#drop();
        this.callbacks.onRunning(false);
      }
      throw error;
    }
    this.callbacks.onBuilt?.();
  }

  /** @param {AudioContext} context */
  async #furnish(context) {
    context.onstatechange = () => this.#output && this.callbacks.onRunning(this.isAudible);
    /** @type {any} */ (context).onerror = () => this.callbacks.onOutputError();
    const modules = ["capture", "playback"];
    await Promise.all(modules.map((name) => (
      context.audioWorklet.addModule(new URL(`./worklets/${name}.js`, import.meta.url))
    )));
    if (context !== this.context) throw new Closed();
    this.#output = new Output(context, this.options.route, () => this.callbacks.onRunning(this.isAudible));
    this.#makeNodes(context, this.#output);
    this.#connectMicrophone();
    // If the chosen speaker is gone, use the default.
    if (this.outputId) await this.setOutput(this.outputId).catch(() => this.setOutput(""));
  }

  /** @param {AudioContext} context @param {Output} output */
  #makeNodes(context, output) {
    this.captureNode = new AudioWorkletNode(context, "mixminus-capture", {
      numberOfInputs: 1, numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit",
    });
    this.playbackNode = new AudioWorkletNode(context, "mixminus-playback", {
      numberOfInputs: 0, numberOfOutputs: 1, outputChannelCount: [1],
      processorOptions: { jitter: this.options.jitter },
    });
    for (const [name, node] of [["capture", this.captureNode], ["playback", this.playbackNode]]) {
      const worklet = /** @type {AudioWorkletNode} */ (node);
      worklet.onprocessorerror = () => this.callbacks.onWorkletError(`${name} worklet`);
      worklet.port.onmessage = (event) => this.#report(event.data);
    }
    this.captureNode.port.postMessage({ type: "mute", muted: this.#muted });
    output.connect(this.playbackNode);
  }

  /** @param {any} report */
  #report(report) {
    if (report.type === "level") this.callbacks.onLevel(report);
    else if (report.type === "played") this.callbacks.onPlayed(report);
    else if (report.type === "stats") this.callbacks.onStats(report);
    else if (report.type === "uplink") this.callbacks.onUplink(report);
  }

  /** New ports for the audio link; the worklets close their old ones. */
  makePorts() {
    const capture = new MessageChannel();
    const playback = new MessageChannel();
    this.captureNode?.port.postMessage({ type: "feed", port: capture.port1 }, [capture.port1]);
    this.playbackNode?.port.postMessage({ type: "feed", port: playback.port1 }, [playback.port1]);
    return { capture: capture.port2, playback: playback.port2 };
  }

  /** Start sound. Without a gesture a browser may never answer, hence the timeout. */
  async resume() {
    if (!this.context) return;
    if (!this.running) await soon(this.context.resume().catch(() => {}));
    await soon(this.#output?.play());
    if (this.#output) this.callbacks.onRunning(this.isAudible); // Else it is still being built.
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.#muted = muted;
    this.captureNode?.port.postMessage({ type: "mute", muted });
  }

  /** @param {number} epoch */
  flush(epoch) {
    this.playbackNode?.port.postMessage({ type: "flush", epoch });
  }

  /**
   * @param {string} deviceId empty for the browser's default
   * @throws {DOMException} the browser does not take it: the one before stays
   */
  async setOutput(deviceId) {
    const before = this.outputId;
    this.outputId = deviceId;
    try {
      await this.#output?.choose(deviceId);
    } catch (error) {
      if (deviceId && this.outputId === deviceId) this.outputId = before;
      throw error;
    }
  }

  async playTestSound() {
    await this.openContext();
    this.#output?.playTestSound();
  }

  /** Release everything, and what is being opened now; openMicrophone and openContext build it again. */
  async close() {
    this.closings += 1;
    this.microphone.close();
    await this.#drop();
  }

  /** Close, to build it again. @returns {Promise<boolean>} false: somebody else has closed it meanwhile, for good */
  async restart() {
    const closed = this.close();
    const { closings } = this;
    await closed;
    return closings === this.closings;
  }

  async #drop() {
    const { context } = this;
    this.#output?.close();
    this.#output = null;
    this.#source = null;
    this.captureNode = null;
    this.playbackNode = null;
    this.context = null;
    this.#opening = null;
    if (!context) return;
    context.onstatechange = null;
    /** @type {any} */ (context).onerror = null;
    await context.close().catch(() => {});
  }
}

/** @param {Promise<void>|undefined} started waited for as long as the browser can be trusted to answer */
function soon(started) {
  return Promise.race([started, new Promise((resolve) => setTimeout(resolve, RESUME_TIMEOUT_MS))]);
}
