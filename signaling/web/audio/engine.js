// @ts-check
/**
 * The page's sound: one AudioContext at the device's own rate, the microphone, the two worklets, the
 * output route. It reports by callbacks and never decides about the connection.
 */

const RESUME_TIMEOUT_MS = 600;

/** WebKit cancels only what it plays from a MediaStream; the others cancel what the context plays. */
export function isWebKit() {
  const agent = navigator.userAgent;
  const apple = /AppleWebKit/.test(agent) && !/Chrom(e|ium)|Edg|Android/.test(agent);
  return apple || /iP(hone|ad|od)/.test(agent);
}

/**
 * @typedef {object} AudioCallbacks
 * @property {(level: {dbfs: number, peak: number}) => void} onLevel
 * @property {(report: any) => void} onPlayed
 * @property {(stats: any) => void} onStats
 * @property {(uplink: {talking: boolean, atSeconds: number}) => void} onUplink
 * @property {(detail: string) => void} onWorkletError
 * @property {(running: boolean) => void} onRunning
 * @property {() => void} onTrackEnded
 * @property {() => void} onDevices
 */

export class AudioEngine {
  /**
   * @param {AudioCallbacks} callbacks
   * @param {{jitter: object}} options
   */
  constructor(callbacks, options) {
    this.callbacks = callbacks;
    this.options = options;
    /** @type {AudioContext|null} */
    this.context = null;
    /** @type {MediaStream|null} */
    this.stream = null;
    /** @type {AudioWorkletNode|null} */
    this.captureNode = null;
    /** @type {AudioWorkletNode|null} */
    this.playbackNode = null;
    /** @type {MediaStreamAudioSourceNode|null} */
    this.source = null;
    /** @type {HTMLAudioElement|null} */
    this.element = null;
    /** @type {Promise<void>|null} */
    this.contextOpening = null;
    /** @type {Promise<void>} */
    this.microphoneTurn = Promise.resolve();
    this.muted = false;
    this.deviceId = "";
    this.outputId = "";
    this.raw = false;
    navigator.mediaDevices?.addEventListener?.("devicechange", () => callbacks.onDevices());
  }

  get hasMicrophone() {
    return this.stream !== null;
  }

  get running() {
    return this.context?.state === "running";
  }

  /** What the browser says it really does with the microphone. */
  get trackSettings() {
    const track = this.stream?.getAudioTracks()[0];
    return track ? { label: track.label, ...track.getSettings() } : null;
  }

