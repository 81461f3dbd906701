// @ts-check
/**
 * Playback worklet: frames → jitter buffer → the device's rate → output.
 *
 * In, by `port`: {type:"feed", port} where frames come from; {type:"flush", epoch}.
 * In, by the feed: {type:"frame", seq, epoch, flags, message}; {type:"flush", epoch}; {type:"reset"};
 * {type:"pause"}.
 * Out, by `port`: {type:"played", why, …Played, atSeconds} when playback starts, every 500 ms while it goes on,
 * when it ends, at a flush, and at the handover to another connection, on which the reply goes on; {type:"stats", …}
 * every 250 ms.
 */

import { JitterBuffer } from "../jitter.js";
import { Resampler } from "../resample.js";
import { FRAME_SAMPLES, HEADER_BYTES, SAMPLE_RATE_HZ, STAMP_OFFSET } from "../wire.js";

const REPORT_EVERY_S = 0.5;
const STATS_EVERY_S = 0.25;

class Playback extends AudioWorkletProcessor {
  /** @param {{processorOptions?: {jitter?: object}}} [options] */
  constructor(options) {
    super();
    this.buffer = new JitterBuffer(options?.processorOptions?.jitter);
    this.resampler = new Resampler(SAMPLE_RATE_HZ, sampleRate);
    this.scratch = new Float32Array(4096);
    this.playing = false;
    this.reportAt = 0;
    this.statsAt = 0;
    /** @type {MessagePort|null} */
    this.feed = null;
    this.port.onmessage = (event) => this.#command(event.data);
  }

  /** @param {any} message */
  #command(message) {
    if (message.type === "feed") {
      if (this.feed) this.feed.close();
      this.feed = message.port;
      message.port.onmessage = (/** @type {MessageEvent} */ event) => this.#command(event.data);
    } else if (message.type === "frame") {
      const pcm = new Int16Array(message.message, HEADER_BYTES, FRAME_SAMPLES);
      const stampNs = new DataView(message.message).getBigUint64(STAMP_OFFSET, true);
      const { seq, epoch, flags } = message;
      this.#dropped("flush", this.buffer.push(seq, epoch, flags, pcm, currentTime * 1000, stampNs));
    } else if (message.type === "flush") {
      this.#dropped("flush", this.buffer.flush(message.epoch));
    } else if (message.type === "reset") {
      this.#dropped("handover", this.buffer.reset());
    } else if (message.type === "pause") {
      this.buffer.pause();
    }
  }

  /** @param {"flush"|"handover"} why @param {import("../jitter.js").Played|null} played */
  #dropped(why, played) {
    this.#report(why, played);
    if (played) this.playing = false;
  }

  /** @param {string} why @param {import("../jitter.js").Played|null} played */
  #report(why, played) {
    if (!played) return;
    this.reportAt = currentTime + REPORT_EVERY_S;
    this.port.postMessage({ type: "played", why, ...played, atSeconds: currentTime });
  }

  #account() {
    const { buffer } = this;
    const playing = buffer.state === "playing" || (this.playing && buffer.bufferedMs > 0);
    if (playing !== this.playing || (playing && currentTime >= this.reportAt)) {
      const why = playing ? (this.playing ? "progress" : "start") : "end";
      this.playing = playing;
      this.#report(why, buffer.played);
    }
    if (currentTime < this.statsAt) return;
    this.statsAt = currentTime + STATS_EVERY_S;
    this.port.postMessage({
      type: "stats", ...buffer.counts, state: buffer.state, epoch: buffer.epoch,
      targetMs: buffer.targetMs, bufferedMs: buffer.bufferedMs, jitterMs: buffer.jitterMs,
      playedMs: buffer.playedMs, driftPpm: buffer.driftPpm, rateHz: sampleRate,
    });
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, outputs) {
    const channels = outputs[0];
    const count = channels[0].length;
    this.resampler.adjust(this.buffer.driftPpm);
    const needed = this.resampler.inputNeeded(count);
    this.buffer.pull(this.scratch, needed, currentTime * 1000);
    this.resampler.process(this.scratch, needed, channels[0], count);
    for (let i = 1; i < channels.length; i += 1) channels[i].set(channels[0]);
    this.#account();
    return true;
  }
}

registerProcessor("mixminus-playback", Playback);
