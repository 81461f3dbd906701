// @ts-check
/**
 * Capture worklet: the microphone at the device's rate → 24 kHz → 20 ms int16 frames.
 *
 * In, by `port`: {type:"feed", port} where frames go; {type:"mute", muted}.
 * Out, by the feed: {pcm, flags}. Out, by `port`: {type:"level", dbfs} every 60 ms while the microphone
 * delivers; {type:"uplink", talking, atSeconds} when the stream resumes or pauses.
 */

import { Resampler } from "../resample.js";
import { FrameMaker, toDbfs } from "../uplink.js";
import { SAMPLE_RATE_HZ } from "../wire.js";

const LEVEL_EVERY_FRAMES = 3;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, SAMPLE_RATE_HZ);
    this.maker = new FrameMaker();
    this.scratch = new Float32Array(4096);
    this.talking = false;
    this.frames = 0;
    this.meanSquare = 0;
    /** @type {MessagePort|null} */
    this.feed = null;
    this.emit = (/** @type {import("../uplink.js").UplinkFrame} */ frame) => this.#send(frame);
    this.level = () => this.#level();
    this.port.onmessage = (event) => this.#command(event.data);
  }

  /** @param {any} message */
  #command(message) {
    if (message.type === "feed") {
      if (this.feed) this.feed.close();
      this.feed = message.port;
    } else if (message.type === "mute") {
      const last = this.maker.setMuted(message.muted);
      if (last) this.#send(last);
    }
  }

  /** @param {import("../uplink.js").UplinkFrame} frame */
  #send({ pcm, flags }) {
    const talking = !this.maker.paused;
    if (talking !== this.talking) {
      this.talking = talking;
      this.port.postMessage({ type: "uplink", talking, atSeconds: currentTime });
    }
    if (!this.feed) return;
    this.feed.postMessage({ pcm, flags }, [/** @type {ArrayBuffer} */ (pcm.buffer)]);
  }

  #level() {
    this.frames += 1;
    this.meanSquare = Math.max(this.meanSquare, this.maker.meanSquare);
    if (this.frames % LEVEL_EVERY_FRAMES !== 0) return;
    this.port.postMessage({ type: "level", dbfs: toDbfs(this.meanSquare) });
    this.meanSquare = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const channel = inputs[0][0];
    if (!channel) return true;
    const count = this.resampler.process(channel, channel.length, this.scratch, this.scratch.length);
    this.maker.take(this.scratch, count, this.emit, this.level);
    return true;
  }
}

registerProcessor("mixminus-capture", Capture);
