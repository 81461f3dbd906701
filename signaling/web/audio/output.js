// @ts-check
/** The way to the speaker: straight from the AudioContext, or through an audio element on WebKit. */

/** WebKit cancels the echo of a MediaStream only, not that of an AudioContext. */
function isWebKit() {
  const agent = navigator.userAgent;
  const apple = /AppleWebKit/.test(agent) && !/Chrom(e|ium)|Edg|Android/.test(agent);
  return apple || /iP(hone|ad|od)/.test(agent);
}

/** The route that this browser needs for echo cancellation. @returns {Route} */
export function usualRoute() {
  return isWebKit() ? "element" : "direct";
}

/** @typedef {"direct"|"element"} Route */

export class Output {
  /** @type {HTMLAudioElement|null} */
  #element = null;
  /** @type {AudioNode} */
  #end;

  /**
   * @param {AudioContext} context
   * @param {Route} [route] what the self-test has found to be better
   * @param {() => void} [onTurn] the system has paused the element, or plays it again
   */
  constructor(context, route = usualRoute(), onTurn = () => {}) {
    this.context = context;
    this.#end = context.destination;
    if (route === "direct") return;
    const destination = context.createMediaStreamDestination();
    this.#end = destination;
    this.#element = new Audio();
    this.#element.setAttribute("playsinline", "");
    this.#element.srcObject = destination.stream;
    this.#element.onpause = onTurn;
    this.#element.onplay = onTurn;
  }

  /** Whether the way is open: an element may be paused while the context runs. */
  get isOpen() {
    return !this.#element?.paused;
  }

  /** @param {AudioNode} node is heard from now on */
  connect(node) {
    node.connect(this.#end);
  }

  /** Start the element, where there is one and the browser lets it. */
  async play() {
    if (this.#element?.paused) await this.#element.play().catch(() => {});
  }

  /** @returns {Route} */
  get route() {
    return this.#element ? "element" : "direct";
  }

  /** @param {string} deviceId "" is the system's default */
  async choose(deviceId) {
    const sink = /** @type {any} */ (this.#element ?? this.context);
    await sink.setSinkId?.(deviceId === "default" ? "" : deviceId);
  }

  /** Play two soft notes, the same way as the assistant's voice. */
  playTestSound() {
    const { context } = this;
    const gain = new GainNode(context, { gain: 0 });
    this.connect(gain);
    const start = context.currentTime + 0.05;
    for (const [index, frequencyHz] of [523.25, 783.99].entries()) {
      const note = new OscillatorNode(context, { type: "sine", frequency: frequencyHz });
      note.connect(gain);
      note.start(start + index * 0.22);
      note.stop(start + index * 0.22 + 0.5);
      gain.gain.setTargetAtTime(0.18, start + index * 0.22, 0.01);
      gain.gain.setTargetAtTime(0, start + index * 0.22 + 0.12, 0.06);
    }
  }

  close() {
    if (!this.#element) return;
    this.#element.onpause = null;
    this.#element.onplay = null;
    this.#element.pause();
    this.#element.srcObject = null;
  }
}

/** Can this browser send sound to a chosen device? @param {Route} [route] */
export function canChooseOutput(route = usualRoute()) {
  return "setSinkId" in (route === "element" ? HTMLMediaElement.prototype : AudioContext.prototype);
}