  /** The constraint set of the microphone. */
  #constraints() {
    const processed = !this.raw;
    return {
      ...(this.deviceId ? { deviceId: { exact: this.deviceId } } : {}),
      channelCount: { ideal: 1 },
      echoCancellation: processed,
      noiseSuppression: processed,
      autoGainControl: false,
    };
  }

  /**
   * Open the microphone, or change to another one; the worklets stay. Calls wait for one another.
   * @param {{deviceId?: string, raw?: boolean}} wish
   * @throws {DOMException} as getUserMedia does
   */
  openMicrophone(wish = {}) {
    const opened = this.microphoneTurn.then(() => this.#openMicrophone(wish));
    this.microphoneTurn = opened.catch(() => {});
    return opened;
  }

  /** @param {{deviceId?: string, raw?: boolean}} wish */
  async #openMicrophone({ deviceId = this.deviceId, raw = this.raw }) {
    this.deviceId = deviceId;
    this.raw = raw;
    // Some platforms refuse a second open microphone, so the old one goes first.
    this.#closeMicrophone();
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: this.#constraints() });
    } catch (error) {
      const gone = error instanceof DOMException && error.name === "OverconstrainedError";
      if (!gone || !this.deviceId) throw error;
      this.deviceId = "";
      stream = await navigator.mediaDevices.getUserMedia({ audio: this.#constraints() });
    }
    this.stream = stream;
    stream.getAudioTracks()[0].onended = () => this.callbacks.onTrackEnded();
    this.#connectMicrophone();
  }

  #closeMicrophone() {
    this.source?.disconnect();
    this.source = null;
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.stream = null;
  }

  #connectMicrophone() {
    if (!this.context || !this.captureNode || !this.stream) return;
    this.source?.disconnect();
    this.source = this.context.createMediaStreamSource(this.stream);
    this.source.connect(this.captureNode);
  }

  /**
   * Make the context and the worklets, once; everybody who asks meanwhile waits for the same ones.
   * Call after openMicrophone: a page that captures may start sound.
   */
  async openContext() {
    this.contextOpening ??= this.#buildContext();
    await this.contextOpening;
    await this.resume();
  }

  async #buildContext() {
    const context = new AudioContext({ latencyHint: "interactive" });
    this.context = context;
    context.onstatechange = () => this.callbacks.onRunning(this.running);
    const modules = ["capture", "playback"];
    await Promise.all(modules.map((name) => (
      context.audioWorklet.addModule(new URL(`./worklets/${name}.js`, import.meta.url))
    )));
    this.#makeNodes(context);
    this.#connectMicrophone();
    // A speaker that has gone meanwhile leaves the sound at the default.
    if (this.outputId) await this.setOutput(this.outputId).catch(() => this.setOutput(""));
  }

  /** @param {AudioContext} context */
  #makeNodes(context) {
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
    this.captureNode.port.postMessage({ type: "mute", muted: this.muted });
    this.#route(this.playbackNode);
  }

  /** @param {any} report */
  #report(report) {
    if (report.type === "level") this.callbacks.onLevel(report);
    else if (report.type === "played") this.callbacks.onPlayed(report);
    else if (report.type === "stats") this.callbacks.onStats(report);
    else if (report.type === "uplink") this.callbacks.onUplink(report);
  }

  /** @param {AudioNode} node */
  #route(node) {
    const context = /** @type {AudioContext} */ (this.context);
    if (!isWebKit()) {
      node.connect(context.destination);
      return;
    }
    const destination = context.createMediaStreamDestination();
    node.connect(destination);
    this.element = new Audio();
    this.element.setAttribute("playsinline", "");
    this.element.srcObject = destination.stream;
    this.element.play().catch(() => this.callbacks.onRunning(false));
  }

  /** @returns {"direct"|"element"} */
  get route() {
    return this.element ? "element" : "direct";
  }

  /** Fresh ports for the audio link; the worklets drop their old ones. */
  makePorts() {
    const capture = new MessageChannel();
    const playback = new MessageChannel();
    this.captureNode?.port.postMessage({ type: "feed", port: capture.port1 }, [capture.port1]);
    this.playbackNode?.port.postMessage({ type: "feed", port: playback.port1 }, [playback.port1]);
    return { capture: capture.port2, playback: playback.port2 };
  }

  /** Start sound; without a gesture a browser may leave this pending for ever, so it is raced. */
  async resume() {
    if (!this.context) return false;
    if (!this.running) {
      const patience = new Promise((resolve) => setTimeout(resolve, RESUME_TIMEOUT_MS));
      await Promise.race([this.context.resume().catch(() => {}), patience]);
    }
    if (this.element?.paused) await this.element.play().catch(() => {});
    this.callbacks.onRunning(this.running);
    return this.running;
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    this.captureNode?.port.postMessage({ type: "mute", muted });
  }

  /** @param {number} epoch */
  flush(epoch) {
    this.playbackNode?.port.postMessage({ type: "flush", epoch });
  }

  /** Microphones and speakers by name; names are empty before permission. */
  async devices() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    /** @param {string} kind */
    const named = (kind) => all.filter((device) => device.kind === kind && device.label)
      .map((device) => ({ id: device.deviceId, label: device.label }));
    return { microphones: named("audioinput"), speakers: named("audiooutput") };
  }

  /** Can this browser send sound to a chosen device? */
  get canChooseOutput() {
    return this.element ? "setSinkId" in this.element : "setSinkId" in AudioContext.prototype;
  }

  /** @param {string} deviceId "" is the system's default */
  async setOutput(deviceId) {
    this.outputId = deviceId;
    const sink = /** @type {any} */ (this.element ?? this.context);
    await sink?.setSinkId?.(deviceId === "default" ? "" : deviceId);
  }

  /** Two soft notes by the same route as the assistant's voice. */
  async playTestSound() {
    await this.openContext();
    const context = /** @type {AudioContext} */ (this.context);
    const gain = new GainNode(context, { gain: 0 });
    if (this.element) {
      const destination = context.createMediaStreamDestination();
      gain.connect(destination);
      const element = new Audio();
      element.srcObject = destination.stream;
      await element.play();
    } else {
      gain.connect(context.destination);
    }
    const start = context.currentTime + 0.05;
    for (const [index, frequency] of [523.25, 783.99].entries()) {
      const note = new OscillatorNode(context, { type: "sine", frequency });
      note.connect(gain);
      note.start(start + index * 0.22);
      note.stop(start + index * 0.22 + 0.5);
      gain.gain.setTargetAtTime(0.18, start + index * 0.22, 0.01);
      gain.gain.setTargetAtTime(0, start + index * 0.22 + 0.12, 0.06);
    }
  }

  /** Throw everything away; openMicrophone and openContext build it anew. */
  async close() {
    this.#closeMicrophone();
    const { context } = this;
    if (this.element) this.element.srcObject = null;
    this.element = null;
    this.captureNode = null;
    this.playbackNode = null;
    this.context = null;
    this.contextOpening = null;
    if (!context) return;
    context.onstatechange = null;
    await context.close().catch(() => {});
  }
}
