// @ts-check
/**
 * Probe worklet of the self-test: hands its input on as it is, in pieces of 20 ms, with the context's time of each.
 *
 * Out, by `port`: {samples, atSeconds}.
 */

class Probe extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(Math.round(sampleRate / 50));
    this.length = 0;
    this.atSeconds = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const channel = inputs[0][0];
    if (!channel) return true;
    for (let index = 0; index < channel.length; index += 1) {
      if (this.length === 0) this.atSeconds = currentTime + index / sampleRate;
      this.piece[this.length] = channel[index];
      this.length += 1;
      if (this.length === this.piece.length) this.#hand();
    }
    return true;
  }

  #hand() {
    this.port.postMessage({ samples: this.piece.slice(), atSeconds: this.atSeconds });
    this.length = 0;
  }
}

registerProcessor("mixminus-probe", Probe);
