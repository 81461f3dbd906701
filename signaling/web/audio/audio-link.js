// @ts-check
/**
 * Joins the audio data channel and the two worklets: frames, numbers and counts what passes. The same
 * class runs in the Worker and, where a channel cannot be transferred, on the main thread.
 *
 * Commands (`command`): {type:"channel", channel, generation}, {type:"use", generation}, {type:"ports", capture,
 * playback}, {type:"epoch", epoch}, {type:"detach", generation}. A new channel waits beside the one in use until
 * it is open and the page says that it is to be used.
 * Reports (`report`): {type:"open"|"closed", generation}, {type:"stats", …} every 250 ms while one is in use.
 */

import {
  FLAG_PAUSE, HEADER_BYTES, FRAME_BYTES, FRAME_MS, KIND, decodeFrame, encodeFrame, epochNewer, seqAdd,
} from "./wire.js";

/** With more than this in the channel's queue, the uplink is congested and frames are dropped. */
const BUFFERED_LIMIT_BYTES = 5 * (HEADER_BYTES + FRAME_BYTES);
const STATS_EVERY_MS = 250;
/** A longer gap is a pause of the assistant. */
const GAP_LIMIT_MS = 400;

export class AudioLink {
  /** @type {RTCDataChannel|null} */
  channel = null;
  generation = 0;
  /** The channel that is to be used next. @type {{channel: RTCDataChannel, generation: number}|null} */
  next = null;
  /** @type {MessagePort|null} */
  capture = null;
  /** @type {MessagePort|null} */
  playback = null;
  /** @type {ReturnType<typeof setInterval>|undefined} */
  timer = undefined;
  seq = 0;
  epoch = 0;
  heardAtMs = performance.now();
  counts = AudioLink.#zeros();

  /** @param {(report: object) => void} report */
  constructor(report) {
    this.report = report;
  }

  static #zeros() {
    return { sent: 0, dropped: 0, received: 0, malformed: 0, gaps: 0, worstGapMs: 0 };
  }

  /** @param {any} message */
  command(message) {
    if (message.type === "channel") this.#attach(message.channel, message.generation);
    else if (message.type === "ports") this.#setPorts(message.capture, message.playback);
    else if (message.type === "epoch") this.#learnEpoch(message.epoch);
    else if (message.type === "use") this.#use(message.generation);
    else if (message.type === "detach") this.#detach(message.generation);
  }

  /** @param {RTCDataChannel} channel @param {number} generation */
  #attach(channel, generation) {
    this.#drop(this.next?.channel);
    this.next = { channel, generation };
    channel.binaryType = "arraybuffer";
    channel.onopen = () => this.report({ type: "open", generation });
    channel.onclose = () => this.report({ type: "closed", generation });
    if (channel.readyState === "open") this.report({ type: "open", generation });
  }

  /** @param {number} generation */
  #use(generation) {
    if (this.next?.generation !== generation) return;
    const { channel } = this.next;
    this.next = null;
    this.#detach(this.generation);
    this.seq = 0;
    this.epoch = 0;
    this.heardAtMs = performance.now();
    this.counts = AudioLink.#zeros();
    this.channel = channel;
    this.generation = generation;
    channel.onmessage = (event) => this.#receive(event.data);
    this.playback?.postMessage({ type: "reset" });
    this.timer = setInterval(() => this.#stats(), STATS_EVERY_MS);
  }

  /** @param {number} generation */
  #detach(generation) {
    if (this.next?.generation === generation) {
      this.#drop(this.next.channel);
      this.next = null;
    }
    if (!this.channel || this.generation !== generation) return;
    clearInterval(this.timer);
    this.#drop(this.channel);
    this.channel = null;
  }

  /** @param {RTCDataChannel|undefined} channel */
  #drop(channel) {
    if (!channel) return;
    channel.onopen = null;
    channel.onclose = null;
    channel.onmessage = null;
    channel.close();
  }

  /** @param {MessagePort} capture @param {MessagePort} playback */
  #setPorts(capture, playback) {
    this.capture?.close();
    this.playback?.close();
    this.capture = capture;
    this.playback = playback;
    capture.onmessage = (event) => this.#send(event.data.pcm, event.data.flags);
  }

  /** @param {Int16Array} pcm @param {number} flags */
  #send(pcm, flags) {
    const { channel } = this;
    if (!channel || channel.readyState !== "open") return;
    const seq = this.seq;
    this.seq = seqAdd(seq, 1);
    // The frame that announces a pause is never dropped: nothing after it would announce it.
    if (channel.bufferedAmount > BUFFERED_LIMIT_BYTES && (flags & FLAG_PAUSE) === 0) {
      this.counts.dropped += 1;
      return;
    }
    const stampNs = Math.round(performance.now() * 1e6);
    const header = { stream: 0, kind: KIND.AUDIO, epoch: this.epoch, seq, flags, stampNs };
    channel.send(encodeFrame(header, pcm));
    this.counts.sent += 1;
  }

  /** @param {any} message */
  #receive(message) {
    const nowMs = performance.now();
    const gapMs = nowMs - this.heardAtMs;
    this.heardAtMs = nowMs;
    let header;
    try {
      header = decodeFrame(message);
    } catch {
      this.counts.malformed += 1;
      return;
    }
    this.counts.received += 1;
    if (gapMs > 3 * FRAME_MS && gapMs < GAP_LIMIT_MS) this.counts.gaps += 1;
    if (gapMs < GAP_LIMIT_MS) this.counts.worstGapMs = Math.max(this.counts.worstGapMs, gapMs);
    this.#learnEpoch(header.epoch);
    this.#deliver(header, message);
  }

  /** @param {import("./wire.js").Header} header @param {ArrayBuffer} message */
  #deliver(header, message) {
    const { kind, seq, epoch, flags } = header;
    if (kind === KIND.AUDIO) {
      this.playback?.postMessage({ type: "frame", seq, epoch, flags, message }, [message]);
    } else if (kind === KIND.FLUSH) {
      this.playback?.postMessage({ type: "flush", epoch });
    } else if (kind === KIND.STOP) {
      this.playback?.postMessage({ type: "pause" });
    }
  }

  /** @param {number} epoch */
  #learnEpoch(epoch) {
    if (epochNewer(epoch, this.epoch)) this.epoch = epoch;
  }

  #stats() {
    this.report({
      type: "stats", generation: this.generation, ...this.counts, epoch: this.epoch, seq: this.seq,
      quietMs: performance.now() - this.heardAtMs, queuedBytes: this.channel?.bufferedAmount ?? 0,
    });
  }
}
